#pragma once
// A model as found on disk, in Tome's own words: GGUF keys and Hugging Face names are spelled in formats/ and nowhere
// else. Opened once, read-only, shared; weights are views into mapped files and live as long as the ModelFile.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/tokenizer_spec.h"
#include "tensor/tensor_view.h"

namespace tome {

enum class Family { llama, qwen2, qwen3, gemma3 };
std::string_view family_name(Family family);

/// Which halves of a head are rotated together: (2i, 2i+1) as in llama GGUF files, or (i, i + d/2) as in all others.
enum class RopePairs { interleaved, halves };
enum class Activation { silu, gelu_tanh };

/// Position scaling as the file declares it (not what the user asks for: position/position_options.h).
struct DeclaredScaling {
  std::string type = "none";  ///< none, linear, dynamic, yarn, longrope, llama3
  double factor = 1.0;
  bool explicit_factor = false;  ///< the file states `factor` (position.md, disagreement 7)
  std::optional<std::uint64_t> original_context_length;
  std::optional<double> attention_factor;  ///< HF `attention_factor`: replaces m; GGUF `attn_factor`: multiplies m
  bool attention_factor_multiplies = false;
  std::optional<double> mscale, mscale_all_dim;
  double beta_fast = 32.0, beta_slow = 1.0;
  bool truncate = true;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  std::vector<float> short_factors, long_factors;        // longrope, head_dim/2 each
  std::vector<float> frequency_factors;                  // rope_freqs.weight (llama3 in GGUF): divides θ_i
};

/// Hyper-parameters of a decoder. Every count is validated (non-zero, consistent with the tensors) when the file opens.
struct ModelConfig {
  Family family = Family::llama;
  std::string name;
  std::uint32_t layers = 0;
  std::uint32_t hidden = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t feed_forward = 0;
  std::uint32_t vocabulary = 0;
  std::uint64_t context_length = 0;  ///< trained window
  float norm_epsilon = 1e-5f;
  double rope_theta = 10000.0;        ///< base of full-attention layers
  double rope_theta_local = 10000.0;  ///< base of sliding-window layers (gemma3: 1e4)
  std::uint32_t rope_dims = 0;        ///< rotated dims of a head (= head_dim in all four families)
  RopePairs rope_pairs = RopePairs::halves;
  DeclaredScaling scaling;
  std::uint32_t sliding_window = 0;  ///< keys i − j < window are visible; 0: none
  std::vector<bool> local_layers;    ///< per layer: true = sliding window (with rope_theta_local, unscaled)
  Activation activation = Activation::silu;
  bool qk_norm = false;     ///< RMSNorm on each head of q and k before RoPE (qwen3, gemma3)
  bool post_norms = false;  ///< RMSNorm after attention and after the MLP (gemma3)
  bool tied_embeddings = false;
  float embedding_scale = 1.0f;      ///< gemma3: √hidden
  float norm_weight_offset = 0.0f;   ///< HF gemma3 stores weight, uses 1 + weight; GGUF stores the sum: 0
  float attention_scale = 0.0f;      ///< multiplies q·k: 1/√head_dim, or 1/√query_pre_attn_scalar
  float final_logit_softcap = 0.0f;  ///< 0: none
};

/// What a tensor is for. Norm weights and biases are f32/f16/bf16 vectors, the rest [outputs, inputs] matrices.
enum class Role {
  token_embedding,
  output_norm,
  output,  // layer = -1
  attention_norm,
  query,
  key,
  value,
  attention_output,  // query: [heads·head_dim, hidden] …
  query_bias,
  key_bias,
  value_bias,
  query_norm,
  key_norm,
  post_attention_norm,
  feed_forward_norm,
  gate,
  up,
  down,
  post_feed_forward_norm,
};
std::string_view role_name(Role role);
bool is_norm(Role role);
/// Whose rows (or elements) are a head's rotated dimensions: in the order of RopePairs.
bool is_rotated(Role role);

struct ModelFile {
  std::string path;
  ModelConfig config;
  TokenizerSpec tokenizer;
  std::map<std::pair<Role, int>, TensorView> tensors;  ///< (role, layer or −1) → view into `storage`
  std::string fingerprint;       ///< hex: over config, tensor names, shapes, types and sampled bytes
  std::string base_fingerprint;  ///< of the model that an adapter changed into this one; empty: none did
  std::uint64_t file_bytes = 0;
  std::vector<std::shared_ptr<const MappedFile>> mapped;      ///< the files the views point into
  std::vector<std::shared_ptr<const void>> storage;           ///< copies the views point into
  std::vector<std::pair<std::string, std::string>> metadata;  ///< printable key/value pairs for `tome info`

  const TensorView* find(Role role, int layer = -1) const {
    const auto found = tensors.find({role, layer});
    return found == tensors.end() ? nullptr : &found->second;
  }
};

/// Opens a .gguf file (any part of a split one) or a Hugging Face folder (config.json + *.safetensors +
/// tokenizer.json). Everything is validated here: after success no later code needs to distrust a count, shape, offset
/// or type. Errors: io; format with file, field, found and expected; unsupported (architecture, tensor type).
Result<std::shared_ptr<const ModelFile>> open_model_file(const std::string& path);

}  // namespace tome
