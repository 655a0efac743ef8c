#include "cache/kv_page.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "cache/hadamard.h"
#include "kernels/dequantize.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

constexpr std::size_t kPanel = kPageKeys * 64;                 ///< elements of a value panel
constexpr std::size_t kQ8PanelBytes = kPanel + kPageKeys * 4;  ///< with its scales
constexpr std::size_t kQ8Block = 34;                           ///< bytes of 32 values: an fp16 scale and the codes
constexpr std::uint32_t kMostDims = kMostHeadDim;

/// Index of (key slot, dim) among panels of pairs (bf16, f16) and of single elements (f32).
std::size_t pair_key(std::size_t slot, std::size_t dim) { return (dim / 2 * kPageKeys + slot) * 2 + dim % 2; }
std::size_t pair_value(std::size_t slot, std::size_t dim) {
  return dim / 64 * kPanel + (slot / 2 * 64 + dim % 64) * 2 + slot % 2;
}
std::size_t single_key(std::size_t slot, std::size_t dim) { return dim * kPageKeys + slot; }
std::size_t single_value(std::size_t slot, std::size_t dim) { return dim / 64 * kPanel + slot * 64 + dim % 64; }
/// Offsets in bytes for q8_0.
std::size_t q8_key_code(std::size_t slot, std::size_t dim) { return (dim / 4 * kPageKeys + slot) * 4 + dim % 4; }
std::size_t q8_key_scale(std::size_t dims, std::size_t slot, std::size_t dim) {
  return dims * kPageKeys + (dim / 32 * kPageKeys + slot) * 2;
}
std::size_t q8_value_code(std::size_t slot, std::size_t dim) {
  return dim / 64 * kQ8PanelBytes + ((slot / 2 * 4 + dim % 64 / 16) * 2 + slot % 2) * 16 + dim % 16;
}
std::size_t q8_value_scale(std::size_t slot, std::size_t dim) {
  return dim / 64 * kQ8PanelBytes + kPanel + (slot * 2 + dim % 64 / 32) * 2;
}

/// Offsets in bytes for q4_0; a code is the upper half of its byte where `upper` says so.
constexpr std::size_t kQ4PanelBytes = kPanel / 2 + kPageKeys * 4;
std::size_t q4_key_byte(std::size_t slot, std::size_t dim) { return (dim / 4 * kPageKeys + slot) * 2 + dim % 4 / 2; }
bool q4_key_upper(std::size_t dim) { return dim % 2 == 1; }
std::size_t q4_key_scale(std::size_t dims, std::size_t slot, std::size_t dim) {
  return dims * kPageKeys / 2 + (dim / 32 * kPageKeys + slot) * 2;
}
std::size_t q4_value_byte(std::size_t slot, std::size_t dim) {
  return dim / 64 * kQ4PanelBytes + ((slot / 2 * 4 + dim % 64 / 16) * 2 + slot % 2) * 8 + dim % 8;
}
bool q4_value_upper(std::size_t dim) { return dim % 16 >= 8; }
std::size_t q4_value_scale(std::size_t slot, std::size_t dim) {
  return dim / 64 * kQ4PanelBytes + kPanel / 2 + (slot * 2 + dim % 64 / 32) * 2;
}
int q4_code(std::byte byte, bool upper) { return static_cast<int>(byte) >> (upper ? 4 : 0) & 15; }
void put_q4_code(std::byte& byte, bool upper, int code) {
  byte = upper ? (byte & std::byte{15}) | static_cast<std::byte>(code << 4)
               : (byte & std::byte{240}) | static_cast<std::byte>(code);
}

struct Head {
  const std::byte *keys, *values;
};
Head head_of(const KvLayout& layout, const std::byte* page, std::uint32_t head) {
  const std::byte* keys = page + (layout.key_bytes() + layout.value_bytes()) * head;
  return {keys, keys + layout.key_bytes()};
}

template <class T>
T element(const std::byte* from, std::size_t index) {
  T value;
  std::memcpy(&value, from + index * sizeof(T), sizeof(T));
  return value;
}
template <class T>
void put(std::byte* to, std::size_t index, T value) {
  std::memcpy(to + index * sizeof(T), &value, sizeof(T));
}

