#include "attention/visible_keys.h"

namespace tome {

KeyInterval VisibleKeys::of(std::uint64_t query) const {
  KeyInterval keys{0, query + 1};
  const std::uint64_t chunk_begin = range.chunk == 0 ? 0 : query / range.chunk * range.chunk;
  switch (range.kind) {
    case KeyRange::Kind::all:
      break;
    case KeyRange::Kind::neighbours:
      keys.begin = query + 1 > range.window ? query + 1 - range.window : 0;
      break;
    case KeyRange::Kind::beyond:
      keys.end = query + 1 > range.window ? query + 1 - range.window : 0;
      break;
    case KeyRange::Kind::same_chunk:
      keys.begin = chunk_begin;
      break;
    case KeyRange::Kind::previous_chunk:
      keys.begin = chunk_begin > range.chunk ? chunk_begin - range.chunk : 0;
      keys.end = chunk_begin;
      break;
    case KeyRange::Kind::earlier_chunks:
      keys.end = chunk_begin > range.chunk ? chunk_begin - range.chunk : 0;
      break;
  }
  if (window != 0 && query + 1 > window) keys.begin = std::max(keys.begin, query + 1 - window);
  if (pattern != nullptr) keys.begin = std::max(keys.begin, pattern->first_key(query));
  return keys;
}

std::uint64_t VisibleKeys::bits(std::uint64_t query, std::uint64_t page) const {
  const KeyInterval keys = of(query);
  const std::uint64_t first = page * 64, begin = std::clamp(keys.begin, first, first + 64),
                      end = std::clamp(keys.end, begin, first + 64);
  const std::uint64_t count = end - begin;
  if (count == 0) return 0;
  const std::uint64_t seen = (~std::uint64_t{0} >> (64 - count)) << (begin - first);
  return pattern == nullptr ? seen : seen & pattern->bits(query, page);
}

TileCoverage VisibleKeys::coverage(std::uint64_t first_query, std::uint64_t last_query, std::uint64_t page) const {
  const TileCoverage coverage = page_coverage(of(first_query), of(last_query), page);
  if (pattern == nullptr || coverage == TileCoverage::none) return coverage;
  if (!pattern->may_see(first_query, last_query, page)) return TileCoverage::none;
  std::uint64_t any = 0, every = ~std::uint64_t{0};
  for (std::uint64_t query = first_query; query <= last_query; ++query) {
    const std::uint64_t seen = bits(query, page);
    any |= seen;
    every &= seen;
  }
  return any == 0 ? TileCoverage::none : every == ~std::uint64_t{0} ? TileCoverage::all : TileCoverage::some;
}

}  // namespace tome
