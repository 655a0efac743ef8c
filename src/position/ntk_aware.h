#pragma once
// NTK-aware scaling: the base grows, b′ = b · s^(d/(d−2)), so that the slowest pair is interpolated by exactly s and
// the fastest stays. "θ′ = θ · s^α" of some articles is this only when θ means the base and α = d/(d−2) (--ntk-alpha).
#include <cstdint>
#include <optional>
#include <vector>

namespace tome {

/// b′ = base · scale^α, α = dims/(dims−2) unless given. dims > 2.
double ntk_aware_base(double base, std::uint32_t dims, double scale, std::optional<double> alpha = std::nullopt);
std::vector<double> ntk_aware(double base, std::uint32_t dims, double scale,
                              std::optional<double> alpha = std::nullopt);

}  // namespace tome
