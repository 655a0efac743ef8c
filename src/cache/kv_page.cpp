#include "cache/kv_page.h"

#include <cstring>

#include "base/check.h"
#include "kernels/dequantize.h"

namespace tome {
namespace {

std::uint16_t* halves(std::byte* at) { return reinterpret_cast<std::uint16_t*>(at); }
const std::uint16_t* halves(const std::byte* at) { return reinterpret_cast<const std::uint16_t*>(at); }
float* floats(std::byte* at) { return reinterpret_cast<float*>(at); }
const float* floats(const std::byte* at) { return reinterpret_cast<const float*>(at); }

/// Index of (key slot, dim) in the bf16 value panels.
std::size_t bf16_value_index(std::size_t slot, std::size_t dim) {
  return dim / 64 * kPageKeys * 64 + (slot / 2 * 64 + dim % 64) * 2 + slot % 2;
}
std::size_t f32_value_index(std::size_t slot, std::size_t dim) {
  return dim / 64 * kPageKeys * 64 + slot * 64 + dim % 64;
}

}  // namespace

Result<KvLayout> KvLayout::create(DType type, std::uint32_t kv_heads, std::uint32_t head_dim, KvParts parts) {
  CHECK(kv_heads > 0 && head_dim > 0);
  if (type != DType::f32 && type != DType::bf16 && type != DType::f16 && type != DType::q8_0)
    return fail(ErrorKind::unsupported, "--kv-type: found {}, expected f32, bf16, f16 or q8_0", dtype_name(type));
  if (head_dim % 2 != 0) return fail(ErrorKind::unsupported, "head_dim {}: keys and values need an even one", head_dim);
  if (type == DType::q8_0 && head_dim % 32 != 0)
    return fail(ErrorKind::unsupported, "--kv-type q8_0: head_dim {} is not a multiple of 32", head_dim);
  return KvLayout{type, kv_heads, head_dim, parts};
}

std::size_t KvLayout::key_bytes() const { return kPageKeys * row_bytes(type, head_dim); }

std::size_t KvLayout::value_bytes() const {
  if (parts == KvParts::keys) return 0;
  const bool panels = type == DType::f32 || type == DType::bf16;
  return kPageKeys * row_bytes(type, panels ? value_panels() * 64u : head_dim);
}

void write_kv(const KvLayout& layout, std::byte* page, std::uint32_t head, std::uint64_t slot, const float* key,
              const float* value) {
  std::byte* keys = page + (layout.key_bytes() + layout.value_bytes()) * head;
  std::byte* values = keys + layout.key_bytes();
  const std::size_t dims = layout.head_dim;
  const bool with_value = layout.parts == KvParts::keys_and_values;
  switch (layout.type) {
    case DType::bf16:
      for (std::size_t dim = 0; dim < dims; dim += 2) {
        std::uint16_t* to = halves(keys) + (dim / 2 * kPageKeys + slot) * 2;
        to[0] = f32_to_bf16(key[dim]);
        to[1] = f32_to_bf16(key[dim + 1]);
      }
      for (std::size_t dim = 0; with_value && dim < dims; ++dim)
        halves(values)[bf16_value_index(slot, dim)] = f32_to_bf16(value[dim]);
      return;
    case DType::f32:
      for (std::size_t dim = 0; dim < dims; ++dim) floats(keys)[dim * kPageKeys + slot] = key[dim];
      for (std::size_t dim = 0; with_value && dim < dims; ++dim)
        floats(values)[f32_value_index(slot, dim)] = value[dim];
      return;
    default:
      CHECK(kernels::quantize_row(layout.type, key, dims, keys + slot * row_bytes(layout.type, dims)));
      if (with_value)
        CHECK(kernels::quantize_row(layout.type, value, dims, values + slot * row_bytes(layout.type, dims)));
  }
}

void read_keys(const KvLayout& layout, const std::byte* page, std::uint32_t head, float* rows) {
  const std::byte* keys = page + (layout.key_bytes() + layout.value_bytes()) * head;
  const std::size_t dims = layout.head_dim;
  for (std::size_t slot = 0; slot < kPageKeys; ++slot) {
    float* row = rows + slot * dims;
    if (layout.type == DType::bf16) {
      for (std::size_t dim = 0; dim < dims; ++dim)
        row[dim] = bf16_to_f32(halves(keys)[(dim / 2 * kPageKeys + slot) * 2 + dim % 2]);
    } else if (layout.type == DType::f32) {
      for (std::size_t dim = 0; dim < dims; ++dim) row[dim] = floats(keys)[dim * kPageKeys + slot];
    } else {
      kernels::dequantize_row(layout.type, keys + slot * row_bytes(layout.type, dims), dims, row);
    }
  }
}

void read_values(const KvLayout& layout, const std::byte* page, std::uint32_t head, float* rows) {
  const std::byte* values = page + (layout.key_bytes() + layout.value_bytes()) * head + layout.key_bytes();
  const std::size_t dims = layout.head_dim;
  for (std::size_t slot = 0; slot < kPageKeys; ++slot) {
    float* row = rows + slot * dims;
    if (layout.type == DType::bf16) {
      for (std::size_t dim = 0; dim < dims; ++dim) row[dim] = bf16_to_f32(halves(values)[bf16_value_index(slot, dim)]);
    } else if (layout.type == DType::f32) {
      for (std::size_t dim = 0; dim < dims; ++dim) row[dim] = floats(values)[f32_value_index(slot, dim)];
    } else {
      kernels::dequantize_row(layout.type, values + slot * row_bytes(layout.type, dims), dims, row);
    }
  }
}

}  // namespace tome
