#include "models/weights.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/thread_pool.h"
#include "kernels/dequantize.h"
#include "kernels/kernel_table.h"
#include "tensor/interleaved_rows.h"

namespace tome {
namespace {

Result<TensorView> matrix(const ModelFile& file, Role role, int layer) {
  const TensorView* found = file.find(role, layer);
  if (found == nullptr)
    return fail(ErrorKind::format, "{}: layer {}: tensor '{}' is missing", file.path, layer, role_name(role));
  return *found;
}

/// `offset` is added to norm weights of files that store weight − 1.
Result<std::vector<float>> vector(const ModelFile& file, Role role, int layer, float offset) {
  TOME_ASSIGN(const TensorView view, matrix(file, role, layer));
  std::vector<float> values(view.elements());
  kernels::dequantize_row(view.type, view.data, values.size(), values.data());
  for (float& value : values) value += offset;
  return values;
}

Result<std::vector<float>> optional_vector(const ModelFile& file, Role role, int layer) {
  if (file.find(role, layer) == nullptr) return std::vector<float>();
  return vector(file, role, layer, 0.0f);
}

Result<LayerWeights> load_layer(const ModelFile& file, int layer) {
  const ModelConfig& config = file.config;
  const float offset = config.norm_weight_offset;
  LayerWeights weights;
  TOME_ASSIGN(weights.attention_norm, vector(file, Role::attention_norm, layer, offset));
  TOME_ASSIGN(weights.feed_forward_norm, vector(file, Role::feed_forward_norm, layer, offset));
  if (config.qk_norm) {
    TOME_ASSIGN(weights.query_norm, vector(file, Role::query_norm, layer, offset));
    TOME_ASSIGN(weights.key_norm, vector(file, Role::key_norm, layer, offset));
  }
  if (config.post_norms) {
    TOME_ASSIGN(weights.post_attention_norm, vector(file, Role::post_attention_norm, layer, offset));
    TOME_ASSIGN(weights.post_feed_forward_norm, vector(file, Role::post_feed_forward_norm, layer, offset));
  }
  TOME_ASSIGN(weights.query_bias, optional_vector(file, Role::query_bias, layer));
  TOME_ASSIGN(weights.key_bias, optional_vector(file, Role::key_bias, layer));
  TOME_ASSIGN(weights.value_bias, optional_vector(file, Role::value_bias, layer));
  TOME_ASSIGN(weights.query, matrix(file, Role::query, layer));
  TOME_ASSIGN(weights.key, matrix(file, Role::key, layer));
  TOME_ASSIGN(weights.value, matrix(file, Role::value, layer));
  TOME_ASSIGN(weights.attention_output, matrix(file, Role::attention_output, layer));
  TOME_ASSIGN(weights.gate, matrix(file, Role::gate, layer));
  TOME_ASSIGN(weights.up, matrix(file, Role::up, layer));
  TOME_ASSIGN(weights.down, matrix(file, Role::down, layer));
  return weights;
}

/// Copies a matrix, interleaved where the machine's products want that.
void copy_matrix(TensorView& view, std::byte* to, const ModelFile& file) {
  constexpr std::size_t step = std::size_t{4} << 20;
  const std::byte* from = view.data;
  view.data = to;
  const auto bytes = static_cast<std::size_t>(view.bytes());
  const auto forget = [&](std::size_t start, std::size_t count) {
    for (const auto& mapped : file.mapped) mapped->forget({from + start, count});
  };
  if (kernels::kernels().interleaved_dots == nullptr || !can_interleave(view)) {
    parallel_for(static_cast<std::int64_t>((bytes + step - 1) / step), [&](std::int64_t index, int) {
      const std::size_t start = static_cast<std::size_t>(index) * step, count = std::min(step, bytes - start);
      std::memcpy(to + start, from + start, count);
      forget(start, count);
    });
    return;
  }
  view.interleaved = true;
  const std::size_t group = kInterleavedRows * row_bytes(view.type, view.columns()),
                    each = std::max<std::size_t>(1, step / group), groups = bytes / group;
  parallel_for(static_cast<std::int64_t>((groups + each - 1) / each), [&](std::int64_t index, int) {
    const std::size_t first = static_cast<std::size_t>(index) * each, last = std::min(groups, first + each);
    for (std::size_t i = first; i < last; ++i)
      interleave_rows(view.type, from + i * group, view.columns(), to + i * group);
    forget(first * group, (last - first) * group);
  });
}

/// Copies the matrices one after the other, each once, and turns the views to the copies.
void copy_matrices(DecoderWeights& weights) {
  const auto padded = [](std::uint64_t bytes) { return (bytes + 63) / 64 * 64; };
  std::vector<TensorView*> views{&weights.token_embedding, &weights.output};
  for (LayerWeights& layer : weights.layers)
    for (TensorView* view :
         {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate, &layer.up, &layer.down})
      views.push_back(view);
  std::map<const std::byte*, std::uint64_t> places;  // by where a matrix lies in the file: tied ones are one
  std::uint64_t total = 0;
  for (const TensorView* view : views)
    if (places.emplace(view->data, total).second) total += padded(view->bytes());
  weights.copy = HugeBuffer(total);
  const std::byte* embedding = weights.token_embedding.data;
  for (TensorView* view : views) {
    if (view == &weights.output && view->data == embedding) {
      *view = weights.token_embedding;
      continue;
    }
    copy_matrix(*view, weights.copy.data() + places.at(view->data), *weights.file);
  }
}

}  // namespace

Result<DecoderWeights> load_decoder_weights(std::shared_ptr<const ModelFile> file, WeightStorage storage) {
  DecoderWeights weights;
  TOME_ASSIGN(weights.token_embedding, matrix(*file, Role::token_embedding, -1));
  weights.output = weights.token_embedding;
  if (!file->config.tied_embeddings) {
    TOME_ASSIGN(weights.output, matrix(*file, Role::output, -1));
  }
  TOME_ASSIGN(weights.output_norm, vector(*file, Role::output_norm, -1, file->config.norm_weight_offset));
  for (int layer = 0; layer < static_cast<int>(file->config.layers); ++layer) {
    TOME_ASSIGN(auto loaded, load_layer(*file, layer));
    weights.layers.push_back(std::move(loaded));
  }
  weights.file = std::move(file);
  if (storage == WeightStorage::copied) copy_matrices(weights);
  return weights;
}

}  // namespace tome
