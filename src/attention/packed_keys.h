#pragma once
// Keys and values of a whole text in fp32, for attention that has all of it at hand: encoders, and training.
#include <cstddef>
#include <cstdint>

#include "tensor/aligned_buffer.h"

namespace tome {

/// Keys and values of all heads in pages of 64, in the layout that the products read. One owner; after packing, any
/// thread.
class PackedKeys {
 public:
  PackedKeys(std::uint32_t heads, std::uint32_t head_dim);
  /// keys, values: [count, heads · head_dim]. values == nullptr: there are no value panels.
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

}  // namespace tome
