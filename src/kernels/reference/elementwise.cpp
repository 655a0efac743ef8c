#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {

void to_bf16(const float* x, std::size_t count, std::uint16_t* y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = f32_to_bf16(x[i]);
}

void rotate_halves(float* x, const float* cosine, const float* sine, int half) {
  for (int i = 0; i < half; ++i) {
    const float first = x[i], second = x[i + half];
    x[i] = first * cosine[i] - second * sine[i];
    x[i + half] = second * cosine[i] + first * sine[i];
  }
}

}  // namespace tome::kernels::reference
