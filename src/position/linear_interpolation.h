#pragma once
// Position interpolation (PI, arXiv 2306.15595): every frequency divided by s, as if positions were p / s.
#include <cstdint>
#include <vector>

namespace tome {

/// θᵢ / scale, scale = L_new / L_train.
std::vector<double> linear_interpolation(double base, std::uint32_t dims, double scale);

}  // namespace tome
