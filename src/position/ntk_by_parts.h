#pragma once
// NTK-by-parts, the predecessor of YaRN: two ramps over the dimension index. The first (1.25 / 0.75 rotations) leads
// from NTK-aware to linear interpolation, the second (16 / 2 rotations) from no scaling at all to the result of the
// first.
#include <cstdint>
#include <vector>

namespace tome {

std::vector<double> ntk_by_parts(double base, std::uint32_t dims, double trained, double scale);

}  // namespace tome
