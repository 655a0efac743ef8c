#include "tensor/dtype.h"

namespace tome {
namespace {

constexpr DTypeInfo table[] = {
    {DType::f32, "f32", 1, 4},       {DType::f16, "f16", 1, 2},         {DType::bf16, "bf16", 1, 2},
    {DType::q4_0, "q4_0", 32, 18},   {DType::q4_1, "q4_1", 32, 20},     {DType::q5_0, "q5_0", 32, 22},
    {DType::q5_1, "q5_1", 32, 24},   {DType::q8_0, "q8_0", 32, 34},     {DType::q2_k, "q2_k", 256, 84},
    {DType::q3_k, "q3_k", 256, 110}, {DType::q4_k, "q4_k", 256, 144},   {DType::q5_k, "q5_k", 256, 176},
    {DType::q6_k, "q6_k", 256, 210}, {DType::iq4_nl, "iq4_nl", 32, 18}, {DType::iq4_xs, "iq4_xs", 256, 136},
    {DType::i8, "i8", 1, 1},         {DType::i16, "i16", 1, 2},         {DType::i32, "i32", 1, 4},
    {DType::i64, "i64", 1, 8},       {DType::f64, "f64", 1, 8},
};

}  // namespace

const DTypeInfo* dtype_info(DType type) {
  for (const DTypeInfo& info : table)
    if (info.type == type) return &info;
  return nullptr;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& info : table)
    if (info.name == name) return info.type;
  return std::nullopt;
}

float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31u;
  const std::uint32_t mantissa = bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    const float value = static_cast<float>(mantissa) * 0x1.0p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

std::uint16_t f32_to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // subnormal half: adding 0.5 aligns the mantissa and rounds to even
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace tome
