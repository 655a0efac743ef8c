#include <cmath>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {

void gated_silu(const float* gate, const float* up, int count, float* y) {
  for (int i = 0; i < count; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void gated_gelu_tanh(const float* gate, const float* up, int count, float* y) {
  constexpr float scale = 0.7978845608028654f;  // √(2/π)
  for (int i = 0; i < count; ++i) {
    const float g = gate[i];
    y[i] = 0.5f * g * (1.0f + std::tanh(scale * (g + 0.044715f * g * g * g))) * up[i];
  }
}

}  // namespace tome::kernels::reference
