#include "position/linear_interpolation.h"

#include "position/rope.h"

namespace tome {

std::vector<double> linear_interpolation(double base, std::uint32_t dims, double scale) {
  std::vector<double> frequencies = rope_frequencies(base, dims);
  for (double& frequency : frequencies) frequency /= scale;
  return frequencies;
}

}  // namespace tome
