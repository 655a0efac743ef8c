#include "kernels/dequantize.h"

namespace tome::kernels {

void dequantize_row(DType type, const std::byte* row, std::uint64_t count, float* values) {
  reference::dequantize_row(type, row, count, values);
}

}  // namespace tome::kernels
