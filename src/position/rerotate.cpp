#include "position/rerotate.h"

#include <cmath>

#include "base/check.h"
#include "position/rope.h"

namespace tome {

std::vector<double> rerotation_angles(const PositionTable& from, std::uint64_t from_position, const PositionTable& to,
                                      std::uint64_t to_position) {
  CHECK(from.inverse_frequencies.size() == to.inverse_frequencies.size());
  std::vector<double> angles(from.inverse_frequencies.size());
  for (std::size_t i = 0; i < angles.size(); ++i) {
    angles[i] = rotation_phase(to_position, to.inverse_frequencies[i]) -
                rotation_phase(from_position, from.inverse_frequencies[i]);
  }
  return angles;
}

double rerotation_scale(const PositionTable& from, const PositionTable& to) {
  return static_cast<double>(to.magnitude) / static_cast<double>(from.magnitude);
}

void rotate_by(std::span<float> head, RopePairs pairs, std::span<const double> angles) {
  CHECK(head.size() >= 2 * angles.size());
  for (std::size_t i = 0; i < angles.size(); ++i) {
    float& first = head[pairs == RopePairs::interleaved ? 2 * i : i];
    float& second = head[pairs == RopePairs::interleaved ? 2 * i + 1 : i + angles.size()];
    const double x = static_cast<double>(first), y = static_cast<double>(second);
    const double cosine = std::cos(angles[i]), sine = std::sin(angles[i]);
    first = static_cast<float>(x * cosine - y * sine);
    second = static_cast<float>(x * sine + y * cosine);
  }
}

}  // namespace tome
