#include "kernels/layer_norm.h"

#include <cmath>

namespace tome::kernels {

void layer_norm(const float* x, const float* weight, const float* bias, float epsilon, std::size_t count, float* y) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(count);
  double squares = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double away = static_cast<double>(x[i]) - mean;
    squares += away * away;
  }
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(count) + static_cast<double>(epsilon));
  for (std::size_t i = 0; i < count; ++i)
    y[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * scale) * weight[i] + bias[i];
}

void gelu(float* x, std::size_t count) {
  constexpr float root_half = 0.70710678118654752f;
  for (std::size_t i = 0; i < count; ++i) x[i] = 0.5f * x[i] * (1.0f + std::erf(x[i] * root_half));
}

void gelu_tanh(float* x, std::size_t count) {
  constexpr float root = 0.79788456080286536f;  // √(2/π)
  for (std::size_t i = 0; i < count; ++i)
    x[i] = 0.5f * x[i] * (1.0f + std::tanh(root * (x[i] + 0.044715f * x[i] * x[i] * x[i])));
}

void relu(float* x, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (x[i] < 0.0f) x[i] = 0.0f;
}

}  // namespace tome::kernels
