#include <cmath>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {

void rms_norm(const float* x, const float* weight, float epsilon, int count, float* y) {
  double squares = 0.0;
  for (int i = 0; i < count; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const auto scale = static_cast<float>(1.0 / std::sqrt(squares / count + static_cast<double>(epsilon)));
  for (int i = 0; i < count; ++i) y[i] = x[i] * scale * weight[i];
}

}  // namespace tome::kernels::reference
