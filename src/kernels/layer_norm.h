#pragma once
// LayerNorm of one row and the activations of encoders: plain loops, no vector twins (the products around them take
// most of the time). Stateless.
#include <cstddef>

namespace tome::kernels {

/// y = (x − mean) / √(variance + ε) · weight + bias, the variance without Bessel's correction; y may be x.
void layer_norm(const float* x, const float* weight, const float* bias, float epsilon, std::size_t count, float* y);

/// x · Φ(x), Φ by erf, in place.
void gelu(float* x, std::size_t count);
/// x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))), in place.
void gelu_tanh(float* x, std::size_t count);
/// max(x, 0), in place; NaN stays.
void relu(float* x, std::size_t count);

}  // namespace tome::kernels
