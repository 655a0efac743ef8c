#include "models/adapted_model.h"

#include <algorithm>
#include <vector>

#include "base/digest.h"
#include "base/thread_pool.h"
#include "formats/printable.h"
#include "kernels/dequantize.h"
#include "kernels/kernel_table.h"
#include "position/extended_config.h"
#include "position/position_plan.h"
#include "tensor/aligned_buffer.h"

namespace tome {
namespace {

/// Row of the file that holds row `row` of halves order: (2i, 2i + 1) are rotated together there.
std::uint64_t interleaved_row(std::uint64_t row, std::uint64_t head_dim) {
  const std::uint64_t in_head = row % head_dim, half = head_dim / 2;
  return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

std::vector<float> floats_of(const TensorView& view) {
  std::vector<float> values(view.elements());
  kernels::dequantize_row(view.type, view.data, values.size(), values.data());
  return values;
}

class Adapting {
 public:
  Adapting(ModelFile& model, const LoraAdapter& adapter, DType type) : model_(model), adapter_(adapter), type_(type) {}

  Status run() {
    for (const auto& [key, change] : adapter_.changes) TOME_TRY(change_matrix(key, change));
    for (const auto& [key, view] : adapter_.replaced) TOME_TRY(replace(key, view));
    TOME_TRY(declare_positions());
    Sha256 digest;
    const auto add = [&](const LoraAdapter::Key& key, const TensorView& view, double scale) {
      digest.update(fmt::format("{} {} {} {} {}\n", role_name(key.first), key.second, scale, dtype_name(view.type),
                                view.bytes()));
      digest.update(std::span(view.data, static_cast<std::size_t>(view.bytes())));
    };
    digest.update(fmt::format("{} {} {} {}\n", model_.fingerprint, dtype_name(type_), adapter_.scaling_method,
                              adapter_.scaling_factor));
    for (const float divisor : adapter_.divisors) digest.update(fmt::format("{}\n", divisor));
    for (const auto& [key, change] : adapter_.changes) {
      add(key, change.a, change.scale);
      add(key, change.b, change.scale);
    }
    for (const auto& [key, view] : adapter_.replaced) add(key, view, 1.0);
    model_.base_fingerprint = model_.fingerprint;
    model_.fingerprint = digest.hex().substr(0, model_.fingerprint.size());
    return {};
  }

 private:
  std::string where() const { return "[adapter] " + adapter_.path; }

  /// Whose rows the file has in another order than the adapter.
  bool is_turned(Role role) const { return model_.config.rope_pairs == RopePairs::interleaved && is_rotated(role); }

  /// Keeps `values` as the tensor's bytes from now on.
  void keep(const LoraAdapter::Key& key, std::vector<std::uint64_t> shape, const std::vector<float>& values,
            DType type) {
    auto bytes = std::make_shared<AlignedBuffer<std::byte>>(row_bytes(type, values.size()));
    if (type == DType::f32)
      std::copy_n(reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float), bytes->data());
    else
      kernels::kernels().to_bf16(values.data(), values.size(), reinterpret_cast<std::uint16_t*>(bytes->data()));
    model_.tensors[key] = {type, std::move(shape), bytes->data(), Device::cpu};
    model_.storage.push_back(std::move(bytes));
  }

  Status change_matrix(const LoraAdapter::Key& key, const LoraAdapter::Change& change) {
    const TensorView* matrix = model_.find(key.first, key.second);
    if (matrix == nullptr)
      return fail(ErrorKind::usage, "{}: changes '{}' of layer {}, which {} does not have", where(),
                  role_name(key.first), key.second, model_.path);
    std::vector<float> values = floats_of(*matrix);
    const std::vector<float> a = floats_of(change.a), b = floats_of(change.b);
    const std::size_t rank = change.a.rows(), columns = matrix->columns();
    const bool turned = is_turned(key.first);
    parallel_for(static_cast<std::int64_t>(matrix->rows()), [&](std::int64_t index, int) {
      const auto row = static_cast<std::uint64_t>(index);
      float* to = values.data() + (turned ? interleaved_row(row, model_.config.head_dim) : row) * columns;
      std::vector<double> sum(columns, 0.0);
      for (std::size_t r = 0; r < rank; ++r) {
        const double factor = change.scale * static_cast<double>(b[row * rank + r]);
        for (std::size_t column = 0; column < columns; ++column)
          sum[column] += factor * static_cast<double>(a[r * columns + column]);
      }
      for (std::size_t column = 0; column < columns; ++column)
        to[column] = static_cast<float>(static_cast<double>(to[column]) + sum[column]);
    });
    keep(key, matrix->shape, values, type_);
    return {};
  }

  Status replace(const LoraAdapter::Key& key, const TensorView& view) {
    const TensorView* own = model_.find(key.first, key.second);
    if (own == nullptr)
      return fail(ErrorKind::usage, "{}: replaces '{}' of layer {}, which {} does not have", where(),
                  role_name(key.first), key.second, model_.path);
    if (adapter_.changes.contains(key))
      return fail(ErrorKind::format, "{}: both changes and replaces '{}' of layer {}, expected one of the two", where(),
                  role_name(key.first), key.second);
    std::vector<float> values = floats_of(view);
    if (is_turned(key.first)) {
      const std::vector<float> halves = values;
      const std::size_t columns = view.shape.size() == 2 ? view.columns() : 1;
      for (std::size_t row = 0; row < halves.size() / columns; ++row)
        std::copy_n(halves.data() + row * columns, columns,
                    values.data() + interleaved_row(row, model_.config.head_dim) * columns);
    }
    // The adapter's norms are as Hugging Face has them; this file may hold weight + 1.
    if (is_norm(key.first) && model_.config.family == Family::gemma3 && model_.config.norm_weight_offset == 0.0f)
      for (float& value : values) value += 1.0f;
    keep(key, own->shape, values, own->shape.size() == 1 ? DType::f32 : type_);
    return {};
  }

  Status declare_positions() {
    if (adapter_.scaling_method.empty()) return {};
    const auto method = scaling_method_from_name(adapter_.scaling_method);
    if (!method) return fail(ErrorKind::format, "{}: {}", where(), method.error().message);
    const auto extended = extended_config(model_.config, *method, adapter_.scaling_factor, adapter_.divisors);
    if (!extended) return fail(extended.error().kind, "{}: {}", where(), extended.error().message);
    model_.config = *extended;
    const ModelConfig& c = model_.config;
    TOME_ASSIGN(const PositionPlan plan, plan_positions(c, declared_options(c), c.context_length));
    if (!adapter_.position_fingerprint.empty() && plan.fingerprint() != adapter_.position_fingerprint)
      return fail(ErrorKind::usage, "{}: trained with positions {}, this model with {} × {} has {}", where(),
                  printable(adapter_.position_fingerprint), adapter_.scaling_method, adapter_.scaling_factor,
                  plan.fingerprint());
    return {};
  }

  ModelFile& model_;
  const LoraAdapter& adapter_;
  DType type_;
};

}  // namespace

Result<std::shared_ptr<const ModelFile>> adapted_model(const std::shared_ptr<const ModelFile>& base,
                                                       const LoraAdapter& adapter, DType type) {
  if (!adapter.base_fingerprint.empty() && adapter.base_fingerprint != base->fingerprint)
    return fail(ErrorKind::usage, "[adapter] {}: belongs to {} (fingerprint {}), not to {} ({})", adapter.path,
                printable(adapter.base_model), printable(adapter.base_fingerprint), base->path, base->fingerprint);
  auto model = std::make_shared<ModelFile>(*base);
  model->storage.insert(model->storage.end(), adapter.storage.begin(), adapter.storage.end());
  TOME_TRY(Adapting(*model, adapter, type).run());
  return std::shared_ptr<const ModelFile>(std::move(model));
}

}  // namespace tome
