#pragma once
// Exact causal attention in fp32 over a whole text, forward and backward (FlashAttention-2, arXiv 2307.08691, sections
// 3.1.1 and 3.1.2): no score matrix is kept, the backward pass makes the probabilities again from the LSE, so memory
// grows with the length and not with its square. Serves training; no KV cache, no positions (rotate before).
// Parallel over KV heads × tiles of queries, backwards over KV heads × pages of keys, step by step; results do not
// depend on the thread count.
#include <cstdint>
#include <span>

namespace tome {

struct TrainingAttention {
  std::uint64_t tokens = 0;
  std::uint32_t heads = 0, kv_heads = 0, head_dim = 0;  ///< kv_heads divides heads; head_dim is even
  float score_scale = 1.0f;                             ///< multiplies q · k
  /// [tokens] or [kv_heads, tokens]: query i sees the keys first_key[i] … i. Never decreasing within a head, at most i.
  /// A window of w is max(0, i − w + 1); documents packed side by side begin at their first token; shifted groups
  /// (S², LongLoRA, arXiv 2309.12307, section 3.2) are group starts that differ by head.
  std::span<const std::uint32_t> first_key;
  const float* queries = nullptr;  ///< [tokens, heads · head_dim]
  const float* keys = nullptr;     ///< [tokens, kv_heads · head_dim]
  const float* values = nullptr;   ///< [tokens, kv_heads · head_dim]
};

/// output: [tokens, heads · head_dim]; lse: [tokens, heads], log₂ Σ 2^(score · log₂ e).
void training_attention(const TrainingAttention& attention, float* output, float* lse);

struct AttentionGradients {
  float* queries;  ///< [tokens, heads · head_dim]
  float* keys;     ///< [tokens, kv_heads · head_dim]
  float* values;   ///< [tokens, kv_heads · head_dim]
};

/// Of Σ output_gradient ∘ output, from what training_attention left in output and lse. Gradients are overwritten.
void training_attention_backward(const TrainingAttention& attention, const float* output, const float* lse,
                                 const float* output_gradient, const AttentionGradients& gradients);

}  // namespace tome
