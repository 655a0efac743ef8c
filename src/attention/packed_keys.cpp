#include "attention/packed_keys.h"

#include <algorithm>

#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace tome {

namespace {

constexpr std::uint64_t kPage = kernels::kPanelColumns;

}  // namespace

PackedKeys::PackedKeys(std::uint32_t heads, std::uint32_t head_dim) : heads_(heads), head_dim_(head_dim) {}

const float* PackedKeys::key_panel(std::uint32_t head, std::uint64_t page) const {
  return keys_.data() + (head * pages() + page) * key_floats();
}

const float* PackedKeys::value_panels_of(std::uint32_t head, std::uint64_t page) const {
  return values_.data() + (head * pages() + page) * value_floats();
}

void PackedKeys::pack(const float* keys, const float* values, std::uint64_t count) {
  count_ = count;
  keys_.reserve(heads_ * pages() * key_floats());
  if (values != nullptr) values_.reserve(heads_ * pages() * value_floats());
  parallel_for(static_cast<std::int64_t>(pages()), [&](std::int64_t page, int) {
    for (std::uint32_t head = 0; head < heads_; ++head) pack_page(keys, values, head, static_cast<std::uint64_t>(page));
  });
}

void PackedKeys::pack_page(const float* keys, const float* values, std::uint32_t head, std::uint64_t page) {
  const std::size_t dims = head_dim_, width = heads_ * dims;
  float* key_panel = keys_.data() + (head * pages() + page) * key_floats();
  float* value_panel = values == nullptr ? nullptr : values_.data() + (head * pages() + page) * value_floats();
  std::fill_n(key_panel, key_floats(), 0.0f);
  if (values != nullptr) std::fill_n(value_panel, value_floats(), 0.0f);
  const std::uint64_t first = page * kPage, last = std::min(first + kPage, count_);
  for (std::uint64_t key = first; key < last; ++key) {
    const std::size_t column = key - first, from = key * width + head * dims;
    for (std::size_t k = 0; k < dims; ++k) key_panel[k * kPage + column] = keys[from + k];
    if (values == nullptr) continue;
    for (std::size_t k = 0; k < dims; ++k)
      value_panel[(k / kPage * kPage + column) * kPage + k % kPage] = values[from + k];
  }
}

}  // namespace tome
