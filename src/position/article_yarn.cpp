#include "position/article_yarn.h"

#include "position/linear_interpolation.h"

namespace tome {

std::vector<double> article_yarn(double base, std::uint32_t dims, double scale) {
  return linear_interpolation(base, dims, scale);
}

double article_temperature(double scale) { return 0.5 + 0.5 * scale; }

}  // namespace tome
