#include "training/training_weights.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "kernels/dequantize.h"

namespace tome {
namespace {

torch::Tensor load_tensor(const TensorView& view) {
  const bool matrix = view.shape.size() == 2;
  const auto rows = static_cast<std::int64_t>(matrix ? view.rows() : 1);
  const auto columns = static_cast<std::int64_t>(view.elements()) / rows;
  torch::Tensor tensor =
      matrix ? torch::empty({rows, columns}, torch::kFloat32) : torch::empty({columns}, torch::kFloat32);
  float* to = tensor.data_ptr<float>();
  constexpr std::int64_t step = 64;
  parallel_for((rows + step - 1) / step, [&](std::int64_t block, int) {
    for (std::int64_t row = block * step; row < std::min(rows, (block + 1) * step); ++row)
      kernels::dequantize_row(view.type, view.row(static_cast<std::uint64_t>(row)), static_cast<std::uint64_t>(columns),
                              to + row * columns);
  });
  return tensor;
}

/// Rows 0 1 2 3 … of each head, rotated as pairs (0, 1), (2, 3) …, to 0 2 4 … 1 3 5 …: pairs (i, i + half).
torch::Tensor halves_order(const torch::Tensor& tensor, std::uint32_t head_dim) {
  const std::int64_t heads = tensor.size(0) / head_dim;
  std::vector<std::int64_t> shape = tensor.sizes().vec();
  shape.erase(shape.begin());
  shape.insert(shape.begin(), {heads, static_cast<std::int64_t>(head_dim) / 2, 2});
  return tensor.view(shape).transpose(1, 2).reshape(tensor.sizes()).contiguous();
}

std::uint64_t seed_of(std::uint64_t seed, WeightKey key) {
  Rng rng(seed ^ (static_cast<std::uint64_t>(key.first) << 32) ^ static_cast<std::uint64_t>(key.second + 1));
  return rng.next();
}

}  // namespace

Result<TrainingWeights> TrainingWeights::load(std::shared_ptr<const ModelFile> file) {
  TrainingWeights weights;
  const ModelConfig& c = file->config;
  for (const auto& [key, view] : file->tensors) {
    torch::Tensor tensor = load_tensor(view);
    if (is_norm(key.first) && c.norm_weight_offset != 0.0f) tensor += c.norm_weight_offset;
    if (is_rotated(key.first) && c.rope_pairs == RopePairs::interleaved) {
      if (c.rope_dims != c.head_dim)
        return fail(ErrorKind::unsupported, "{}: training: {} of {} dimensions of a head are rotated, expected all",
                    file->path, c.rope_dims, c.head_dim);
      tensor = halves_order(tensor, c.head_dim);
    }
    weights.tensors_[key] = std::move(tensor);
  }
  weights.file_ = std::move(file);
  return weights;
}

void TrainingWeights::add_change(Role role, int layer, std::uint32_t rank, double alpha, std::uint64_t seed) {
  const torch::Tensor& matrix = at(role, layer);
  LowRankChange change{torch::empty({rank, matrix.size(1)}, torch::kFloat32),
                       torch::zeros({matrix.size(0), rank}, torch::kFloat32), alpha / rank};
  Rng rng(seed_of(seed, {role, layer}));
  const double bound = 1.0 / std::sqrt(static_cast<double>(matrix.size(1)));
  auto* to = change.a.data_ptr<float>();
  for (std::int64_t i = 0; i < change.a.numel(); ++i) to[i] = static_cast<float>((2.0 * rng.uniform() - 1.0) * bound);
  change.a.set_requires_grad(true);
  change.b.set_requires_grad(true);
  set_change(role, layer, std::move(change));
}

void TrainingWeights::set_trainable(Role role, int layer) {
  torch::Tensor& tensor = tensors_.at({role, layer});
  CHECK(tensor.scalar_type() == torch::kFloat32 && frozen(role, layer) == nullptr);
  tensor.set_requires_grad(true);
}

void TrainingWeights::freeze_matrices(bool rounded, Gradients gradients) {
  for (auto& [key, tensor] : tensors_) {
    if (tensor.dim() != 2 || tensor.requires_grad()) continue;
    if (rounded) tensor = tensor.to(torch::kBFloat16);
    if (key.first == Role::token_embedding && !config().tied_embeddings) continue;  // looked up, never multiplied
    frozen_.emplace(key, FrozenMatrix(tensor, gradients));
  }
}

torch::Tensor TrainingWeights::as_stored_elsewhere(const WeightKey& key) const {
  const torch::Tensor own = tensors_.at(key).detach();
  return (is_norm(key.first) && config().family == Family::gemma3 ? own - 1.0 : own.clone()).contiguous();
}

std::vector<torch::Tensor> TrainingWeights::trainable() const {
  std::vector<torch::Tensor> all;
  for (const auto& [key, change] : changes_) {
    all.push_back(change.a);
    all.push_back(change.b);
  }
  for (const auto& [key, tensor] : tensors_)
    if (tensor.requires_grad()) all.push_back(tensor);
  return all;
}

}  // namespace tome
