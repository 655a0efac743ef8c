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
  return keys;
}

TileCoverage VisibleKeys::coverage(std::uint64_t first_query, std::uint64_t last_query, std::uint64_t first_key,
                                   std::uint64_t last_key) const {
  const KeyInterval first = of(first_query), last = of(last_query);
  if (last_key < first.begin || first_key >= last.end) return TileCoverage::none;
  return first_key >= last.begin && last_key < first.end ? TileCoverage::all : TileCoverage::some;
}

}  // namespace tome
