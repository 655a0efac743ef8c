#pragma once
// How the queries and keys of a request are shared out among threads. Private to attention/ (flash.cpp).
#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "attention/flash.h"
#include "attention/global_keys.h"
#include "attention/page_choice.h"
#include "attention/query_tile.h"
#include "base/check.h"
#include "base/near_lines.h"
#include "base/thread_pool.h"

namespace tome::query_tile {

/// Up to this many rows wait for memory and not for products: they read pages of 8 bits as they lie, and where they
/// read all pages, all KV heads' rows are taken together, so that a thread reads memory in its order. What memory
/// fetches beyond a head's part of a page by itself is then of use (head dim 64, three heads, the kernel alone: from 39
/// to 43 GB/s of 48).
inline constexpr int kFewRows = 6;
inline constexpr std::uint64_t kLeastSplitBytes = 3 << 17;  ///< of one split of such rows, all KV heads
inline constexpr std::uint64_t kLeastSplitKeys = 1024;      ///< of one split, when there are few queries
inline constexpr int kEvenTasks = 4;              ///< tasks are a multiple of this, so that threads share them evenly
inline constexpr std::int64_t kEnoughTasks = 8;   ///< with fewer query tiles than this the keys are split too
inline constexpr std::int64_t kWantedTasks = 16;  ///< then into about this many tasks

/// Queries of one KV head that are attended to together.
template <class Element>
struct Tile {
  const AttentionRequest& request;
  std::uint32_t kv_head;
  int first_token, tokens;                       ///< of the request's queries
  const GlobalKeys<Element>* globals = nullptr;  ///< to be taken beside the pages; nullptr: none

  int group() const { return static_cast<int>(request.shape.heads / request.shape.kv_heads); }
  int rows() const { return tokens * group(); }
};

/// What a thread reads after a step, or probably reads after its task: asked for while it computes.
struct ReadNext {
  PageRun pages;
  std::uint32_t kv_head = 0;
};

/// Tokens of a tile of `most_rows` rows at most, in tiles of about one size whose number, times the KV heads, two or
/// four threads share evenly (it must not depend on how many there are): 512 tokens of 4 heads a KV head are, of 192
/// rows at most, 12 tiles of 43 and not ten of 48 and one of 32, of which one thread has six.
inline int balanced_tile_tokens(int queries, int group, std::uint32_t kv_heads, int most_rows) {
  const int most = std::max(1, most_rows / group);
  int tiles = (queries + most - 1) / most;
  if (tiles > 1)
    while (tiles * static_cast<int>(kv_heads) % kEvenTasks != 0) ++tiles;
  return (queries + tiles - 1) / tiles;
}

/// How a request's queries and keys are shared out into tasks: tiles of queries, of one KV head or, where few rows read
/// all pages, of all of them, and splits of the keys. Nothing of it depends on threads.
template <class Element>
class QueryTasks {
 public:
  /// Lists the pages that tiles read, where they choose them or where those of a pattern are to be shared out.
  QueryTasks(const AttentionRequest& r, AttentionScratch& scratch)
      : request_(r),
        scratch_(scratch),
        group_(static_cast<int>(r.shape.heads / r.shape.kv_heads)),
        tile_tokens_(
            balanced_tile_tokens(r.query_count(), group_, r.shape.kv_heads, most_tile_rows<Element>(r.shape.head_dim))),
        tiles_((r.query_count() + tile_tokens_ - 1) / tile_tokens_),
        choosing_(r.top_pages > 0),
        listed_(choosing_ || (r.visible.pattern != nullptr && tiles_ * r.shape.kv_heads < kEnoughTasks)),
        few_(std::is_same_v<Element, std::uint16_t> && tiles_ == 1 && tile_tokens_ * group_ <= kFewRows &&
             (listed_ || r.visible.pattern == nullptr)),
        heads_(few_ && !listed_ ? r.shape.kv_heads : 1),
        base_tasks_(tiles_ * r.shape.kv_heads / heads_),
        first_key_(r.visible.of(r.position(0)).begin / kPageKeys * kPageKeys) {
    TileMemory<Element> measure;
    memory_bytes_ = TileMemory<Element>::carve(nullptr, r.keys->layout(), tile_tokens_ * group_, &measure);
    thread_bytes_ = memory_bytes_ * heads_ + kBytesApart;
    scratch.threads.reserve(thread_bytes_ * static_cast<std::size_t>(thread_count()));
    if (listed_) list_pages();
    split_keys();
  }

