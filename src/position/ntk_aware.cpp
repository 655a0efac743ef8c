#include "position/ntk_aware.h"

#include <cmath>

#include "base/check.h"
#include "position/rope.h"

namespace tome {

double ntk_aware_base(double base, std::uint32_t dims, double scale, std::optional<double> alpha) {
  CHECK(dims > 2);
  return base * std::pow(scale, alpha.value_or(static_cast<double>(dims) / (dims - 2.0)));
}

std::vector<double> ntk_aware(double base, std::uint32_t dims, double scale, std::optional<double> alpha) {
  return rope_frequencies(ntk_aware_base(base, dims, scale, alpha), dims);
}

}  // namespace tome
