#pragma once
// LongRoPE (arXiv 2402.13753): θᵢ / λᵢ with searched factors λ, one list up to the original length and one beyond it.
// m = √(1 + ln s / ln L). Keys cached under the short list are stale once the long one is in use: re-rotate or redo
// them.
#include <cstdint>
#include <span>
#include <vector>

namespace tome {

/// Above the original length, the long list.
enum class LongropeList { short_factors, long_factors };
LongropeList longrope_list(double length, double original);

/// θᵢ / factors[i]; factors: dims/2 entries.
std::vector<double> longrope(double base, std::uint32_t dims, std::span<const float> factors);
/// √(1 + ln scale / ln original), 1 for scale ≤ 1.
double longrope_magnitude(double scale, double original);

}  // namespace tome
