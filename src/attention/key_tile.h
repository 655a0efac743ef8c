#pragma once
// One page of keys and values as the panels of a product: straight from the cache where its layout is the product's, or
// unpacked (and rotated, for plans that store keys un-rotated) into scratch. Stateless; any thread with its own
// scratch.
#include <cstddef>
#include <cstdint>

#include "attention/flash.h"

namespace tome {

template <class Element>
struct KeyTile {
  const Element* keys = nullptr;  ///< one panel [head_dim] × 64 keys
  const Element* values =
      nullptr;  ///< value_panels panels of [64 keys] × 64 dims, contiguous; meaningless with keys only
};

/// Elements of scratch that load_key_tile may need for one page, and fp32 values for unpacking.
std::size_t key_tile_elements(const KvLayout& layout);
std::size_t key_tile_floats(const KvLayout& layout);

template <class Element>
KeyTile<Element> load_key_tile(const PagedKv& cache, std::uint64_t page, std::uint32_t kv_head,
                               const PartRotation& rotation, Element* scratch, float* rows);

extern template KeyTile<float> load_key_tile(const PagedKv&, std::uint64_t, std::uint32_t, const PartRotation&, float*,
                                             float*);
extern template KeyTile<std::uint16_t> load_key_tile(const PagedKv&, std::uint64_t, std::uint32_t, const PartRotation&,
                                                     std::uint16_t*, float*);

}  // namespace tome
