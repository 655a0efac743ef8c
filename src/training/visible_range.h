#pragma once
// Which keys the tokens of a training sample see: each from a first one to itself (TrainingAttention::first_key).
// Documents packed into one sample do not see each other.
#include <torch/types.h>

#include <cstdint>
#include <span>

namespace tome {

/// first_document_token[i]: where the document of token i begins in the sample. window: of sliding-window layers
/// (query − key < window); 0: none. int32 [tokens].
torch::Tensor first_keys(std::span<const std::uint32_t> first_document_token, std::uint64_t window);

/// Which KV heads of a layer look at groups that are shifted.
enum class ShiftedHeads { none, second_half, all };

/// Shifted sparse attention (S², LongLoRA, arXiv 2309.12307, section 3.2): tokens in groups of `group`; some KV heads
/// in groups that are shifted by half of one, so that neighbours exchange what they know. Causal within a group;
/// shifted groups do not wrap around the text's ends (there they would join its first to its last tokens). A model with
/// a single KV head alternates between `none` and `all` by layer. int32 [kv_heads, tokens].
torch::Tensor first_keys_of_shifted_groups(std::span<const std::uint32_t> first_document_token, std::uint64_t group,
                                           std::uint32_t kv_heads, ShiftedHeads shifted);

}  // namespace tome
