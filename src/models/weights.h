#pragma once
// A layer's tensors by role, looked up once. Matrices stay as the file has them (quantised), in a copy on huge pages,
// with rows interleaved where the machine's products read those faster, or as views of the mapped file; vectors become
// fp32.
#include <memory>
#include <vector>

#include "base/huge_memory.h"
#include "formats/model_file.h"

namespace tome {

struct LayerWeights {
  std::vector<float> attention_norm, query_norm, key_norm, post_attention_norm, feed_forward_norm,
      post_feed_forward_norm;
  std::vector<float> query_bias, key_bias, value_bias;  // empty: none
  TensorView query, key, value, attention_output, gate, up, down;
};

/// Where the matrices lie. copied: read faster by half (base/huge_memory.h), at the cost of copying once; the file's
/// pages leave the resident set as they are copied. mapped: shared between processes, paged in as they are used.
enum class WeightStorage { copied, mapped };

struct DecoderWeights {
  std::shared_ptr<const ModelFile> file;
  HugeBuffer copy;                     ///< what the views point into when copied
  TensorView token_embedding, output;  // output = token_embedding when tied
  std::vector<float> output_norm;
  std::vector<LayerWeights> layers;
};

/// Errors: format, naming a tensor that the family needs and the file lacks.
Result<DecoderWeights> load_decoder_weights(std::shared_ptr<const ModelFile> file, WeightStorage storage);

}  // namespace tome
