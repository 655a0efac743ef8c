#include "position/longrope.h"

#include <cmath>

#include "base/check.h"
#include "position/rope.h"

namespace tome {

LongropeList longrope_list(double length, double original) {
  return length > original ? LongropeList::long_factors : LongropeList::short_factors;
}

std::vector<double> longrope(double base, std::uint32_t dims, std::span<const float> factors) {
  CHECK(factors.size() == dims / 2);
  std::vector<double> frequencies = rope_frequencies(base, dims);
  for (std::size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= static_cast<double>(factors[i]);
  return frequencies;
}

double longrope_magnitude(double scale, double original) {
  return scale <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(scale) / std::log(original));
}

}  // namespace tome
