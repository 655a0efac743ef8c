#pragma once
// The Walsh–Hadamard transform, normalised: symmetric and its own inverse, so q · k = (H q) · (H k). It spreads a large
// channel over all of them before keys and values become 4 bits (QuaRot, arXiv 2404.00456). Stateless; any thread.
#include <cstddef>

namespace tome {

/// In place, in blocks of the largest power of two that divides `count`.
void hadamard(float* x, std::size_t count);

}  // namespace tome
