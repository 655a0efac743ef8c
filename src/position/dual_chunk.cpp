#include "position/dual_chunk.h"

#include <algorithm>
#include <cmath>

namespace tome {

DualChunk dual_chunk(std::uint64_t trained) { return {.size = trained * 3 / 4, .local = trained / 8}; }

double dual_chunk_magnitude(double scale) { return scale <= 1.0 ? 1.0 : 0.05 * std::log(scale) + 1.0; }

std::vector<PositionPart> dual_chunk_parts(const DualChunk& chunk, const PositionTable& table) {
  PositionPart intra;
  intra.keys = {.kind = KeyRange::Kind::same_chunk, .chunk = chunk.length()};
  intra.key_map = {.kind = PositionMap::Kind::modulo, .period = chunk.length()};
  intra.query_map = intra.key_map;
  intra.table = table;
  PositionPart successive = intra;
  successive.keys.kind = KeyRange::Kind::previous_chunk;
  successive.query_map.add = chunk.length();
  successive.query_map.cap = chunk.size;
  PositionPart inter = intra;
  inter.keys.kind = KeyRange::Kind::earlier_chunks;
  inter.query_map = {.kind = PositionMap::Kind::constant, .value = std::min(2 * chunk.length() - 1, chunk.size)};
  return {intra, successive, inter};
}

}  // namespace tome
