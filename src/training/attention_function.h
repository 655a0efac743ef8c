#pragma once
// attention/training_attention.h as a function that torch differentiates.
#include <torch/types.h>

namespace tome {

/// queries [tokens, heads, head_dim], keys and values [tokens, kv_heads, head_dim], fp32, rotated. first_keys: int32,
/// [tokens] or [kv_heads, tokens], contiguous: query i sees the keys first_keys[i] … i (TrainingAttention says which
/// are allowed). Returns [tokens, heads, head_dim].
torch::Tensor attend(const torch::Tensor& queries, const torch::Tensor& keys, const torch::Tensor& values,
                     const torch::Tensor& first_keys, double score_scale);

}  // namespace tome
