#pragma once
// Positional skip-wise training (PoSE, arXiv 2309.10400, section 3.2): a short sample is cut into a few chunks, and the
// positions of each but the first are moved up by a random number, so that over many samples the short texts cover all
// distances of the long window.
#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace tome {

/// Positions of `tokens` tokens, growing, from 0, below `target`; at most `chunks` chunks of random lengths, each moved
/// up by uᵢ, uniform in uᵢ₋₁ … target − tokens (u₀ = 0). tokens ≤ target; chunks ≥ 1.
std::vector<std::uint64_t> skip_positions(std::uint64_t tokens, std::uint64_t target, std::uint64_t chunks, Rng& rng);

}  // namespace tome
