#include "kernels/dequantize.h"

#include "kernels/kernel_table.h"

namespace tome::kernels {

void dequantize_row(DType type, const std::byte* row, std::uint64_t count, float* values) {
  kernels().dequantize_row(type, row, count, values);
}

}  // namespace tome::kernels
