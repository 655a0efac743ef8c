#pragma once
// Keys and values of one layer of one sequence, in pages of 64 positions (kv_page.h). Pages are shared between forks
// and copied by the first writer; a page may also lie in a memory-mapped snapshot. A windowed layer gives back the
// pages that no later query can see. Appending: reserve() on one thread, fit_to_keys() if needed, write() from
// many (distinct positions), commit(), attention, drop_invisible().
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/check.h"
#include "cache/kv_page.h"

namespace tome {

class PagedKv {
 public:
  /// window 0: everything is kept. Otherwise queries see keys with i − j < window, and the first `sinks` (StreamingLLM,
  /// arXiv 2309.17453), whose pages are kept whole.
  PagedKv(const KvLayout& layout, std::uint64_t window, std::uint64_t sinks = 0)
      : layout_(layout), window_(window), sinks_(window == 0 ? 0 : sinks) {}

  const KvLayout& layout() const { return layout_; }
  std::uint64_t window() const { return window_; }
  std::uint64_t sinks() const { return sinks_; }
  std::uint64_t length() const { return length_; }
  /// The first position that is still here (a multiple of 64), sinks aside; 0 without a window.
  std::uint64_t first_kept() const { return first_page_ * kPageKeys; }

  /// Whether `count` keys that come now are to fix what lies of each channel (fit_to_keys). q4_0: the first of all.
  /// q8_0: a first chunk of 64 or more, fewer say too little about the rest, if keys are stored `rotated`.
  bool wants_fit(std::size_t count, bool rotated) const {
    if (layout_.type == DType::q4_0) return channel_scales_.empty();
    return layout_.type == DType::q8_0 && rotated && length_ == 0 && key_centre_.empty() && count >= kPageKeys;
  }
  /// Keys lie as (k − m) / s, channel by channel, from now on. q4_0: m = 0, s the root mean square of the turned keys
  /// (Hadamard). q8_0: m is the mean (softmax does not see it, the LSE is less by q · m), s² the root mean square of
  /// what is left, so that the largest channel of 32 does not choose the code of all (as SmoothQuant, arXiv 2211.10438,
  /// α = ½). A root mean square is taken as a quarter of all channels' mean at least. keys: `count` rows of all heads,
  /// `stride` apart.
  void fit_to_keys(const float* keys, std::size_t stride, std::size_t count);
  /// [kv_heads][head_dim], once they are fixed, else empty: s, by which a query is to be multiplied, and m.
  const std::vector<float>& channel_scales() const { return channel_scales_; }
  const std::vector<float>& key_centre() const { return key_centre_; }
  void adopt_channels(std::vector<float> scales, std::vector<float> centre) {
    channel_scales_ = std::move(scales);
    key_centre_ = std::move(centre);
  }
  /// Makes pages for positions up to `length` writable.
  void reserve(std::uint64_t length);
  void write(std::uint64_t position, std::uint32_t head, const float* key, const float* value);
  /// Positions below `length` now exist.
  void commit(std::uint64_t length);
  /// Gives back the pages that no query at length() or later can see. Call it after the chunk's attention.
  void drop_invisible();
  /// Forgets positions from `length` on. Errors: unsupported when a window has already dropped what would be needed.
  Status rewind(std::uint64_t length);

  /// Numbers of the pages that are here, ascending.
  std::vector<std::uint64_t> kept_pages() const;
  /// How many sink pages lie before first_kept() once that is page `first`.
  std::uint64_t sink_pages_before(std::uint64_t first) const {
    return std::min((sinks_ + kPageKeys - 1) / kPageKeys, first);
  }
  /// Where pages lie: a copy for a thread that reads many, good until the cache changes.
  class Places;
  Places places() const;
  /// Page number `index` (positions 64 · index …), which must be kept.
  const std::byte* page(std::uint64_t index) const;
  /// Of an empty cache whose pages will be adopted: the sink pages first, then those from number `first` on.
  void adopt_from(std::uint64_t first);
  /// Appends a page that lives elsewhere (a mapped snapshot); `owner` keeps it alive.
  void adopt_page(std::uint64_t index, const std::byte* bytes, std::shared_ptr<const void> owner);
  std::uint64_t page_count() const { return sink_pages_.size() + pages_.size(); }
  std::uint64_t bytes() const { return page_count() * layout_.page_bytes(); }

 private:
  struct Page {
    std::byte* bytes = nullptr;  ///< nullptr when read-only
    std::shared_ptr<const void> owner;
  };
  /// Pages in order. Where they lie stands by itself, eight to a line: who reads pages finds it in a cache.
  struct PageList {
    std::vector<Page> pages;
    std::vector<const std::byte*> places;

    std::size_t size() const { return pages.size(); }
    void add(Page page, const std::byte* place) {
      pages.push_back(std::move(page));
      places.push_back(place);
    }
    void shrink(std::size_t count) {
      pages.resize(count);
      places.resize(count);
    }
    void drop_first(std::size_t count) {
      pages.erase(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(count));
      places.erase(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count));
    }
  };
  Page make_page() const;
  void fit_turned_keys(const float* keys, std::size_t stride, std::size_t count);
  void fit_centred_keys(const float* keys, std::size_t stride, std::size_t count);
  KvLayout layout_;
  std::uint64_t window_, sinks_;
  std::uint64_t length_ = 0;
  std::uint64_t first_page_ = 0;  ///< number of the first of pages_
  PageList pages_;
  PageList sink_pages_;  ///< [sink_pages_before(first_page_)], from page 0 on
  std::vector<float> channel_scales_, key_centre_;
};

class PagedKv::Places {
 public:
  const std::byte* page(std::uint64_t index) const {
    if (index < sink_count_) return sinks_[index];
    CHECK(index >= first_ && index - first_ < count_);
    return pages_[index - first_];
  }
  /// Asks for what page() of that number will look up, if there is such a page: who reads pages one after the other
  /// finds it neither in a cache nor fetched by itself.
  void expect(std::uint64_t index) const {
    if (index >= first_ && index - first_ < count_) __builtin_prefetch(&pages_[index - first_]);
  }

 private:
  friend class PagedKv;
  explicit Places(const PagedKv& kv)
      : pages_(kv.pages_.places.data()),
        sinks_(kv.sink_pages_.places.data()),
        first_(kv.first_page_),
        count_(kv.pages_.size()),
        sink_count_(kv.sink_pages_.size()) {}
  const std::byte *const *pages_, *const *sinks_;
  std::uint64_t first_, count_, sink_count_;
};

inline PagedKv::Places PagedKv::places() const { return Places(*this); }
inline const std::byte* PagedKv::page(std::uint64_t index) const { return places().page(index); }

}  // namespace tome
