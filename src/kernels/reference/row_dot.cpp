#include <vector>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {

void row_dot(DType type, const std::byte* row, int k, const float* x, std::size_t x_stride, int vectors, float* out) {
  std::vector<float> values(static_cast<std::size_t>(k));
  dequantize_row(type, row, static_cast<std::uint64_t>(k), values.data());
  for (int vector = 0; vector < vectors; ++vector) {
    float total = 0.0f;
    for (int i = 0; i < k; ++i)
      total += values[static_cast<std::size_t>(i)] *
               x[static_cast<std::size_t>(vector) * x_stride + static_cast<std::size_t>(i)];
    out[vector] = total;
  }
}

}  // namespace tome::kernels::reference
