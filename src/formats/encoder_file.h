#pragma once
// An encoder that reads both ways (Longformer, BigBird) as a Hugging Face folder holds it, in Tome's own words. Opened
// once, read-only, shared; weights are views into mapped files and live as long as the EncoderFile.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/tokenizer_spec.h"
#include "tensor/tensor_view.h"

namespace tome {

enum class EncoderFamily { longformer, bigbird };
std::string_view encoder_family_name(EncoderFamily family);

/// gelu: x · Φ(x); gelu_tanh: its approximation by tanh.
enum class EncoderActivation { gelu, gelu_tanh, relu };

/// Every count is validated (non-zero, consistent with the tensors) when the folder opens.
struct EncoderConfig {
  EncoderFamily family = EncoderFamily::longformer;
  std::string name;
  std::uint32_t layers = 0;
  std::uint32_t hidden = 0;
  std::uint32_t heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t feed_forward = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t positions = 0;    ///< rows of the position table
  std::uint32_t token_types = 0;  ///< every token is of type 0
  std::uint32_t pad = 0;          ///< longformer: a token of this id lies at position `pad`, the others from pad + 1 on
  float norm_epsilon = 1e-12f;
  EncoderActivation activation = EncoderActivation::gelu;
  EncoderActivation head_activation = EncoderActivation::gelu;
  float embedding_scale = 1.0f;  ///< bigbird: √hidden with rescale_embeddings
  bool attention_biases = true;  ///< on query, key and value
  bool tied_embeddings = true;
  std::vector<std::uint32_t> windows;  ///< longformer, by layer: keys on both sides together; even
  bool block_sparse = false;           ///< bigbird: else every token sees every token
  std::uint32_t block = 0;
  std::uint32_t random_blocks = 0;

  /// bigbird: texts of at most so many tokens are read with full attention. Two global blocks, three of the window, and
  /// twice the random ones have to fit.
  std::uint64_t full_attention_up_to() const { return (5 + 2 * std::uint64_t{random_blocks}) * block; }
};

/// What a tensor is for. A layer's roles come after `query`; norms and biases are vectors, the rest [outputs, inputs].
enum class EncoderRole {
  word_embedding,
  position_embedding,
  type_embedding,
  embedding_norm,
  embedding_norm_bias,
  pooler,  // tanh(W · first state + b)
  pooler_bias,
  head,  // fills masks: norm(activation(W · state + b)), then the output matrix
  head_bias,
  head_norm,
  head_norm_bias,
  head_output,
  head_output_bias,
  query,
  query_bias,
  key,
  key_bias,
  value,
  value_bias,
  global_query,  // longformer: what tokens with global attention ask, and what they see
  global_query_bias,
  global_key,
  global_key_bias,
  global_value,
  global_value_bias,
  attention_output,
  attention_output_bias,
  attention_norm,
  attention_norm_bias,
  up,
  up_bias,
  down,
  down_bias,
  output_norm,
  output_norm_bias,
};

struct EncoderFile {
  std::string path;
  EncoderConfig config;
  bool has_pooler = false;
  bool has_head = false;
  /// A tokenizer that Tome does not know is no reason to refuse the weights: token ids may be given.
  Result<TokenizerSpec> tokenizer;
  std::int64_t mask = -1;  ///< the id that the head fills; −1: the folder names none
  std::map<std::pair<EncoderRole, int>, TensorView> tensors;  ///< (role, layer or −1); head_output may be the embedding
  std::uint64_t file_bytes = 0;
  std::vector<std::shared_ptr<const MappedFile>> mapped;
  std::vector<std::shared_ptr<const void>> storage;

  const TensorView* find(EncoderRole role, int layer = -1) const {
    const auto found = tensors.find({role, layer});
    return found == tensors.end() ? nullptr : &found->second;
  }
};

/// Everything is validated here: after success no later code needs to distrust a count, shape, offset or type. Errors:
/// io; format with file, field, found and expected; unsupported (architecture, setting, tensor type).
Result<std::shared_ptr<const EncoderFile>> open_encoder_folder(const std::string& folder);

}  // namespace tome
