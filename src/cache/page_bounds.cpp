#include "cache/page_bounds.h"

#include <algorithm>

#include "base/check.h"

namespace tome {

PageBounds::PageBounds(const KvLayout& keys)
    : panels_({DType::bf16, keys.kv_heads, keys.head_dim * 2, KvParts::keys}, 0) {}

void PageBounds::update(const PagedKv& keys) {
  const KvLayout& layout = keys.layout();
  CHECK(keys.window() == 0 && layout.head_dim * 2 == panels_.layout().head_dim);
  const std::uint64_t full = keys.length() / kPageKeys;
  CHECK(full >= panels_.length());
  panels_.reserve(full);
  const std::size_t dims = layout.head_dim;
  std::vector<float> rows(kPageKeys * dims), bounds(2 * dims);
  for (std::uint64_t page = panels_.length(); page < full; ++page) {
    for (std::uint32_t head = 0; head < layout.kv_heads; ++head) {
      read_keys(layout, keys.page(page), head, rows.data());
      std::copy_n(rows.data(), dims, bounds.data());
      std::copy_n(rows.data(), dims, bounds.data() + dims);
      for (std::size_t slot = 1; slot < kPageKeys; ++slot) {
        for (std::size_t dim = 0; dim < dims; ++dim) {
          const float key = rows[slot * dims + dim];
          bounds[dim] = std::max(bounds[dim], key);
          bounds[dims + dim] = std::min(bounds[dims + dim], key);
        }
      }
      panels_.write(page, head, bounds.data(), nullptr);
    }
  }
  panels_.commit(full);
}

void PageBounds::rewind(std::uint64_t length) {
  const std::uint64_t full = length / kPageKeys;
  if (full < panels_.length()) CHECK(panels_.rewind(full));
}

}  // namespace tome
