#pragma once
// Exact tiled attention (FlashAttention-2, arXiv 2307.08691): query tiles outside, key tiles inside, online softmax in
// base 2, no score matrix and no mask. All query heads of one KV head share a tile (rows = position × group + head), so
// each key is read once a group. Few queries over many keys are split along the keys and merged (partial_merge.h); the
// split depends on shapes and patterns, never on the thread count.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "attention/rotation.h"
#include "attention/visible_keys.h"
#include "cache/page_bounds.h"
#include "cache/paged_kv.h"
#include "tensor/aligned_buffer.h"

namespace tome {

struct AttentionShape {
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  float score_scale = 1.0f;  ///< multiplies q · k
};

/// How queries and keys of one part of a plan turn. Absent: queries come rotated and keys are stored rotated.
struct PartRotation {
  const PositionPart* part = nullptr;
  const RotationRows* rows = nullptr;  ///< covers every mapped position
};

/// Of the products Q·Kᵀ (P·V follows in bf16 with the last two). int8: keys as q8_0 holds them, queries rounded to 8
/// bits a row; not exact (global tokens of a pattern are taken in bf16). For caches of q8_0 whose keys are stored
/// rotated, on machines with int8 scores (kernel_table.h). Evidence and LSEs from keys alone take bf16 instead.
enum class AttentionPrecision { fp32, bf16, int8 };

struct AttentionRequest {
  AttentionShape shape;
  const PagedKv* keys = nullptr;   ///< holds every visible key, the chunk's own included
  const float* queries = nullptr;  ///< [tokens, heads · head_dim]
  std::size_t query_stride = 0;
  std::uint64_t first_position = 0;
  int tokens = 0;
  VisibleKeys visible;
  PartRotation rotation;
  /// With top_pages: of the full pages before its own, a query tile reads only the first, the last one, and the
  /// top_pages whose bounds (Quest's, as shares of a row's softmax, the most of any row) promise most. For keys that
  /// are stored rotated and seen without a window.
  const PageBounds* bounds = nullptr;
  std::uint64_t top_pages = 0;                              ///< 0: all
  AttentionPrecision precision = AttentionPrecision::bf16;  ///< bf16: fp32 where the machine has no bf16 products
  /// Not empty: these tokens alone (ascending); what the results hold for the others stays as it is. Of flash_attention
  /// only.
  std::span<const int> only;

  int query_count() const { return only.empty() ? tokens : static_cast<int>(only.size()); }
  int token(int query) const { return only.empty() ? query : only[static_cast<std::size_t>(query)]; }
  std::uint64_t position(int query) const { return first_position + static_cast<std::uint64_t>(token(query)); }
};

/// The contract of every attention routine: normalised fp32 output and its natural-logarithmic LSE (−∞: saw no key).
struct PartialAttention {
  float* output = nullptr;  ///< [tokens, heads · head_dim], contiguous
  float* lse = nullptr;     ///< [tokens, heads]
};

/// Reusable memory; one owner, one call at a time.
struct AttentionScratch {
  AlignedBuffer<std::byte> threads;
  struct KeptTiles;
  std::shared_ptr<KeptTiles> kept;  ///< what threads keep from task to task
  std::vector<float> split_output, split_lse;
  /// Of page choices: by thread, and the pages of each (tile, KV head).
  struct Choice {
    AlignedBuffer<std::byte> memory;
    std::vector<float> shares;
  };
  std::vector<Choice> choices;
  std::vector<std::vector<std::uint64_t>> chosen;
  /// Of patterns with global tokens: their keys and values as panels, and the tokens of the request by kind.
  AlignedBuffer<std::byte> globals;
  std::vector<int> global_tokens, other_tokens;
};

void flash_attention(const AttentionRequest& request, const PartialAttention& result, AttentionScratch& scratch);

/// The LSE of one head's rows [first_token, last_token), lse[token · heads + head], from the keys alone: where nobody
/// wants the output (a skim).
void attention_lse(const AttentionRequest& request, std::uint32_t head, int first_token, int last_token, float* lse,
                   AttentionScratch& scratch);

/// Σ over tokens [first_token, last_token) of the attention probability of each key for one head, added to
/// probabilities[key position], given the LSE of a finished flash_attention (for plans of several parts: the merged
/// one).
void add_attention_probabilities(const AttentionRequest& request, std::uint32_t head, const float* lse, int first_token,
                                 int last_token, std::span<float> probabilities, AttentionScratch& scratch);

}  // namespace tome
