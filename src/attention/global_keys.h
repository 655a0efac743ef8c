#pragma once
// The global tokens of a pattern, apart from the pages that they lie in: their keys and values copied into panels of
// their own, so that a tile reads them alone and not a page for each. Private to attention/ (flash.cpp). Made anew for
// each request; read by many threads.
#include <cstdint>
#include <span>
#include <utility>

#include "attention/flash.h"

namespace tome {

template <class Element>
class GlobalKeys {
 public:
  /// Of the pattern's globals that a query of the request sees beyond without_globals()'. The panels lie in
  /// scratch.globals; keys turn as the request asks.
  GlobalKeys(const AttentionRequest& request, const AttentionPattern& pattern, AttentionScratch& scratch);

  int pages() const { return static_cast<int>((positions_.size() + kPageKeys - 1) / kPageKeys); }
  const Element* keys(std::uint32_t kv_head, int page) const { return panels(kv_head, page); }
  const Element* values(std::uint32_t kv_head, int page) const { return panels(kv_head, page) + key_elements_; }
  /// Bit k: a query that is no global token sees key 64 · page + k of these.
  std::uint64_t bits(const VisibleKeys& visible, std::uint64_t query, int page) const;

 private:
  Element* panels(std::uint32_t kv_head, int page) const {
    return panels_ +
           (static_cast<std::size_t>(kv_head) * static_cast<std::size_t>(pages()) + static_cast<std::size_t>(page)) *
               (key_elements_ + value_elements_);
  }
  /// [begin, end) of the pattern's globals that the query sees.
  std::pair<std::size_t, std::size_t> seen(const VisibleKeys& visible, std::uint64_t query) const;
  void copy(std::uint32_t kv_head, std::size_t global, const Element* keys, const Element* values) const;

  const AttentionPattern& pattern_;
  std::size_t first_ = 0;                     ///< of the pattern's globals
  std::span<const std::uint64_t> positions_;  ///< those from first_ on that are here
  std::size_t dims_, value_panels_, key_elements_, value_elements_;
  Element* panels_ = nullptr;
};

extern template class GlobalKeys<float>;
extern template class GlobalKeys<std::uint16_t>;

}  // namespace tome
