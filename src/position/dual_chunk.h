#pragma once
// Dual chunk attention (DCA, arXiv 2402.17463) with ChunkLlama's figures: positions run to size = ¾ L, the last L/8 of
// them are kept for the neighbour of a chunk, so chunks hold c = size − L/8 keys at positions k mod c. Queries stand at
//   intra (same chunk)             q mod c
//   successive (previous chunk)    min(q mod c + c, size): exact distances for the first L/8 queries of a chunk
//   inter (chunks before that)     size: beyond every key
// Three parts, joined by the partial merge; keys are stored un-rotated. Magnitude 0.05 ln s + 1.
#include <cstdint>
#include <vector>

#include "position/position_plan.h"

namespace tome {

struct DualChunk {
  std::uint64_t size = 0;                                ///< ¾ L
  std::uint64_t local = 0;                               ///< L/8
  std::uint64_t length() const { return size - local; }  ///< keys of a chunk
};

DualChunk dual_chunk(std::uint64_t trained);
/// 0.05 ln s + 1 for s > 1, else 1.
double dual_chunk_magnitude(double scale);
/// Intra, successive, inter.
std::vector<PositionPart> dual_chunk_parts(const DualChunk& chunk, const PositionTable& table);

}  // namespace tome
