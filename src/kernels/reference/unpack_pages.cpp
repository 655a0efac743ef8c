#include <cstring>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {
namespace {

float half_at(const std::byte* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, 2);
  return f16_to_f32(bits);
}

}  // namespace

void f16_to_bf16(const std::uint16_t* x, std::size_t count, std::uint16_t* y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = f32_to_bf16(f16_to_f32(x[i]));
}

void unpack_q8_keys(const std::byte* keys, int dims, std::uint16_t* panel) {
  const std::byte* scales = keys + static_cast<std::size_t>(dims) * 64;
  for (std::size_t dim = 0; dim < static_cast<std::size_t>(dims); ++dim)
    for (std::size_t key = 0; key < 64; ++key)
      panel[(dim / 2 * 64 + key) * 2 + dim % 2] =
          f32_to_bf16(static_cast<float>(static_cast<int>(keys[(dim / 4 * 64 + key) * 4 + dim % 4]) - 128) *
                      half_at(scales + (dim / 32 * 64 + key) * 2));
}

void unpack_q8_values(const std::byte* values, std::uint16_t* panel) {
  const std::byte* scales = values + 64 * 64;
  for (std::size_t key = 0; key < 64; ++key)
    for (std::size_t dim = 0; dim < 64; ++dim)
      panel[(key / 2 * 64 + dim) * 2 + key % 2] =
          f32_to_bf16(static_cast<float>(
                          static_cast<std::int8_t>(values[((key / 2 * 4 + dim / 16) * 2 + key % 2) * 16 + dim % 16])) *
                      half_at(scales + (key * 2 + dim / 32) * 2));
}

void unpack_q4_keys(const std::byte* keys, int dims, std::uint16_t* panel) {
  const std::byte* scales = keys + static_cast<std::size_t>(dims) * 32;
  for (std::size_t dim = 0; dim < static_cast<std::size_t>(dims); ++dim)
    for (std::size_t key = 0; key < 64; ++key) {
      const int byte = static_cast<int>(keys[(dim / 4 * 64 + key) * 2 + dim % 4 / 2]);
      panel[(dim / 2 * 64 + key) * 2 + dim % 2] =
          f32_to_bf16(static_cast<float>((byte >> dim % 2 * 4 & 15) - 8) * half_at(scales + (dim / 32 * 64 + key) * 2));
    }
}

void unpack_q4_values(const std::byte* values, std::uint16_t* panel) {
  const std::byte* scales = values + 64 * 32;
  for (std::size_t key = 0; key < 64; ++key)
    for (std::size_t dim = 0; dim < 64; ++dim) {
      const int byte = static_cast<int>(values[((key / 2 * 4 + dim / 16) * 2 + key % 2) * 8 + dim % 8]);
      panel[(key / 2 * 64 + dim) * 2 + key % 2] = f32_to_bf16(static_cast<float>((byte >> dim % 16 / 8 * 4 & 15) - 8) *
                                                              half_at(scales + (key * 2 + dim / 32) * 2));
    }
}

}  // namespace tome::kernels::reference
