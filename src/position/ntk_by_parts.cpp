#include "position/ntk_by_parts.h"

#include "position/linear_interpolation.h"
#include "position/ntk_aware.h"
#include "position/rope.h"
#include "position/yarn.h"

namespace tome {

std::vector<double> ntk_by_parts(double base, std::uint32_t dims, double trained, double scale) {
  const CorrectionRange to_linear = yarn_correction_range(base, dims, trained, {.beta_fast = 1.25, .beta_slow = 0.75});
  const CorrectionRange from_native = yarn_correction_range(base, dims, trained, {.beta_fast = 16.0, .beta_slow = 2.0});
  const std::vector<double> native = rope_frequencies(base, dims);
  const std::vector<double> linear = linear_interpolation(base, dims, scale);
  const std::vector<double> ntk = ntk_aware(base, dims, scale);
  std::vector<double> frequencies(native.size());
  for (std::size_t i = 0; i < native.size(); ++i) {
    const double linear_share = dimension_ramp(to_linear, static_cast<double>(i));
    const double interpolated = linear[i] * linear_share + ntk[i] * (1.0 - linear_share);
    const double scaled_share = dimension_ramp(from_native, static_cast<double>(i));
    frequencies[i] = interpolated * scaled_share + native[i] * (1.0 - scaled_share);
  }
  return frequencies;
}

}  // namespace tome
