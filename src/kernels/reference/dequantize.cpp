// Plain loops, one function a type. Products are formed as (d · scale) · q, in fp32, as the formats' definition does,
// so that every implementation can be compared bit for bit.
#include "kernels/dequantize.h"

#include <cstring>

#include "base/check.h"

namespace tome::kernels::reference {
namespace {

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float half_at(const std::byte* from) { return f16_to_f32(load<std::uint16_t>(from)); }
unsigned byte_at(const std::byte* from) { return static_cast<unsigned>(*from); }
float as_float(int value) { return static_cast<float>(value); }
float as_float(unsigned value) { return static_cast<float>(value); }

/// The 16 levels of iq4_nl and iq4_xs.
constexpr int non_linear_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// Value i of a 32-value block: low nibbles of the 16 bytes first, then the high ones.
unsigned nibble(const std::byte* packed, unsigned index) {
  return index < 16 ? byte_at(packed + index) & 15u : byte_at(packed + index - 16) >> 4;
}

void block_q4_0(const std::byte* block, float* values) {
  const float d = half_at(block);
  for (unsigned i = 0; i < 32; ++i) values[i] = d * as_float(static_cast<int>(nibble(block + 2, i)) - 8);
}

void block_q4_1(const std::byte* block, float* values) {
  const float d = half_at(block), minimum = half_at(block + 2);
  for (unsigned i = 0; i < 32; ++i) values[i] = d * as_float(nibble(block + 4, i)) + minimum;
}

void block_q5_0(const std::byte* block, float* values) {
  const float d = half_at(block);
  const auto high = load<std::uint32_t>(block + 2);
  for (unsigned i = 0; i < 32; ++i) {
    const unsigned q = nibble(block + 6, i) | ((high >> i) & 1u) << 4;
    values[i] = d * as_float(static_cast<int>(q) - 16);
  }
}

void block_q5_1(const std::byte* block, float* values) {
  const float d = half_at(block), minimum = half_at(block + 2);
  const auto high = load<std::uint32_t>(block + 4);
  for (unsigned i = 0; i < 32; ++i) values[i] = d * as_float(nibble(block + 8, i) | ((high >> i) & 1u) << 4) + minimum;
}

void block_q8_0(const std::byte* block, float* values) {
  const float d = half_at(block);
  for (unsigned i = 0; i < 32; ++i) values[i] = d * as_float(static_cast<int>(load<std::int8_t>(block + 2 + i)));
}

void block_iq4_nl(const std::byte* block, float* values) {
  const float d = half_at(block);
  for (unsigned i = 0; i < 32; ++i) values[i] = d * as_float(non_linear_levels[nibble(block + 2, i)]);
}

// The 256-value types. `plane` counts groups of 32 values, `lane` the value inside one.

/// [scales 16 × (4-bit scale, 4-bit minimum)] [64 bytes of 2-bit values] [d] [minimum's d]
void block_q2_k(const std::byte* block, float* values) {
  const std::byte* packed = block + 16;
  const float d = half_at(block + 80), d_minimum = half_at(block + 82);
  for (unsigned i = 0; i < 256; ++i) {
    const unsigned plane = i / 32, lane = i % 32, scale = byte_at(block + i / 16);
    const unsigned q = byte_at(packed + plane / 4 * 32 + lane) >> (plane % 4 * 2) & 3u;
    values[i] = d * as_float(scale & 15u) * as_float(q) - d_minimum * as_float(scale >> 4);
  }
}

/// [32 bytes of inverted third bits] [64 bytes of 2-bit values] [16 6-bit scales in 12 bytes] [d]
void block_q3_k(const std::byte* block, float* values) {
  const std::byte *packed = block + 32, *scales = block + 96;
  const float d = half_at(block + 108);
  for (unsigned i = 0; i < 256; ++i) {
    const unsigned plane = i / 32, lane = i % 32, group = i / 16;
    const unsigned low = byte_at(scales + group % 8) >> (group / 8 * 4) & 15u;
    const unsigned high = byte_at(scales + 8 + group % 4) >> (group / 4 * 2) & 3u;
    const int scale = static_cast<int>(low | high << 4) - 32;
    const int q = static_cast<int>(byte_at(packed + plane / 4 * 32 + lane) >> (plane % 4 * 2) & 3u);
    const bool third_bit = (byte_at(block + lane) >> plane & 1u) != 0;
    values[i] = d * as_float(scale) * as_float(third_bit ? q : q - 4);
  }
}

/// The eight (scale, minimum) pairs of 6 bits that q4_k and q5_k keep in 12 bytes.
struct ScaleAndMinimum {
  unsigned scale, minimum;
};
ScaleAndMinimum scale_and_minimum(const std::byte* packed, unsigned plane) {
  if (plane < 4) return {byte_at(packed + plane) & 63u, byte_at(packed + 4 + plane) & 63u};
  const unsigned low = byte_at(packed + 4 + plane);
  return {(low & 15u) | byte_at(packed + plane - 4) >> 6 << 4, low >> 4 | byte_at(packed + plane) >> 6 << 4};
}

/// [d] [minimum's d] [12 bytes of scales] [128 bytes of nibbles]
void block_q4_k(const std::byte* block, float* values) {
  const float d = half_at(block), d_minimum = half_at(block + 2);
  for (unsigned i = 0; i < 256; ++i) {
    const unsigned plane = i / 32, lane = i % 32;
    const ScaleAndMinimum pair = scale_and_minimum(block + 4, plane);
    const unsigned q = byte_at(block + 16 + plane / 2 * 32 + lane) >> (plane % 2 * 4) & 15u;
    values[i] = d * as_float(pair.scale) * as_float(q) - d_minimum * as_float(pair.minimum);
  }
}

/// [d] [minimum's d] [12 bytes of scales] [32 bytes of fifth bits] [128 bytes of nibbles]
void block_q5_k(const std::byte* block, float* values) {
  const float d = half_at(block), d_minimum = half_at(block + 2);
  for (unsigned i = 0; i < 256; ++i) {
    const unsigned plane = i / 32, lane = i % 32;
    const ScaleAndMinimum pair = scale_and_minimum(block + 4, plane);
    const unsigned low = byte_at(block + 48 + plane / 2 * 32 + lane) >> (plane % 2 * 4) & 15u;
    const unsigned q = low | (byte_at(block + 16 + lane) >> plane & 1u) << 4;
    values[i] = d * as_float(pair.scale) * as_float(q) - d_minimum * as_float(pair.minimum);
  }
}

/// [128 bytes of low nibbles] [64 bytes of high 2 bits] [16 signed scales] [d]
void block_q6_k(const std::byte* block, float* values) {
  const std::byte *high_bits = block + 128, *scales = block + 192;
  const float d = half_at(block + 208);
  for (unsigned i = 0; i < 256; ++i) {
    const unsigned half = i / 128, plane = i / 32 % 4, lane = i % 32;
    const unsigned low = byte_at(block + half * 64 + i % 64) >> (plane / 2 * 4) & 15u;
    const unsigned high = byte_at(high_bits + half * 32 + lane) >> (plane * 2) & 3u;
    const int scale = load<std::int8_t>(scales + i / 16);
    values[i] = d * as_float(scale) * as_float(static_cast<int>(low | high << 4) - 32);
  }
}

/// [d] [8 × high 2 bits of the scales] [8 × low 4 bits] [128 bytes of nibbles, as 8 blocks of iq4_nl]
void block_iq4_xs(const std::byte* block, float* values) {
  const float d = half_at(block);
  const auto high_scales = load<std::uint16_t>(block + 2);
  for (unsigned plane = 0; plane < 8; ++plane) {
    const unsigned low = byte_at(block + 4 + plane / 2) >> (plane % 2 * 4) & 15u;
    const unsigned high = static_cast<unsigned>(high_scales) >> (2 * plane) & 3u;
    const float scale = d * as_float(static_cast<int>(low | high << 4) - 32);
    for (unsigned lane = 0; lane < 32; ++lane)
      values[plane * 32 + lane] = scale * as_float(non_linear_levels[nibble(block + 8 + plane * 16, lane)]);
  }
}

template <void (*Block)(const std::byte*, float*)>
void blocks(const DTypeInfo& info, const std::byte* row, std::uint64_t count, float* values) {
  for (std::uint64_t at = 0; at < count; at += info.block_size, row += info.block_bytes) Block(row, values + at);
}

}  // namespace

void dequantize_row(DType type, const std::byte* row, std::uint64_t count, float* values) {
  const DTypeInfo* info = dtype_info(type);
  CHECK(info != nullptr && count % info->block_size == 0);
  switch (type) {
    case DType::f32:
      if (count > 0) std::memcpy(values, row, count * sizeof(float));
      return;
    case DType::f16:
      for (std::uint64_t i = 0; i < count; ++i) values[i] = half_at(row + 2 * i);
      return;
    case DType::bf16:
      for (std::uint64_t i = 0; i < count; ++i) values[i] = bf16_to_f32(load<std::uint16_t>(row + 2 * i));
      return;
    case DType::q4_0:
      return blocks<block_q4_0>(*info, row, count, values);
    case DType::q4_1:
      return blocks<block_q4_1>(*info, row, count, values);
    case DType::q5_0:
      return blocks<block_q5_0>(*info, row, count, values);
    case DType::q5_1:
      return blocks<block_q5_1>(*info, row, count, values);
    case DType::q8_0:
      return blocks<block_q8_0>(*info, row, count, values);
    case DType::q2_k:
      return blocks<block_q2_k>(*info, row, count, values);
    case DType::q3_k:
      return blocks<block_q3_k>(*info, row, count, values);
    case DType::q4_k:
      return blocks<block_q4_k>(*info, row, count, values);
    case DType::q5_k:
      return blocks<block_q5_k>(*info, row, count, values);
    case DType::q6_k:
      return blocks<block_q6_k>(*info, row, count, values);
    case DType::iq4_nl:
      return blocks<block_iq4_nl>(*info, row, count, values);
    case DType::iq4_xs:
      return blocks<block_iq4_xs>(*info, row, count, values);
    case DType::i8:
    case DType::i16:
    case DType::i32:
    case DType::i64:
    case DType::f64:
      break;
  }
  constexpr bool type_of_a_weight = false;
  CHECK(type_of_a_weight);
}

}  // namespace tome::kernels::reference
