#include "models/encoder_weights.h"

#include "kernels/dequantize.h"

namespace tome {
namespace {

class Loader {
 public:
  explicit Loader(const EncoderFile& file) : file_(file) {}

  TensorView matrix(EncoderRole role) const {
    const TensorView* found = file_.find(role, layer);
    return found == nullptr ? TensorView() : *found;
  }
  std::vector<float> vector(EncoderRole role) const {
    const TensorView* found = file_.find(role, layer);
    if (found == nullptr) return {};
    std::vector<float> values(found->columns());
    kernels::dequantize_row(found->type, found->data, values.size(), values.data());
    return values;
  }
  LinearWeights linear(EncoderRole weight, EncoderRole bias) const { return {matrix(weight), vector(bias)}; }
  NormWeights norm(EncoderRole weight, EncoderRole bias) const { return {vector(weight), vector(bias)}; }

  int layer = -1;

 private:
  const EncoderFile& file_;
};

EncoderLayerWeights load_layer(const Loader& loader) {
  using Role = EncoderRole;
  return {.query = loader.linear(Role::query, Role::query_bias),
          .key = loader.linear(Role::key, Role::key_bias),
          .value = loader.linear(Role::value, Role::value_bias),
          .global_query = loader.linear(Role::global_query, Role::global_query_bias),
          .global_key = loader.linear(Role::global_key, Role::global_key_bias),
          .global_value = loader.linear(Role::global_value, Role::global_value_bias),
          .attention_output = loader.linear(Role::attention_output, Role::attention_output_bias),
          .up = loader.linear(Role::up, Role::up_bias),
          .down = loader.linear(Role::down, Role::down_bias),
          .attention_norm = loader.norm(Role::attention_norm, Role::attention_norm_bias),
          .output_norm = loader.norm(Role::output_norm, Role::output_norm_bias)};
}

}  // namespace

EncoderWeights load_encoder_weights(std::shared_ptr<const EncoderFile> file) {
  using Role = EncoderRole;
  Loader loader(*file);
  EncoderWeights weights;
  weights.word_embedding = loader.matrix(Role::word_embedding);
  weights.position_embedding = loader.matrix(Role::position_embedding);
  weights.type_embedding = loader.vector(Role::type_embedding);
  weights.embedding_norm = loader.norm(Role::embedding_norm, Role::embedding_norm_bias);
  weights.pooler = loader.linear(Role::pooler, Role::pooler_bias);
  weights.head = loader.linear(Role::head, Role::head_bias);
  weights.head_norm = loader.norm(Role::head_norm, Role::head_norm_bias);
  weights.head_output = loader.linear(Role::head_output, Role::head_output_bias);
  for (loader.layer = 0; loader.layer < static_cast<int>(file->config.layers); ++loader.layer)
    weights.layers.push_back(load_layer(loader));
  weights.file = std::move(file);
  return weights;
}

}  // namespace tome
