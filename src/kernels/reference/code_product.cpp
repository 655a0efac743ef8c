#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {
namespace {

/// Codes of one block; returns the scale.
float block_codes(const float* x, int most, std::int16_t* codes) {
  float largest = 0.0f, total = 0.0f;
  for (int i = 0; i < kCodeBlock; ++i) {
    largest = std::max(largest, std::fabs(x[i]));
    total += x[i];
  }
  const float inverse = largest > 0.0f ? static_cast<float>(most) / largest : 0.0f;
  for (int i = 0; i < kCodeBlock; ++i) {
    const float code = std::nearbyint(x[i] * inverse);
    codes[i] = code >= -32768.0f && code <= 32767.0f ? static_cast<std::int16_t>(code) : std::int16_t{-32768};
  }
  return largest * (1.0f / static_cast<float>(most)) + 0.0f * total;  // what is not a number stays in the scale
}

/// Where the code of (k, column) lies in a panel.
std::size_t code_at(int k, int panel_k, int column) {
  return (static_cast<std::size_t>(column / 16 * (panel_k / 2) + k / 2) * 16 + static_cast<std::size_t>(column % 16)) *
             2 +
         static_cast<std::size_t>(k % 2);
}

template <class T>
T element(const std::byte* from, std::size_t index) {
  T value;
  std::memcpy(&value, from + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

void input_codes(const float* x, int k, std::int16_t* codes, float* scales) {
  for (int block = 0; block < k / kCodeBlock; ++block)
    scales[block] = block_codes(x + block * kCodeBlock, kMostInputCode, codes + block * kCodeBlock);
}

void pack_panel_codes(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                      std::byte* panel) {
  std::vector<float> values(static_cast<std::size_t>(k));
  std::byte* scales = panel + static_cast<std::size_t>(k) * kPanelColumns * 2;
  for (int column = 0; column < kPanelColumns; ++column) {
    std::fill(values.begin(), values.end(), 0.0f);
    if (column < row_count)
      dequantize_row(type, rows + static_cast<std::size_t>(column) * row_stride, static_cast<std::uint64_t>(k),
                     values.data());
    for (int block = 0; block < k / kCodeBlock; ++block) {
      std::int16_t codes[kCodeBlock];
      const float scale = block_codes(values.data() + block * kCodeBlock, kMostWeightCode, codes);
      std::memcpy(scales + static_cast<std::size_t>(block * kPanelColumns + column) * 4, &scale, 4);
      for (int i = 0; i < kCodeBlock; ++i)
        std::memcpy(panel + code_at(block * kCodeBlock + i, k, column) * 2, codes + i, 2);
    }
  }
}

void panel_product_codes(const CodeProduct& p) {
  const std::byte* scales = p.panel + static_cast<std::size_t>(p.k) * kPanelColumns * 2;
  const auto blocks = static_cast<std::size_t>(p.k / kCodeBlock);
  for (std::size_t row = 0; row < static_cast<std::size_t>(p.rows); ++row)
    for (int column = 0; column < kPanelColumns; ++column) {
      float total = 0.0f;
      for (std::size_t block = 0; block < blocks; ++block) {
        std::int32_t sum = 0;
        for (int i = 0; i < kCodeBlock; ++i) {
          const int k = static_cast<int>(block) * kCodeBlock + i;
          sum += static_cast<std::int32_t>(p.a[row * static_cast<std::size_t>(p.k) + static_cast<std::size_t>(k)]) *
                 element<std::int16_t>(p.panel, code_at(k, p.k, column));
        }
        total += static_cast<float>(sum) * p.a_scales[row * blocks + block] *
                 element<float>(scales, block * kPanelColumns + static_cast<std::size_t>(column));
      }
      p.c[row * p.c_stride + static_cast<std::size_t>(column)] = total;
    }
}

}  // namespace tome::kernels::reference
