#include "tensor/interleaved_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {
namespace {

constexpr int kMostCode = 127 * 256;

/// The groups' rows, one after the other.
std::vector<std::byte> apart(DType type, const std::byte* groups, int group_count, int k) {
  const auto rows = static_cast<std::uint64_t>(group_count) * kInterleavedRows;
  TensorView matrix{type, {rows, static_cast<std::uint64_t>(k)}, groups};
  matrix.interleaved = true;
  std::vector<std::byte> result(matrix.bytes());
  separate_rows(matrix, 0, rows, result.data());
  return result;
}

template <class T>
T value_at(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

// [k] high bytes, [k] low bytes, then of each 32: the scale, the sum of the values, of the codes, of the first 16
// codes.
void code_input(const float* x, int k, int first, int count, std::byte* coded) {
  std::byte *low = coded + k, *scales = low + k, *sums = scales + k / 8, *code_sums = sums + k / 8,
            *first_sums = code_sums + k / 8;
  for (int block = first / 32; block < (first + count) / 32; ++block) {
    float largest = 0, sum = 0;
    bool number = true;
    for (int i = block * 32; i < block * 32 + 32; ++i) {
      number = number && !std::isnan(x[i]);
      largest = std::max(largest, std::fabs(x[i]));
      sum += x[i];
    }
    const bool finite = number && !std::isinf(largest);
    std::int32_t code_sum = 0, first_sum = 0;
    for (int i = block * 32; i < block * 32 + 32; ++i) {
      const int code = finite && largest > 0
                           ? static_cast<int>(std::nearbyint(x[i] * (static_cast<float>(kMostCode) / largest)))
                           : 0;
      const int high = (code + 128) >> 8;
      coded[i] = static_cast<std::byte>(high);
      low[i] = static_cast<std::byte>(code - high * 256);
      code_sum += code;
      if (i < block * 32 + 16) first_sum += code;
    }
    const float scale = number ? largest / static_cast<float>(kMostCode) : std::numeric_limits<float>::quiet_NaN();
    std::memcpy(scales + block * 4, &scale, 4);
    std::memcpy(sums + block * 4, &sum, 4);
    std::memcpy(code_sums + block * 4, &code_sum, 4);
    std::memcpy(first_sums + block * 4, &first_sum, 4);
  }
}

void interleaved_dots(const InterleavedDots& dots) {
  const auto k = static_cast<std::size_t>(dots.k);
  const std::vector<std::byte> rows = apart(dots.type, dots.groups, dots.group_count, dots.k);
  const std::size_t stride = row_bytes(dots.type, k);
  std::vector<float> weights(k);
  for (std::size_t row = 0; row < static_cast<std::size_t>(dots.group_count) * kInterleavedRows; ++row) {
    dequantize_row(dots.type, rows.data() + row * stride, k, weights.data());
    for (std::size_t vector = 0; vector < static_cast<std::size_t>(dots.vectors); ++vector) {
      const std::byte* input = dots.inputs + vector * coded_input_bytes(dots.k);
      float total = 0;
      for (std::size_t i = 0; i < k; ++i) {
        const int code = 256 * value_at<std::int8_t>(input + i) + value_at<std::int8_t>(input + k + i);
        total += weights[i] * (static_cast<float>(code) * value_at<float>(input + 2 * k + i / 32 * 4));
      }
      dots.out[vector * dots.out_stride + row] = total;
    }
  }
}

void pack_interleaved_bf16(DType type, const std::byte* groups, int group_count, int k, std::uint16_t* panel) {
  const std::vector<std::byte> rows = apart(type, groups, group_count, k);
  pack_panel_bf16(type, rows.data(), row_bytes(type, static_cast<std::uint64_t>(k)), group_count * kInterleavedRows, k,
                  panel);
}

}  // namespace tome::kernels::reference
