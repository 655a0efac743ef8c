#pragma once
// The largest and the smallest value of every channel over the keys of each full page (Quest, arXiv 2406.10774, section
// 3.2): Σ max(q · largest, q · smallest) bounds the score of any key of the page. Kept as a PagedKv of its own whose
// positions are page numbers and whose keys are (largest, smallest), so that the bounds of 64 pages are one panel of a
// product with (max(q, 0), min(q, 0)). Owner: the sequence's state. Not thread-safe.
#include <cstdint>

#include "cache/paged_kv.h"

namespace tome {

class PageBounds {
 public:
  explicit PageBounds(const KvLayout& keys);
  /// Takes in the pages that have become full.
  void update(const PagedKv& keys);
  /// Forgets pages that are no longer full at `length` keys.
  void rewind(std::uint64_t length);
  /// bf16, [2 · head_dim] a page and head; length(): full pages taken in.
  const PagedKv& panels() const { return panels_; }

 private:
  PagedKv panels_;
};

}  // namespace tome
