#pragma once
// Exact attention of an encoder in fp32, block by block with online softmax: a tile of queries reads the pages that its
// pattern names and no others, so that the cost grows with what is seen. Parallel over heads × query tiles; a result
// does not depend on the thread count.
#include <cstdint>

#include "attention/two_sided_pattern.h"
#include "tensor/aligned_buffer.h"

namespace tome {

/// Keys and values of all heads in pages of 64, in the layout that the products read. One owner; after packing, any
/// thread.
class PackedKeys {
 public:
  PackedKeys(std::uint32_t heads, std::uint32_t head_dim);
  /// keys, values: [count, heads · head_dim].
  void pack(const float* keys, const float* values, std::uint64_t count);

  std::uint32_t heads() const { return heads_; }
  std::uint32_t head_dim() const { return head_dim_; }
  std::uint64_t count() const { return count_; }
  std::uint64_t pages() const { return (count_ + 63) / 64; }
  std::uint32_t value_panels() const { return (head_dim_ + 63) / 64; }
  /// [head_dim][64], zeros behind the last key.
  const float* key_panel(std::uint32_t head, std::uint64_t page) const;
  /// [value_panels][64 keys][64 dimensions], zeros behind the last key and dimension.
  const float* value_panels_of(std::uint32_t head, std::uint64_t page) const;

 private:
  std::size_t key_floats() const { return std::size_t{head_dim_} * 64; }
  std::size_t value_floats() const { return std::size_t{value_panels()} * 64 * 64; }
  void pack_page(const float* keys, const float* values, std::uint32_t head, std::uint64_t page);

  std::uint32_t heads_, head_dim_;
  std::uint64_t count_ = 0;
  AlignedBuffer<float> keys_, values_;
};

struct TwoSidedRequest {
  const float* queries = nullptr;  ///< [count, heads · head_dim]; query i stands at position i
  std::uint64_t count = 0;
  float score_scale = 1.0f;                  ///< multiplies q · k
  const PackedKeys* keys = nullptr;          ///< of the text
  const TwoSidedPattern* pattern = nullptr;  ///< which of them; nullptr: all
  const PackedKeys* seen_by_all = nullptr;   ///< further keys, seen by every query
  float* output = nullptr;                   ///< [count, heads · head_dim]; zeros where a query sees no key
};

void two_sided_attention(const TwoSidedRequest& request);

}  // namespace tome
