#include "attention/global_keys.h"

#include <algorithm>
#include <type_traits>

#include "attention/key_tile.h"
#include "base/thread_pool.h"

namespace tome {
template <class Element>
GlobalKeys<Element>::GlobalKeys(const AttentionRequest& request, const AttentionPattern& pattern,
                                AttentionScratch& scratch)
    : pattern_(pattern), dims_(request.shape.head_dim), value_panels_(request.keys->layout().value_panels()) {
  const KvLayout& layout = request.keys->layout();
  first_ = seen(request.visible, request.position(0)).first;  // both ends move on with the query
  const std::size_t end = seen(request.visible, request.position(request.query_count() - 1)).second;
  positions_ = pattern.globals().subspan(first_, std::max(first_, end) - first_);
  key_elements_ = kPageKeys * dims_;
  value_elements_ = kPageKeys * value_panels_ * 64;

  // The memory: panels, then what a page becomes on its way, by thread.
  const std::size_t panels = static_cast<std::size_t>(request.shape.kv_heads) * static_cast<std::size_t>(pages()) *
                             (key_elements_ + value_elements_);
  const std::size_t tile = key_tile_elements(layout), floats = key_tile_floats(layout);
  const std::size_t thread_bytes = 2 * tile * sizeof(Element) + floats * sizeof(float);
  scratch.globals.reserve(panels * sizeof(Element) + thread_bytes * static_cast<std::size_t>(thread_count()));
  panels_ = reinterpret_cast<Element*>(scratch.globals.data());
  if (positions_.size() % kPageKeys != 0)  // slots that no key fills must be numbers
    for (std::uint32_t kv_head = 0; kv_head < request.shape.kv_heads; ++kv_head)
      std::fill_n(this->panels(kv_head, pages() - 1), key_elements_ + value_elements_, Element{});
  std::byte* const threads = scratch.globals.data() + panels * sizeof(Element);

  struct Source {
    std::uint64_t page;
    std::size_t begin, end;  // of positions_
  };
  std::vector<Source> sources;
  for (std::size_t i = 0; i < positions_.size(); ++i) {
    const std::uint64_t page = positions_[i] / kPageKeys;
    if (sources.empty() || sources.back().page != page) sources.push_back({page, i, i});
    sources.back().end = i + 1;
  }
  const auto heads = static_cast<std::int64_t>(request.shape.kv_heads);
  parallel_for(static_cast<std::int64_t>(sources.size()) * heads, [&](std::int64_t index, int thread) {
    const Source& source = sources[static_cast<std::size_t>(index / heads)];
    const auto kv_head = static_cast<std::uint32_t>(index % heads);
    auto* const unpacked = reinterpret_cast<Element*>(threads + thread_bytes * static_cast<std::size_t>(thread));
    auto* const rows = reinterpret_cast<float*>(unpacked + 2 * tile);
    const Element* keys = load_keys<Element>(*request.keys, source.page, kv_head, request.rotation, unpacked, rows);
    const Element* values = load_values<Element>(*request.keys, source.page, kv_head, unpacked + tile, rows);
    for (std::size_t global = source.begin; global < source.end; ++global) copy(kv_head, global, keys, values);
  });
}

/// One key from its place in a page's panels to its place here: [dims / 2][64][2] and [32][64][2] in bf16, [dims][64]
/// and [64][64] in fp32.
template <class Element>
void GlobalKeys<Element>::copy(std::uint32_t kv_head, std::size_t global, const Element* keys,
                               const Element* values) const {
  constexpr bool bf16 = std::is_same_v<Element, std::uint16_t>;
  constexpr std::size_t together = bf16 ? 2 : 1;  // elements of the product's inner dimension that lie side by side
  const std::size_t from = positions_[global] % kPageKeys, to = global % kPageKeys;
  const int page = static_cast<int>(global / kPageKeys);
  Element* const own_keys = panels(kv_head, page);
  Element* const own_values = own_keys + key_elements_;
  for (std::size_t dim = 0; dim < dims_; dim += together)
    for (std::size_t i = 0; i < together; ++i)
      own_keys[dim * kPageKeys + to * together + i] = keys[dim * kPageKeys + from * together + i];
  const auto place = [&](std::size_t panel, std::size_t slot, std::size_t dim) {
    return panel * kPageKeys * 64 + (slot / together * 64 + dim) * together + slot % together;
  };
  for (std::size_t panel = 0; panel < value_panels_; ++panel)
    for (std::size_t dim = 0; dim < 64; ++dim) own_values[place(panel, to, dim)] = values[place(panel, from, dim)];
}

template <class Element>
std::pair<std::size_t, std::size_t> GlobalKeys<Element>::seen(const VisibleKeys& visible, std::uint64_t query) const {
  const KeyInterval keys = visible.of(query);
  const auto beyond = pattern_.globals_beyond(query);
  const std::size_t begin = std::max(beyond.first, pattern_.first_global(keys.begin));
  return {begin, std::max(begin, std::min(beyond.second, pattern_.first_global(keys.end)))};
}

template <class Element>
std::uint64_t GlobalKeys<Element>::bits(const VisibleKeys& visible, std::uint64_t query, int page) const {
  const auto [seen_begin, seen_end] = seen(visible, query);
  const std::size_t first = first_ + static_cast<std::size_t>(page) * kPageKeys;
  const std::size_t begin = std::max(seen_begin, first), end = std::min(seen_end, first + kPageKeys);
  if (begin >= end) return 0;
  return (~std::uint64_t{0} >> (64 - (end - begin))) << (begin - first);
}

template class GlobalKeys<float>;
template class GlobalKeys<std::uint16_t>;

}  // namespace tome
