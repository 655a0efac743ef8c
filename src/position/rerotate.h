#pragma once
// Moving cached keys without a new prefill of them: a key rotated for (table A, position p) becomes the key for
// (table B, position q) by turning pair i by q·θᴮᵢ − p·θᴬᵢ. This is a pure rotation: the magnitude is never applied
// again (doing so grows |K| by m at each shift). It is exact for the keys themselves, but not the same as a new
// prefill: deeper layers were computed under the old positions.
#include <cstdint>
#include <span>
#include <vector>

#include "formats/model_file.h"
#include "position/position_plan.h"

namespace tome {

/// Angles by which each pair must turn, in fp64: [rope_dims / 2]. Both tables have the same number of pairs.
std::vector<double> rerotation_angles(const PositionTable& from, std::uint64_t from_position, const PositionTable& to,
                                      std::uint64_t to_position);
/// What remains when the tables' magnitudes differ: to.magnitude / from.magnitude, 1 for a shift within one table.
double rerotation_scale(const PositionTable& from, const PositionTable& to);
/// Turns the pairs of one head in place. head: [2 · angles] leading values of the head; the length of every pair is
/// kept.
void rotate_by(std::span<float> head, RopePairs pairs, std::span<const double> angles);

}  // namespace tome
