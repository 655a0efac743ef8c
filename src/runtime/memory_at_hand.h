#pragma once
// How much memory a new allocation may hope for, so that "not enough" is said before the work and not by the kernel.
#include <cstdint>

namespace tome {

/// Bytes: the least of the system's available memory, the control group's remaining limit and the process's own limit.
std::uint64_t memory_at_hand();

}  // namespace tome
