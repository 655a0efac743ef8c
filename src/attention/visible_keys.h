#pragma once
// Which keys a query sees, as a value. Kernels ask it for an interval a query and for the coverage of a tile; nobody
// builds a dense mask. Positions are absolute within the sequence. Every pattern here is one contiguous interval whose
// ends never move back as the query moves on.
#include <algorithm>
#include <cstdint>

#include "position/position_plan.h"

namespace tome {

struct KeyInterval {
  std::uint64_t begin = 0, end = 0;  ///< [begin, end); empty when begin >= end
};

enum class TileCoverage { none, all, some };

/// Causal visibility, optionally within a window (query − key < window; 0: none), optionally only a part's key range.
struct VisibleKeys {
  std::uint64_t window = 0;
  KeyRange range = {};

  KeyInterval of(std::uint64_t query) const;
  /// Queries [first_query, last_query], keys [first_key, last_key].
  TileCoverage coverage(std::uint64_t first_query, std::uint64_t last_query, std::uint64_t first_key,
                        std::uint64_t last_key) const;
};

}  // namespace tome
