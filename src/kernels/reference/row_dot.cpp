#include <vector>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {

void row_dot(const RowDot& dot) {
  std::vector<float> values(static_cast<std::size_t>(dot.k));
  for (int row = 0; row < dot.row_count; ++row) {
    dequantize_row(dot.type, dot.rows + static_cast<std::size_t>(row) * dot.row_stride,
                   static_cast<std::uint64_t>(dot.k), values.data());
    for (int vector = 0; vector < dot.vectors; ++vector) {
      const float* x = dot.x + static_cast<std::size_t>(vector) * dot.x_stride;
      float total = 0.0f;
      for (std::size_t i = 0; i < values.size(); ++i) total += values[i] * x[i];
      dot.out[static_cast<std::size_t>(vector) * dot.out_stride + static_cast<std::size_t>(row)] = total;
    }
  }
}

}  // namespace tome::kernels::reference
