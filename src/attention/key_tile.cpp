#include "attention/key_tile.h"

#include <algorithm>
#include <type_traits>

#include "kernels/kernel_table.h"

namespace tome {

std::size_t key_tile_elements(const KvLayout& layout) {
  return kPageKeys * ((layout.head_dim + 63) / 64 * 64 + layout.value_panels() * std::size_t{64});
}
std::size_t key_tile_floats(const KvLayout& layout) { return kPageKeys * layout.head_dim; }

template <class Element>
KeyTile<Element> load_key_tile(const PagedKv& cache, std::uint64_t page, std::uint32_t kv_head,
                               const PartRotation& rotation, Element* scratch, float* rows) {
  constexpr bool bf16 = std::is_same_v<Element, std::uint16_t>;
  const KvLayout& layout = cache.layout();
  const std::byte* bytes = cache.page(page);
  const std::byte* head = bytes + (layout.key_bytes() + layout.value_bytes()) * kv_head;
  const bool as_stored = layout.type == (bf16 ? DType::bf16 : DType::f32);
  const std::size_t dims = layout.head_dim;
  KeyTile<Element> tile;
  if (as_stored) tile.values = reinterpret_cast<const Element*>(head + layout.key_bytes());
  if (as_stored && rotation.part == nullptr) {
    tile.keys = reinterpret_cast<const Element*>(head);
    return tile;
  }
  read_keys(layout, bytes, kv_head, rows);
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
  tile.keys = scratch;
  if (as_stored || layout.parts == KvParts::keys) return tile;
  Element* values = scratch + kPageKeys * ((dims + 63) / 64 * 64);
  tile.values = values;
  read_values(layout, bytes, kv_head, rows);
  for (std::size_t panel = 0; panel < layout.value_panels(); ++panel, values += kPageKeys * 64) {
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
  return tile;
}

template KeyTile<float> load_key_tile(const PagedKv&, std::uint64_t, std::uint32_t, const PartRotation&, float*,
                                      float*);
template KeyTile<std::uint16_t> load_key_tile(const PagedKv&, std::uint64_t, std::uint32_t, const PartRotation&,
                                              std::uint16_t*, float*);

}  // namespace tome