/// read(slot, dim) for every slot and dimension, as rows.
template <class Read>
void read_rows(std::size_t dims, float* rows, const Read& read) {
  for (std::size_t slot = 0; slot < kPageKeys; ++slot)
    for (std::size_t dim = 0; dim < dims; ++dim) rows[slot * dims + dim] = read(slot, dim);
}

float half(std::uint16_t bits) { return f16_to_f32(bits); }

}  // namespace

Result<KvLayout> KvLayout::create(DType type, std::uint32_t kv_heads, std::uint32_t head_dim, KvParts parts) {
  CHECK(kv_heads > 0 && head_dim > 0);
  if (type != DType::f32 && type != DType::bf16 && type != DType::f16 && type != DType::q8_0 && type != DType::q4_0)
    return fail(ErrorKind::unsupported, "--kv-type: found {}, expected f32, bf16, f16, q8_0 or q4_0", dtype_name(type));
  if (head_dim % 2 != 0) return fail(ErrorKind::unsupported, "head_dim {}: keys and values need an even one", head_dim);
  if (head_dim > kMostDims)
    return fail(ErrorKind::unsupported, "head_dim {}: at most {} are supported", head_dim, kMostDims);
  if ((type == DType::q8_0 || type == DType::q4_0) && head_dim % 32 != 0)
    return fail(ErrorKind::unsupported, "--kv-type {}: head_dim {} is not a multiple of 32", dtype_name(type),
                head_dim);
  return KvLayout{type, kv_heads, head_dim, parts};
}

std::size_t KvLayout::key_bytes() const { return kPageKeys * row_bytes(type, head_dim); }

std::size_t KvLayout::value_bytes() const {
  return parts == KvParts::keys ? 0 : kPageKeys * row_bytes(type, value_panels() * 64u);
}

namespace {

/// The blocks of a rotated row of 4 bits; place(dim, code) and scale(dim, block) for every dimension and block.
template <class Place, class Scale>
void write_q4_row(float* row, std::size_t dims, const Place& place, const Scale& scale) {
  std::array<std::byte, kMostDims / 32 * 18> blocks;
  CHECK(kernels::quantize_row(DType::q4_0, row, dims, blocks.data()));
  for (std::size_t dim = 0; dim < dims; ++dim) {
    const std::byte* block = blocks.data() + dim / 32 * 18;
    if (dim % 32 == 0) scale(dim, block);
    place(dim, q4_code(block[2 + dim % 16], dim % 32 >= 16));
  }
}

void write_q4(std::byte* keys, std::byte* values, std::size_t dims, std::uint64_t slot, const float* key,
              const float* value, const float* channel_scales) {
  CHECK(channel_scales != nullptr);
  std::array<float, kMostDims> row;
  std::copy_n(key, dims, row.data());
  hadamard(row.data(), dims);
  for (std::size_t dim = 0; dim < dims; ++dim) row[dim] /= channel_scales[dim];
  write_q4_row(
      row.data(), dims,
      [&](std::size_t dim, int code) { put_q4_code(keys[q4_key_byte(slot, dim)], q4_key_upper(dim), code); },
      [&](std::size_t dim, const std::byte* block) { std::memcpy(keys + q4_key_scale(dims, slot, dim), block, 2); });
  if (value == nullptr) return;
  std::copy_n(value, dims, row.data());
  hadamard(row.data(), dims);
  write_q4_row(
      row.data(), dims,
      [&](std::size_t dim, int code) { put_q4_code(values[q4_value_byte(slot, dim)], q4_value_upper(dim), code); },
      [&](std::size_t dim, const std::byte* block) { std::memcpy(values + q4_value_scale(slot, dim), block, 2); });
}

}  // namespace

