#pragma once
// Which keys a query of an encoder sees: it may look both ways. As pattern.h for decoders, in words of 64 keys (one
// page), so that nobody builds a dense mask; the pages that a tile of queries sees are told, not searched for.
// Positions count from the text's beginning. Immutable; any thread.
#include <algorithm>
#include <cstdint>
#include <vector>

namespace tome {

class TwoSidedPattern {
 public:
  virtual ~TwoSidedPattern() = default;
  /// The pages of which any query of [first, last] sees a key, ascending, each once.
  virtual std::vector<std::uint64_t> pages(std::uint64_t first, std::uint64_t last) const = 0;
  /// Bit k: the query sees key 64 · page + k. No bit beyond the text.
  virtual std::uint64_t bits(std::uint64_t query, std::uint64_t page) const = 0;
  /// The first `keys` keys of the text count `times` times for the query.
  struct Repeats {
    std::uint64_t keys = 0, times = 1;
  };
  virtual Repeats repeats(std::uint64_t) const { return {}; }
};

/// The bits of keys [begin, end) in a page.
inline std::uint64_t page_bits(std::uint64_t page, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t first = page * 64, from = std::clamp(begin, first, first + 64),
                      to = std::clamp(end, from, first + 64);
  if (to == from) return 0;
  return (~std::uint64_t{0} >> (64 - (to - from))) << (from - first);
}

/// Appends the pages of keys [begin, end) that lie behind the last of `pages`.
inline void append_pages(std::vector<std::uint64_t>& pages, std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  std::uint64_t page = begin / 64;
  if (!pages.empty()) page = std::max(page, pages.back() + 1);
  for (; page <= (end - 1) / 64; ++page) pages.push_back(page);
}

}  // namespace tome
