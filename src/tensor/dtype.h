#pragma once
// Element and block types, as GGUF numbers them, with their storage. Block-quantised types hold `block_size` values in
// `block_bytes` bytes.
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
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

/// By number; a block of none: no type of ours.
inline constexpr DTypeInfo kDTypes[] = {
    {DType::f32, "f32", 1, 4},
    {DType::f16, "f16", 1, 2},
    {DType::q4_0, "q4_0", 32, 18},
    {DType::q4_1, "q4_1", 32, 20},
    {},
    {},
    {DType::q5_0, "q5_0", 32, 22},
    {DType::q5_1, "q5_1", 32, 24},
    {DType::q8_0, "q8_0", 32, 34},
    {},
    {DType::q2_k, "q2_k", 256, 84},
    {DType::q3_k, "q3_k", 256, 110},
    {DType::q4_k, "q4_k", 256, 144},
    {DType::q5_k, "q5_k", 256, 176},
    {DType::q6_k, "q6_k", 256, 210},
    {},
    {},
    {},
    {},
    {},
    {DType::iq4_nl, "iq4_nl", 32, 18},
    {},
    {},
    {DType::iq4_xs, "iq4_xs", 256, 136},
    {DType::i8, "i8", 1, 1},
    {DType::i16, "i16", 1, 2},
    {DType::i32, "i32", 1, 4},
    {DType::i64, "i64", 1, 8},
    {DType::f64, "f64", 1, 8},
    {},
    {DType::bf16, "bf16", 1, 2},
};
static_assert([] {
  for (const DTypeInfo& info : kDTypes)
    if (info.block_size != 0 && &info != kDTypes + static_cast<std::uint32_t>(info.type)) return false;
  return true;
}());

/// Facts of a type; nullptr for a number that is not one of ours.
constexpr const DTypeInfo* dtype_info(DType type) {
  const auto number = static_cast<std::uint32_t>(type);
  return number < std::size(kDTypes) && kDTypes[number].block_size != 0 ? kDTypes + number : nullptr;
}
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
