#include <vector>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {

void pack_panel_f32(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k, float* panel) {
  std::vector<float> values(static_cast<std::size_t>(k));
  for (int row = 0; row < kPanelColumns; ++row) {
    if (row < row_count)
      dequantize_row(type, rows + static_cast<std::size_t>(row) * row_stride, static_cast<std::uint64_t>(k),
                     values.data());
    for (int i = 0; i < k; ++i)
      panel[i * kPanelColumns + row] = row < row_count ? values[static_cast<std::size_t>(i)] : 0.0f;
  }
}

void pack_panel_bf16(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                     std::uint16_t* panel) {
  std::vector<float> values(static_cast<std::size_t>(k));
  for (int row = 0; row < kPanelColumns; ++row) {
    if (row < row_count)
      dequantize_row(type, rows + static_cast<std::size_t>(row) * row_stride, static_cast<std::uint64_t>(k),
                     values.data());
    for (int i = 0; i < k; ++i)
      panel[((i / 2) * kPanelColumns + row) * 2 + i % 2] =
          row < row_count ? f32_to_bf16(values[static_cast<std::size_t>(i)]) : std::uint16_t{0};
  }
}

}  // namespace tome::kernels::reference
