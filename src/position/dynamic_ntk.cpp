#include "position/dynamic_ntk.h"

#include "position/ntk_aware.h"
#include "position/rope.h"

namespace tome {

double dynamic_ntk_base(double base, std::uint32_t dims, double trained, double length, double factor) {
  if (length <= trained) return base;
  return ntk_aware_base(base, dims, factor * length / trained - (factor - 1.0));
}

std::vector<double> dynamic_ntk(double base, std::uint32_t dims, double trained, double length, double factor) {
  return rope_frequencies(dynamic_ntk_base(base, dims, trained, length, factor), dims);
}

}  // namespace tome
