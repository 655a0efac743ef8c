#pragma once
// An encoder's tensors by role, looked up once. Matrices stay views of the mapped file, vectors become fp32.
#include <memory>
#include <vector>

#include "formats/encoder_file.h"

namespace tome {

struct LinearWeights {
  TensorView weight;        // [outputs, inputs]
  std::vector<float> bias;  // empty: none
};

struct NormWeights {
  std::vector<float> weight, bias;
};

struct EncoderLayerWeights {
  LinearWeights query, key, value, global_query, global_key, global_value, attention_output, up, down;
  NormWeights attention_norm, output_norm;
};

struct EncoderWeights {
  std::shared_ptr<const EncoderFile> file;
  TensorView word_embedding, position_embedding;
  std::vector<float> type_embedding;  ///< of type 0
  NormWeights embedding_norm, head_norm;
  LinearWeights pooler, head, head_output;  // without weights where the checkpoint has none
  std::vector<EncoderLayerWeights> layers;
};

EncoderWeights load_encoder_weights(std::shared_ptr<const EncoderFile> file);

}  // namespace tome
