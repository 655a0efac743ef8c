// fp32 rows to the types that Tome writes. Rounding follows the formats' reference quantiser, so that a file written
// here equals one written elsewhere from the same values.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/dequantize.h"

namespace tome::kernels {
namespace {

template <class T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

/// Towards zero; a NaN becomes 0 and a value outside [low, high] its bound (never an undefined conversion).
int truncated(float value, int low, int high) {
  if (!(value > static_cast<float>(low))) return std::isnan(value) ? 0 : low;
  if (value >= static_cast<float>(high)) return high;
  return static_cast<int>(value);
}

/// d = max|x| / 127, q = round(x / d)
void write_q8_0(const float* values, std::byte* block) {
  float largest = 0.0f;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(values[i]));
  const float d = largest / 127.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  store(block, f32_to_f16(d));
  for (int i = 0; i < 32; ++i)
    store(block + 2 + i, static_cast<std::int8_t>(truncated(std::round(values[i] * inverse), -128, 127)));
}

/// d = (the value of the largest magnitude) / −8, q = ⌊x / d + 8.5⌋ in 0 … 15
void write_q4_0(const float* values, std::byte* block) {
  float extreme = 0.0f;
  for (int i = 0; i < 32; ++i)
    if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
  const float d = extreme / -8.0f;
  const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
  store(block, f32_to_f16(d));
  for (int i = 0; i < 16; ++i) {
    const int low = truncated(values[i] * inverse + 8.5f, 0, 15);
    const int high = truncated(values[i + 16] * inverse + 8.5f, 0, 15);
    store(block + 2 + i, static_cast<std::uint8_t>(low | high << 4));
  }
}

}  // namespace

bool quantize_row(DType type, const float* values, std::uint64_t count, std::byte* row) {
  const DTypeInfo* info = dtype_info(type);
  CHECK(info != nullptr && count % info->block_size == 0);
  const std::uint64_t blocks = count / info->block_size;
  switch (type) {
    case DType::f32:
      if (count > 0) std::memcpy(row, values, count * sizeof(float));
      return true;
    case DType::f16:
      for (std::uint64_t i = 0; i < count; ++i) store(row + 2 * i, f32_to_f16(values[i]));
      return true;
    case DType::bf16:
      for (std::uint64_t i = 0; i < count; ++i) store(row + 2 * i, f32_to_bf16(values[i]));
      return true;
    case DType::q8_0:
      for (std::uint64_t i = 0; i < blocks; ++i) write_q8_0(values + 32 * i, row + info->block_bytes * i);
      return true;
    case DType::q4_0:
      for (std::uint64_t i = 0; i < blocks; ++i) write_q4_0(values + 32 * i, row + info->block_bytes * i);
      return true;
    default:
      return false;
  }
}

}  // namespace tome::kernels
