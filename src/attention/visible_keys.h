#pragma once
// Which keys a query sees, as a value. Kernels ask it for an interval a query and for the coverage of a page; nobody
// builds a dense mask. Positions are absolute within the sequence. Causality, windows and key ranges are one contiguous
// interval whose ends never move back as the query moves on; a sparse pattern (pattern.h) leaves out some of it.
#include <algorithm>
#include <cstdint>

#include "attention/pattern.h"
#include "position/position_plan.h"

namespace tome {

struct KeyInterval {
  std::uint64_t begin = 0, end = 0;  ///< [begin, end); empty when begin >= end
};

enum class TileCoverage { none, all, some };

/// Of the 64 keys of a page, for queries of which the first and the last see these intervals.
inline TileCoverage page_coverage(const KeyInterval& first, const KeyInterval& last, std::uint64_t page) {
  const std::uint64_t first_key = page * 64, last_key = first_key + 63;
  if (last_key < first.begin || first_key >= last.end) return TileCoverage::none;
  return first_key >= last.begin && last_key < first.end ? TileCoverage::all : TileCoverage::some;
}

/// Causal visibility, optionally within a window (query − key < window; 0: none), optionally only a part's key range.
struct VisibleKeys {
  std::uint64_t window = 0;
  KeyRange range = {};
  const AttentionPattern* pattern = nullptr;  ///< none: everything in the interval

  /// What one KV head of the layer sees: some patterns leave heads out.
  VisibleKeys for_kv_head(std::uint32_t kv_head) const {
    VisibleKeys visible = *this;
    if (pattern != nullptr && pattern->shows_all_to(kv_head)) visible.pattern = nullptr;
    return visible;
  }
  KeyInterval of(std::uint64_t query) const;
  /// Bit k: the query sees key 64 · page + k.
  std::uint64_t bits(std::uint64_t query, std::uint64_t page) const;
  /// Queries [first_query, last_query], the 64 keys of a page.
  TileCoverage coverage(std::uint64_t first_query, std::uint64_t last_query, std::uint64_t page) const;
};

}  // namespace tome
