#include "attention/key_tile.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

const std::byte* head_of(const PagedKv& cache, std::uint64_t page, std::uint32_t kv_head) {
  const KvLayout& layout = cache.layout();
  return cache.page(page) + (layout.key_bytes() + layout.value_bytes()) * kv_head;
}

/// The type whose panels are the product's own.
template <class Element>
constexpr DType kOwnType = std::is_same_v<Element, std::uint16_t> ? DType::bf16 : DType::f32;

const std::uint16_t* halves(const std::byte* at) { return reinterpret_cast<const std::uint16_t*>(at); }

}  // namespace

std::size_t key_tile_elements(const KvLayout& layout) { return kPageKeys * layout.value_panels() * std::size_t{64}; }
std::size_t key_tile_floats(const KvLayout& layout) { return kPageKeys * layout.head_dim; }

template <class Element>
const Element* load_keys(const PagedKv& cache, std::uint64_t page, std::uint32_t kv_head, const PartRotation& rotation,
                         Element* scratch, float* rows) {
  constexpr bool bf16 = std::is_same_v<Element, std::uint16_t>;
  const KvLayout& layout = cache.layout();
  const std::byte* stored = head_of(cache, page, kv_head);
  const std::size_t dims = layout.head_dim;
  if (rotation.part == nullptr) {
    if (layout.type == kOwnType<Element>) return reinterpret_cast<const Element*>(stored);
    if constexpr (bf16) {
      if (layout.type == DType::f16) {
        kernels::kernels().f16_to_bf16(halves(stored), kPageKeys * dims, scratch);
        return scratch;
      }
      if (layout.type == DType::q8_0) {
        kernels::kernels().unpack_q8_keys(stored, static_cast<int>(dims), scratch);
        return scratch;
      }
      if (layout.type == DType::q4_0) {
        kernels::kernels().unpack_q4_keys(stored, static_cast<int>(dims), scratch);
        return scratch;
      }
    }
  }
  read_keys(layout, cache.page(page), kv_head, rows);
  if (rotation.part != nullptr) {
    for (std::size_t slot = 0; slot < kPageKeys; ++slot) {
      const std::uint64_t key = page * kPageKeys + slot;
      if (key >= cache.length()) break;
      const std::uint64_t position = rotation.part->key_map(key);
      kernels::kernels().rotate_halves(rows + slot * dims, rotation.rows->cosine(position),
                                       rotation.rows->sine(position), static_cast<int>(rotation.rows->half()));
    }
  }
  const auto* key_rows = reinterpret_cast<const std::byte*>(rows);
  if constexpr (bf16)
    kernels::kernels().pack_panel_bf16(DType::f32, key_rows, dims * 4, kPageKeys, static_cast<int>(dims), scratch);
  else
    kernels::kernels().pack_panel_f32(DType::f32, key_rows, dims * 4, kPageKeys, static_cast<int>(dims), scratch);
  return scratch;
}

template <class Element>
const Element* load_values(const PagedKv& cache, std::uint64_t page, std::uint32_t kv_head, Element* scratch,
                           float* rows) {
  constexpr bool bf16 = std::is_same_v<Element, std::uint16_t>;
  const KvLayout& layout = cache.layout();
  CHECK(layout.parts == KvParts::keys_and_values);
  const std::byte* stored = head_of(cache, page, kv_head) + layout.key_bytes();
  const std::size_t dims = layout.head_dim, panels = layout.value_panels();
  if (layout.type == kOwnType<Element>) return reinterpret_cast<const Element*>(stored);
  if constexpr (bf16) {
    if (layout.type == DType::f16) {
      kernels::kernels().f16_to_bf16(halves(stored), panels * kPageKeys * 64, scratch);
      return scratch;
    }
    if (layout.type == DType::q8_0 || layout.type == DType::q4_0) {
      const auto unpack =
          layout.type == DType::q8_0 ? kernels::kernels().unpack_q8_values : kernels::kernels().unpack_q4_values;
      const std::size_t panel_bytes = layout.value_bytes() / panels;
      for (std::size_t panel = 0; panel < panels; ++panel)
        unpack(stored + panel * panel_bytes, scratch + panel * kPageKeys * 64);
      return scratch;
    }
  }
  read_values(layout, cache.page(page), kv_head, rows);
  for (std::size_t panel = 0; panel < panels; ++panel) {
    Element* values = scratch + panel * kPageKeys * 64;
    const std::size_t first = panel * 64, count = std::min<std::size_t>(64, dims - first);
    if (count < 64) std::fill_n(values, kPageKeys * 64, Element{});
    for (std::size_t slot = 0; slot < kPageKeys; ++slot) {
      const float* from = rows + slot * dims + first;
      if constexpr (bf16) {
        for (std::size_t dim = 0; dim < count; ++dim)
          values[(slot / 2 * 64 + dim) * 2 + slot % 2] = f32_to_bf16(from[dim]);
      } else {
        std::copy_n(from, count, values + slot * 64);
      }
    }
  }
  return scratch;
}

template const float* load_keys(const PagedKv&, std::uint64_t, std::uint32_t, const PartRotation&, float*, float*);
template const std::uint16_t* load_keys(const PagedKv&, std::uint64_t, std::uint32_t, const PartRotation&,
                                        std::uint16_t*, float*);
template const float* load_values(const PagedKv&, std::uint64_t, std::uint32_t, float*, float*);
template const std::uint16_t* load_values(const PagedKv&, std::uint64_t, std::uint32_t, std::uint16_t*, float*);

}  // namespace tome