void write_kv(const KvLayout& layout, std::byte* page, std::uint32_t head, std::uint64_t slot, const float* key,
              const float* value, const float* channel_scales) {
  std::byte* keys = page + (layout.key_bytes() + layout.value_bytes()) * head;
  std::byte* values = keys + layout.key_bytes();
  const std::size_t dims = layout.head_dim;
  const bool with_value = layout.parts == KvParts::keys_and_values;
  switch (layout.type) {
    case DType::bf16:
    case DType::f16: {
      const auto half_precision = [&](const float* row) {
        std::array<std::uint16_t, kMostDims> halves;
        if (layout.type == DType::bf16)
          kernels::kernels().to_bf16(row, dims, halves.data());
        else
          std::transform(row, row + dims, halves.begin(), f32_to_f16);
        return halves;
      };
      const auto key_halves = half_precision(key);
      for (std::size_t dim = 0; dim < dims; dim += 2)
        std::memcpy(keys + pair_key(slot, dim) * 2, key_halves.data() + dim, 4);
      if (!with_value) return;
      const auto value_halves = half_precision(value);
      for (std::size_t dim = 0; dim < dims; ++dim) put(values, pair_value(slot, dim), value_halves[dim]);
      return;
    }
    case DType::f32:
      for (std::size_t dim = 0; dim < dims; ++dim) put(keys, single_key(slot, dim), key[dim]);
      for (std::size_t dim = 0; with_value && dim < dims; ++dim) put(values, single_value(slot, dim), value[dim]);
      return;
    case DType::q4_0:
      return write_q4(keys, values, dims, slot, key, with_value ? value : nullptr, channel_scales);
    default: {
      std::array<std::byte, kMostDims / 32 * kQ8Block> blocks;
      CHECK(kernels::quantize_row(DType::q8_0, key, dims, blocks.data()));
      for (std::size_t dim = 0; dim < dims; dim += 4) {
        const std::byte* block = blocks.data() + dim / 32 * kQ8Block;
        std::uint32_t codes;
        std::memcpy(&codes, block + 2 + dim % 32, 4);
        codes ^= 0x80808080u;
        std::memcpy(keys + q8_key_code(slot, dim), &codes, 4);
        if (dim % 32 == 0) std::memcpy(keys + q8_key_scale(dims, slot, dim), block, 2);
      }
      if (!with_value) return;
      CHECK(kernels::quantize_row(DType::q8_0, value, dims, blocks.data()));
      for (std::size_t dim = 0; dim < dims; dim += 16) {
        const std::byte* block = blocks.data() + dim / 32 * kQ8Block;
        std::memcpy(values + q8_value_code(slot, dim), block + 2 + dim % 32, 16);
        if (dim % 32 == 0) std::memcpy(values + q8_value_scale(slot, dim), block, 2);
      }
    }
  }
}

void read_keys(const KvLayout& layout, const std::byte* page, std::uint32_t head, float* rows) {
  const std::byte* keys = head_of(layout, page, head).keys;
  const std::size_t dims = layout.head_dim;
  switch (layout.type) {
    case DType::bf16:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return bf16_to_f32(element<std::uint16_t>(keys, pair_key(slot, dim)));
      });
    case DType::f16:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return half(element<std::uint16_t>(keys, pair_key(slot, dim)));
      });
    case DType::f32:
      return read_rows(dims, rows,
                       [&](std::size_t slot, std::size_t dim) { return element<float>(keys, single_key(slot, dim)); });
    case DType::q4_0:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return static_cast<float>(q4_code(keys[q4_key_byte(slot, dim)], q4_key_upper(dim)) - 8) *
               half(element<std::uint16_t>(keys + q4_key_scale(dims, slot, dim), 0));
      });
    default:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return static_cast<float>(static_cast<int>(keys[q8_key_code(slot, dim)]) - 128) *
               half(element<std::uint16_t>(keys + q8_key_scale(dims, slot, dim), 0));
      });
  }
}

void read_values(const KvLayout& layout, const std::byte* page, std::uint32_t head, float* rows) {
  const std::byte* values = head_of(layout, page, head).values;
  const std::size_t dims = layout.head_dim;
  switch (layout.type) {
    case DType::bf16:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return bf16_to_f32(element<std::uint16_t>(values, pair_value(slot, dim)));
      });
    case DType::f16:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return half(element<std::uint16_t>(values, pair_value(slot, dim)));
      });
    case DType::f32:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return element<float>(values, single_value(slot, dim));
      });
    case DType::q4_0:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return static_cast<float>(q4_code(values[q4_value_byte(slot, dim)], q4_value_upper(dim)) - 8) *
               half(element<std::uint16_t>(values + q4_value_scale(slot, dim), 0));
      });
    default:
      return read_rows(dims, rows, [&](std::size_t slot, std::size_t dim) {
        return static_cast<float>(static_cast<std::int8_t>(values[q8_value_code(slot, dim)])) *
               half(element<std::uint16_t>(values + q8_value_scale(slot, dim), 0));
      });
  }
}

}  // namespace tome
