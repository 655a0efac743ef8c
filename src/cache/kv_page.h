#pragma once
// The layout of 64 consecutive keys and values of one layer, written once at append time in the form that the product
// reads. Per KV head: keys, then values.
//   bf16, f16: keys [head_dim / 2][64 keys][2], values ⌈head_dim / 64⌉ × [32 key pairs][64 dims][2]
//   f32:       keys [head_dim][64 keys],        values ⌈head_dim / 64⌉ × [64 keys][64 dims]
//   q8_0:      keys [head_dim / 4][64 keys][4] of code + 128, then fp16 scales [head_dim / 32][64 keys];
//              values ⌈head_dim / 64⌉ × ([32 key pairs][4][2 keys][16 dims] codes, then fp16 scales [64 keys][2])
//   q4_0:      the same with half a byte a code: keys [head_dim / 4][64 keys][2 bytes, the first dim lowest], values
//              [32 key pairs][4][2 keys][8 bytes, dims 0 … 7 below 8 … 15]. Keys and values are rotated (hadamard.h)
//              and keys divided by a scale of their channel (KIVI, arXiv 2402.02750; here one vector a head, fixed with
//              the first chunk), so queries must be rotated and multiplied, outputs rotated back.
// Keys that are stored rotated may lie centred in q8_0 pages (PagedKv::fit_to_keys).
// Slots not yet written are zero: finite, and masked by visibility. A layer whose values nobody reads (a skim's last
// one) keeps keys only.
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "tensor/dtype.h"

namespace tome {

inline constexpr std::uint64_t kPageKeys = 64;
inline constexpr std::uint32_t kMostHeadDim = 1024;

enum class KvParts { keys_and_values, keys };

struct KvLayout {
  DType type = DType::bf16;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  KvParts parts = KvParts::keys_and_values;

  /// Errors: unsupported for a type other than f32, bf16, f16, q8_0, q4_0, a head_dim that is odd or above 1024, or
  /// q8_0 and q4_0 when 32 does not divide it.
  static Result<KvLayout> create(DType type, std::uint32_t kv_heads, std::uint32_t head_dim,
                                 KvParts parts = KvParts::keys_and_values);
  std::uint32_t value_panels() const { return (head_dim + 63) / 64; }
  std::size_t key_bytes() const;    ///< of one head in one page
  std::size_t value_bytes() const;  ///< 0 with keys only
  std::size_t page_bytes() const { return (key_bytes() + value_bytes()) * kv_heads; }
  bool operator==(const KvLayout&) const = default;
};

/// Stores one position of one head into its slot (0 … 63) of a page. value: not read with keys only. channel_scales:
/// [head_dim], of the head; q4_0 alone reads them.
void write_kv(const KvLayout& layout, std::byte* page, std::uint32_t head, std::uint64_t slot, const float* key,
              const float* value, const float* channel_scales = nullptr);

/// Keys or values of one head of a page as fp32 rows [64][head_dim]; of q4_0 as they are stored: rotated, keys divided.
void read_keys(const KvLayout& layout, const std::byte* page, std::uint32_t head, float* rows);
void read_values(const KvLayout& layout, const std::byte* page, std::uint32_t head, float* rows);

}  // namespace tome
