#include "position/self_extend.h"

#include <algorithm>
#include <cmath>

namespace tome {

std::uint64_t self_extend_capacity(const SelfExtend& options) {
  return (options.trained - options.neighbour_window) * options.group + options.neighbour_window;
}

std::uint64_t self_extend_group(std::uint64_t target, std::uint64_t trained, std::uint64_t neighbour_window) {
  if (target <= trained) return 1;
  const std::uint64_t grouped = trained - neighbour_window;
  return (target - neighbour_window + grouped - 1) / grouped;
}

std::vector<PositionPart> self_extend_parts(const SelfExtend& options, const PositionTable& table) {
  PositionPart near;
  near.keys = {.kind = KeyRange::Kind::neighbours, .window = options.neighbour_window};
  near.table = table;
  near.query_log_scaling = true;
  near.log_base = static_cast<double>(options.trained);
  PositionPart far = near;
  far.keys.kind = KeyRange::Kind::beyond;
  far.query_map = {.kind = PositionMap::Kind::group,
                   .divide = options.group,
                   .add = options.neighbour_window - options.neighbour_window / options.group};
  far.key_map = {.kind = PositionMap::Kind::group, .divide = options.group};
  return {near, far};
}

double query_log_scale(std::uint64_t position, double base) {
  return std::max(1.0, std::log(static_cast<double>(position) + 1.0) / std::log(base));
}

}  // namespace tome
