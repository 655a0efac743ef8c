#pragma once
// Rotary position embedding (RoPE, arXiv 2104.09864): pair i of a head turns by position · θᵢ, θᵢ = b^(−2i/d).
// Pure functions, any thread. Frequencies are fp64 here; tables store them as fp32 (position_plan.h).
#include <cstdint>
#include <vector>

namespace tome {

/// θᵢ = base^(−2i/dims), i = 0 … dims/2 − 1. dims is even and positive.
std::vector<double> rope_frequencies(double base, std::uint32_t dims);

/// How often pair i has turned after `length` tokens: length · θ / 2π.
double rotations(double frequency, double length);

/// position · frequency in fp64: adds nothing to what storing θ as fp32 costs. At position 131071 an fp32 product is
/// off by up to 0.0055 rad (b = 1e5, d = 256), and with θ as running products by 0.012 rad (b = 1e4, d = 128).
double rotation_phase(std::uint64_t position, float inverse_frequency);

/// Rounds to the fp32 that tables hold.
std::vector<float> to_single(const std::vector<double>& frequencies);

}  // namespace tome
