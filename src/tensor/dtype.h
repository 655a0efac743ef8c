#pragma once
// Element and block types, as GGUF numbers them, with their storage. Block-quantised types hold `block_size` values in
// `block_bytes` bytes.
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace tome {

enum class DType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  bf16 = 30,
};

struct DTypeInfo {
  DType type;
  std::string_view name;     ///< lower case, as llama.cpp's users write it: "q4_k"
  std::uint32_t block_size;  ///< values in a block
  std::uint32_t block_bytes;
};

/// Facts of a type; nullptr for a number that is not one of ours.
const DTypeInfo* dtype_info(DType type);
std::optional<DType> dtype_from_name(std::string_view name);
inline std::string_view dtype_name(DType type) { return dtype_info(type)->name; }
/// Bytes of a row of `count` values; count must be a multiple of the block size.
inline std::uint64_t row_bytes(DType type, std::uint64_t count) {
  const DTypeInfo* info = dtype_info(type);
  return count / info->block_size * info->block_bytes;
}

inline float bf16_to_f32(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
/// Round to nearest even; NaN stays NaN.
inline std::uint16_t f32_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 64u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
float f16_to_f32(std::uint16_t bits);
/// Round to nearest even, overflow to infinity.
std::uint16_t f32_to_f16(float value);

}  // namespace tome
