#pragma once
// A layer's tensors by role, looked up once. Matrices stay views of the file (quantised); vectors become fp32.
#include <memory>
#include <vector>

#include "formats/model_file.h"

namespace tome {

struct LayerWeights {
  std::vector<float> attention_norm, query_norm, key_norm, post_attention_norm, feed_forward_norm,
      post_feed_forward_norm;
  std::vector<float> query_bias, key_bias, value_bias;  // empty: none
  TensorView query, key, value, attention_output, gate, up, down;
};

struct DecoderWeights {
  std::shared_ptr<const ModelFile> file;
  TensorView token_embedding, output;  // output = token_embedding when tied
  std::vector<float> output_norm;
  std::vector<LayerWeights> layers;
};

/// Errors: format, naming a tensor that the family needs and the file lacks.
Result<DecoderWeights> load_decoder_weights(std::shared_ptr<const ModelFile> file);

}  // namespace tome