  std::int64_t count() const { return base_tasks_ * splits_; }
  std::int64_t splits() const { return splits_; }
  std::int64_t split(std::int64_t task) const { return task % splits_; }
  /// KV heads of a task; where they are more than one, there is no pattern and so are no global tokens.
  std::uint32_t heads() const { return heads_; }
  /// All tasks are of the same tiles.
  bool of_same_tiles() const { return base_tasks_ == 1; }
  /// Whoever does the last split of a half merges it.
  bool merge_splits() const { return few_ && base_tasks_ == 1 && splits_ > 1; }
  TaskOrder order() const { return tiles_ == 1 ? TaskOrder::runs : TaskOrder::turns; }

  Tile<Element> tile(std::int64_t task, std::uint32_t head = 0) const { return base_tile(task / splits_ + head); }
  /// Of a tile of the task.
  PageSteps steps(const Tile<Element>& tile, std::int64_t task) const {
    const std::int64_t split = task % splits_;
    if (listed_) {
      const std::span<const std::uint64_t> chosen = scratch_.chosen[static_cast<std::size_t>(task / splits_)];
      const auto at = [&](std::int64_t part) {
        return few_ || splits_ == 1
                   ? begin_of_split(chosen.size(), part)
                   : std::min<std::size_t>(pages_each_ * static_cast<std::size_t>(part), chosen.size());
      };
      const std::span<const std::uint64_t> share = chosen.subspan(at(split), at(split + 1) - at(split));
      return PageSteps(request_, tile.kv_head, tile.first_token, tile.tokens, share);
    }
    KeyInterval keys = keys_of(tile);
    if (splits_ > 1) {
      const auto at = [&](std::int64_t part) {
        const std::uint64_t page =
            few_ ? begin_of_split(span_pages_, part) : pages_each_ * static_cast<std::uint64_t>(part);
        return first_key_ + page * kPageKeys;
      };
      keys = {std::max(keys.begin, at(split)), std::min(keys.end, at(split + 1))};
    }
    return PageSteps(request_, tile.kv_head, tile.first_token, tile.tokens, keys);
  }
  /// What is probably read after the task: mostly the same thread's next one.
  ReadNext after(std::int64_t task) const {
    if (tiles_ > 1 || task + 1 == count()) return {};
    const Tile<Element> other = tile(task + 1);
    return {steps(other, task + 1).next(), other.kv_head};
  }
  TileMemory<Element> memory(int thread, std::uint32_t head) const {
    TileMemory<Element> memory;
    TileMemory<Element>::carve(
        scratch_.threads.data() + thread_bytes_ * static_cast<std::size_t>(thread) + memory_bytes_ * head,
        request_.keys->layout(), tile_tokens_ * group_, &memory);
    return memory;
  }

 private:
  Tile<Element> base_tile(std::int64_t index) const {
    const std::uint32_t kv_heads = request_.shape.kv_heads;
    const int first_token = static_cast<int>(tiles_ - 1 - index / kv_heads) * tile_tokens_;  // longest first
    return {request_, static_cast<std::uint32_t>(index % kv_heads), first_token,
            std::min(tile_tokens_, request_.query_count() - first_token)};
  }
  KeyInterval keys_of(const Tile<Element>& tile) const {
    return {request_.visible.of(request_.position(tile.first_token)).begin,
            request_.visible.of(request_.position(tile.first_token + tile.tokens - 1)).end};
  }

