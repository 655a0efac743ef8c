#pragma once
// Self-Extend (arXiv 2401.01325): keys nearer than the neighbour window W keep their positions; beyond it queries see
// k′ = k // G from q′ = q // G + W − W // G. Two parts, joined by the partial merge; keys are stored un-rotated.
// Queries grow with the logarithm of their position: × max(1, ln(p + 1) / ln L).
#include <cstdint>
#include <vector>

#include "position/position_plan.h"

namespace tome {

struct SelfExtend {
  std::uint64_t group = 8, neighbour_window = 1024;
  std::uint64_t trained = 0;
};

/// Tokens that fit before q′ − k′ leaves the trained range: (L − W) · G + W.
std::uint64_t self_extend_capacity(const SelfExtend& options);
/// The smallest group whose capacity reaches `target`.
std::uint64_t self_extend_group(std::uint64_t target, std::uint64_t trained, std::uint64_t neighbour_window);
/// Near part, far part; both with `table`.
std::vector<PositionPart> self_extend_parts(const SelfExtend& options, const PositionTable& table);
/// max(1, ln(position + 1) / ln base).
double query_log_scale(std::uint64_t position, double base);

}  // namespace tome
