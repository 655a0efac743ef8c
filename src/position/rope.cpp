#include "position/rope.h"

#include <cmath>
#include <numbers>

#include "base/check.h"

namespace tome {

std::vector<double> rope_frequencies(double base, std::uint32_t dims) {
  CHECK(dims > 0 && dims % 2 == 0);
  std::vector<double> frequencies(dims / 2);
  for (std::uint32_t i = 0; i < dims / 2; ++i) frequencies[i] = std::pow(base, -2.0 * i / dims);
  return frequencies;
}

double rotations(double frequency, double length) { return length * frequency / (2.0 * std::numbers::pi); }

double rotation_phase(std::uint64_t position, float inverse_frequency) {
  return static_cast<double>(position) * static_cast<double>(inverse_frequency);
}

std::vector<float> to_single(const std::vector<double>& frequencies) {
  return std::vector<float>(frequencies.begin(), frequencies.end());
}

}  // namespace tome
