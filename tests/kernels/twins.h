#pragma once
// What the comparisons of kernels with their plain-loop twins share: instruction sets, random values at odd addresses,
// random rows of every weight type.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "kernels/dequantize.h"
#include "kernels/kernel_table.h"

namespace tome::kernels {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Those of this machine, the plain loops aside.
inline std::vector<Isa> sets() {
  std::vector<Isa> result;
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512bf16})
    if (isa <= best_isa()) result.push_back(isa);
  return result;
}

inline float normal(Rng& rng) {
  const double u = 1.0 - rng.uniform(), v = rng.uniform();
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
}

/// `count` values that start `offset` elements into a 64-byte aligned block.
template <class T>
struct Offset {
  Offset(std::size_t count, std::size_t offset) : storage(count + offset + 64), data(storage.data() + offset) {}
  std::vector<T> storage;
  T* data;
};

inline void fill(Rng& rng, float* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = normal(rng);
}
inline void fill(Rng& rng, std::uint16_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = f32_to_bf16(normal(rng));
}

/// Random but valid blocks: any bits, with the fp16 scales replaced by moderate numbers.
inline std::vector<std::byte> random_row(Rng& rng, DType type, std::uint64_t count) {
  std::vector<std::byte> row(row_bytes(type, count));
  for (std::byte& byte : row) byte = static_cast<std::byte>(rng.next() & 255);
  const DTypeInfo& info = *dtype_info(type);
  if (info.block_size == 1) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const float value = normal(rng);
      const std::uint16_t bits = type == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
      if (type == DType::f32)
        std::memcpy(row.data() + i * 4, &value, 4);
      else
        std::memcpy(row.data() + i * 2, &bits, 2);
    }
    return row;
  }
  const auto put = [&](std::size_t at) {
    const std::uint16_t bits = f32_to_f16(0.01f * normal(rng));
    std::memcpy(row.data() + at, &bits, 2);
  };
  for (std::size_t block = 0; block < row.size(); block += info.block_bytes) {
    switch (type) {
      case DType::q6_k:
        put(block + 208);
        break;
      case DType::q2_k:
        put(block + 80);
        put(block + 82);
        break;
      case DType::q3_k:
        put(block + 108);
        break;
      case DType::q4_1:
      case DType::q5_1:
      case DType::q4_k:
      case DType::q5_k:
        put(block);
        put(block + 2);
        break;
      default:
        put(block);
    }
  }
  return row;
}

/// Of an input of k values and a row of weights: the sum over blocks of 32 of the largest input times the weights'
/// sizes. Over twice the largest code it is what rounding the input to codes may change.
inline double largest_times_weights(const float* x, const float* weights, std::size_t k) {
  double total = 0;
  for (std::size_t block = 0; block < k; block += 32) {
    double largest = 0, weight = 0;
    for (std::size_t i = block; i < block + 32; ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(x[i])));
      weight += std::fabs(static_cast<double>(weights[i]));
    }
    total += largest * weight;
  }
  return total;
}

inline constexpr DType kWeightTypes[] = {DType::f32,  DType::f16,  DType::bf16, DType::q4_0,   DType::q4_1,
                                         DType::q5_0, DType::q5_1, DType::q8_0, DType::q2_k,   DType::q3_k,
                                         DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs};

}  // namespace tome::kernels