  void list_pages() {
    const AttentionRequest& r = request_;
    if (choosing_)
      CHECK(r.bounds != nullptr && r.rotation.part == nullptr && r.visible.window == 0 && r.visible.pattern == nullptr);
    scratch_.chosen.resize(static_cast<std::size_t>(base_tasks_));
    scratch_.choices.resize(static_cast<std::size_t>(thread_count()));
    parallel_for(base_tasks_, [&](std::int64_t index, int thread) {
      const Tile<Element> tile = base_tile(index);
      std::vector<std::uint64_t>& pages = scratch_.chosen[static_cast<std::size_t>(index)];
      if (choosing_) {
        TileMemory<Element> own = memory(thread, 0);
        choose_pages(r, tile.kv_head, tile.first_token, tile.tokens, own,
                     scratch_.choices[static_cast<std::size_t>(thread)], pages);
        return;
      }
      pages.clear();
      PageSteps steps(r, tile.kv_head, tile.first_token, tile.tokens, keys_of(tile));
      for (PageRun step = steps.next(); step.count > 0; step = steps.next())
        pages.insert(pages.end(), step.pages, step.pages + step.count);
    });
  }

  /// Into how many splits, and how large.
  void split_keys() {
    std::uint64_t span = 0;  // of keys
    if (listed_) {
      for (std::int64_t index = 0; index < base_tasks_; ++index)
        span = std::max(span, scratch_.chosen[static_cast<std::size_t>(index)].size() * kPageKeys);
    } else {
      const std::uint64_t end_key = request_.visible.of(request_.position(request_.query_count() - 1)).end;
      span = end_key > first_key_ ? end_key - first_key_ : 0;
    }
    span_pages_ = (span + kPageKeys - 1) / kPageKeys;
    if (few_) {
      splits_ = std::clamp<std::int64_t>(
          static_cast<std::int64_t>(span_pages_ * request_.keys->layout().page_bytes() / kLeastSplitBytes), 1,
          kWantedTasks);
      splits_ = splits_ == 3 ? 2 : splits_ < 3 ? splits_ : splits_ / kEvenTasks * kEvenTasks;
    } else if (base_tasks_ < kEnoughTasks) {
      std::int64_t wanted = kWantedTasks / base_tasks_;
      while (wanted * base_tasks_ % kEvenTasks != 0) ++wanted;
      const auto parts = static_cast<std::uint64_t>(wanted);
      const std::uint64_t keys_each =
          std::max(kLeastSplitKeys, ((span + parts - 1) / parts + kTileKeys - 1) / kTileKeys * kTileKeys);
      splits_ = std::max<std::int64_t>(1, static_cast<std::int64_t>((span + keys_each - 1) / keys_each));
      pages_each_ = keys_each / kPageKeys;
    }
  }

  /// The first of `pages` that split number `split` takes where there are few rows: as many each, give or take one. As
  /// many as kWantedTasks differ, four by four: a thread that has done its own takes the last of another's, the smaller
  /// the sooner both are done.
  std::uint64_t begin_of_split(std::uint64_t pages, std::int64_t split) const {
    static_assert(kEvenTasks == 4);
    if (splits_ < kWantedTasks) return pages * static_cast<std::uint64_t>(split) / static_cast<std::uint64_t>(splits_);
    constexpr std::int64_t begins[kEvenTasks] = {0, 6, 11, 14}, all = 16;
    return pages * static_cast<std::uint64_t>(split / kEvenTasks * all + begins[split % kEvenTasks]) /
           static_cast<std::uint64_t>(splits_ / kEvenTasks * all);
  }

  const AttentionRequest& request_;
  AttentionScratch& scratch_;
  int group_, tile_tokens_;
  std::int64_t tiles_;
  bool choosing_, listed_, few_;
  std::uint32_t heads_;
  std::int64_t base_tasks_;  ///< before keys are split
  std::uint64_t first_key_;  ///< that any query sees, or one of its page before
  std::size_t memory_bytes_, thread_bytes_;
  std::int64_t splits_ = 1;
  std::uint64_t span_pages_ = 0;  ///< that are split: of all keys, or of the longest list
  std::uint64_t pages_each_ = 0;  ///< of a split, where there are not few rows
};

}  // namespace tome::query_tile
