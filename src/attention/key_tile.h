#pragma once
// The keys or the values of one page and head as the panels of a product: straight from the cache where its layout is
// the product's, or unpacked (and keys rotated, for plans that store them un-rotated) into scratch. Stateless; any
// thread with its own scratch.
#include <cstddef>
#include <cstdint>

#include "attention/flash.h"

namespace tome {

/// Elements of scratch that load_keys or load_values may need for one page, and fp32 values for unpacking.
std::size_t key_tile_elements(const KvLayout& layout);
std::size_t key_tile_floats(const KvLayout& layout);

/// One panel of [head_dim] × 64 keys.
template <class Element>
const Element* load_keys(const PagedKv& cache, std::uint64_t page, std::uint32_t kv_head, const PartRotation& rotation,
                         Element* scratch, float* rows);

/// value_panels consecutive panels of [64 keys] × 64 dimensions. Not for a cache that has keys only.
template <class Element>
const Element* load_values(const PagedKv& cache, std::uint64_t page, std::uint32_t kv_head, Element* scratch,
                           float* rows);

extern template const float* load_keys(const PagedKv&, std::uint64_t, std::uint32_t, const PartRotation&, float*,
                                       float*);
extern template const std::uint16_t* load_keys(const PagedKv&, std::uint64_t, std::uint32_t, const PartRotation&,
                                               std::uint16_t*, float*);
extern template const float* load_values(const PagedKv&, std::uint64_t, std::uint32_t, float*, float*);
extern template const std::uint16_t* load_values(const PagedKv&, std::uint64_t, std::uint32_t, std::uint16_t*, float*);

}  // namespace tome
