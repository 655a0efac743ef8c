#include "attention/flash.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>

#include "attention/global_keys.h"
#include "attention/page_choice.h"
#include "attention/partial_merge.h"
#include "attention/query_tile.h"
#include "base/check.h"
#include "base/near_lines.h"
#include "base/thread_pool.h"
#include "cache/hadamard.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

using namespace query_tile;
using kernels::Accumulate;

/// Up to this many rows wait for memory and not for products: they read pages of 8 bits as they lie, and where they
/// read all pages, all KV heads' rows are taken together, so that a thread reads memory in its order. What memory
/// fetches beyond a head's part of a page by itself is then of use (head dim 64, three heads, the kernel alone: from 39
/// to 43 GB/s of 48).
constexpr int kFewRows = 6;
constexpr std::uint64_t kExpectedPages = 4;          ///< beyond those of the next step, whose places are asked for
constexpr std::uint64_t kLeastSplitBytes = 3 << 17;  ///< of one split of such rows, all KV heads
constexpr std::uint64_t kLeastSplitKeys = 1024;      ///< of one split, when there are few queries
constexpr int kEvenTasks = 4;              ///< tasks are a multiple of this, so that threads share them evenly
constexpr std::int64_t kEnoughTasks = 8;   ///< with fewer query tiles than this the keys are split too
constexpr std::int64_t kWantedTasks = 16;  ///< then into about this many tasks
constexpr std::size_t kMergedRows = 4;     ///< of a task that merges splits, at most
constexpr int kManyTokens = 32;            ///< from here on gathering a pattern's global keys is worth its while

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

/// Keys and values that a tile takes at once, and which of them its rows see (find_visible).
template <class Element>
struct Panels {
  const Element* keys[kTilePages];
  const Element* values[kTilePages];
  const std::uint64_t* visible[kTilePages];
  int count = 0;
};

/// In fp32: a score tile, its softmax, its product with the values.
void attend(const Tile<float>& tile, const Panels<float>& panels, TileMemory<float>& memory) {
  const std::uint32_t value_panels = tile.request.keys->layout().value_panels();
  const std::size_t columns = value_panels * std::size_t{64};
  score_panels(tile.request, memory, panels.keys, panels.visible, panels.count, tile.rows());
  kernels::kernels().softmax_tile_f32({.scores = memory.scores,
                                       .score_stride = kTileKeys,
                                       .rows = tile.rows(),
                                       .keys = panels.count * static_cast<int>(kPageKeys),
                                       .reference = memory.reference,
                                       .sum = memory.sum,
                                       .output = memory.output,
                                       .output_stride = columns,
                                       .output_columns = static_cast<int>(columns),
                                       .probabilities = memory.probabilities,
                                       .probability_stride = kTileKeys});
  for (std::uint32_t panel = 0; panel < value_panels; ++panel) {
    const float* values[kTilePages];
    for (int i = 0; i < panels.count; ++i) values[i] = panels.values[i] + panel * kPageKeys * 64;
    kernels::kernels().panel_product_f32({.a = memory.probabilities,
                                          .a_stride = kTileKeys,
                                          .panels = values,
                                          .panel_count = panels.count,
                                          .k_each = static_cast<int>(kPageKeys),
                                          .c = memory.output + panel * 64,
                                          .c_stride = columns,
                                          .rows = tile.rows(),
                                          .accumulate = Accumulate::yes});
  }
}

/// In bf16, by one kernel from scores to output.
kernels::AttentionStep step_of(const Tile<std::uint16_t>& tile, const Panels<std::uint16_t>& panels,
                               TileMemory<std::uint16_t>& memory) {
  const KvLayout& layout = tile.request.keys->layout();
  return {.queries = memory.queries,
          .rows = tile.rows(),
          .dims = static_cast<int>(layout.head_dim),
          .pages = panels.count,
          .keys = panels.keys,
          .values = panels.values,
          .value_panels = static_cast<int>(layout.value_panels()),
          .visible = panels.visible,
          .output = memory.output,
          .reference = memory.reference,
          .sum = memory.sum};
}
void attend(const Tile<std::uint16_t>& tile, const Panels<std::uint16_t>& panels, TileMemory<std::uint16_t>& memory) {
  kernels::kernels().attention_step_bf16(step_of(tile, panels, memory));
}

/// The global tokens that the tile's rows see beyond what their pass over pages shows them; in bf16 for int8 too.
template <class Element>
void take_globals(const Tile<Element>& tile, TileMemory<Element>& memory) {
  const VisibleKeys visible = tile.request.visible.for_kv_head(tile.kv_head);
  Panels<Element> panels;
  const int group = tile.group();
  for (int page = 0; page < tile.globals->pages(); ++page) {
    std::uint64_t* words = memory.visible + panels.count * tile.rows();
    std::uint64_t any = 0, every = ~std::uint64_t{0};
    for (int token = 0; token < tile.tokens; ++token) {
      const std::uint64_t bits = tile.globals->bits(visible, tile.request.position(tile.first_token + token), page);
      any |= bits;
      every &= bits;
      std::fill_n(words + token * group, group, bits);
    }
    if (any != 0) {
      panels.keys[panels.count] = tile.globals->keys(tile.kv_head, page);
      panels.values[panels.count] = tile.globals->values(tile.kv_head, page);
      panels.visible[panels.count++] = every == ~std::uint64_t{0} ? nullptr : words;
    }
    if (panels.count == kTilePages || (page + 1 == tile.globals->pages() && panels.count > 0)) {
      attend(tile, panels, memory);
      panels.count = 0;
    }
  }
}

/// What a thread reads after a step, or probably reads after its task: asked for while it computes.
struct ReadNext {
  PageRun pages;
  std::uint32_t kv_head = 0;
};

/// The fp32 kernels keep one sum a row: it takes its place among the lanes.
void spread_sums(int rows, TileMemory<float>& memory) {
  for (int row = rows - 1; row >= 0; --row) {
    const float sum = memory.sum[row];
    std::fill_n(memory.sum + row * 16, 16, 0.0f);
    memory.sum[row * 16] = sum;
  }
}
void spread_sums(int, TileMemory<std::uint16_t>&) {}

/// Whether pages hold what the products read.
bool as_stored(const Tile<std::uint16_t>& tile) {
  return tile.request.keys->layout().type == DType::bf16 && tile.request.rotation.part == nullptr;
}

using StepKernel = void (*)(const kernels::AttentionStep&);

/// What reads pages as they lie that are not as_stored(), if there is such a kernel.
StepKernel in_place_kernel(const Tile<std::uint16_t>& tile) {
  const AttentionRequest& r = tile.request;
  if (r.precision == AttentionPrecision::int8 || r.rotation.part != nullptr || tile.rows() > kFewRows) return nullptr;
  const DType type = r.keys->layout().type;
  const kernels::KernelTable& table = kernels::kernels();
  return type == DType::q8_0 ? table.attention_step_q8 : type == DType::f16 ? table.attention_step_f16 : nullptr;
}

/// Steps of a tile in bf16 (int8: scores from 8-bit products), which ask for the pages of the step after. What they
/// have in common is found once. May be copied between steps.
class TileSteps {
 public:
  TileSteps(const Tile<std::uint16_t>& tile, const PagedKv::Places& places, TileMemory<std::uint16_t>& memory)
      : tile_(tile),
        places_(places),
        memory_(memory),
        visible_(tile.request.visible.for_kv_head(tile.kv_head)),
        int8_(tile.request.precision == AttentionPrecision::int8),
        key_bytes_(tile.request.keys->layout().key_bytes()),
        head_bytes_(key_bytes_ + tile.request.keys->layout().value_bytes()),
        step_(step_of(tile, panels_, memory)) {
    const kernels::KernelTable& table = kernels::kernels();
    const StepKernel in_place = in_place_kernel(tile);
    kernel_ = int8_ ? table.attention_step_int8 : in_place != nullptr ? in_place : table.attention_step_bf16;
    step_.queries_8 = memory.queries_8;
    step_.query_scales = memory.query_scales;
    step_.query_offsets = memory.query_offsets;
    step_.coded_queries = memory.coded_queries;
    step_.stored_keys = static_cast<int>(key_bytes_);
    step_.stored_values = static_cast<int>(head_bytes_ - key_bytes_);
    step_.unpacked = !as_stored(tile) && in_place == nullptr;
  }
  void take(const PageRun& pages, const PageRun& ahead, std::uint32_t kv_head_ahead) {
    const AttentionRequest& r = tile_.request;
    for (int i = 0; i < pages.count; ++i) {
      stored_keys_[i] = places_.page(pages.pages[i]) + head_bytes_ * tile_.kv_head;
      stored_values_[i] = stored_keys_[i] + key_bytes_;
      if (step_.unpacked) continue;
      panels_.keys[i] = reinterpret_cast<const std::uint16_t*>(stored_keys_[i]);
      panels_.values[i] = reinterpret_cast<const std::uint16_t*>(stored_values_[i]);
    }
    if (step_.unpacked) {
      if (!int8_) load_step_keys(r, tile_.kv_head, pages, memory_, panels_.keys);
      load_step_values(r, tile_.kv_head, pages, memory_, panels_.values);
    }
    find_visible(r, visible_, pages, tile_.first_token, tile_.tokens, tile_.group(), memory_, panels_.visible);
    for (int i = 0; i < ahead.count; ++i) {
      keys_ahead_[i] = places_.page(ahead.pages[i]) + head_bytes_ * kv_head_ahead;
      values_ahead_[i] = keys_ahead_[i] + key_bytes_;
    }
    step_.pages = pages.count;
    step_.keys = panels_.keys;
    step_.values = panels_.values;
    step_.visible = panels_.visible;
    step_.keys_8 = stored_keys_;
    step_.values_8 = stored_values_;
    step_.pages_ahead = ahead.count;
    step_.keys_ahead = keys_ahead_;
    step_.values_ahead = values_ahead_;
    kernel_(step_);
  }

 private:
  const Tile<std::uint16_t>& tile_;
  const PagedKv::Places& places_;
  TileMemory<std::uint16_t>& memory_;
  const VisibleKeys visible_;
  const bool int8_;
  const std::size_t key_bytes_, head_bytes_;
  Panels<std::uint16_t> panels_;
  const std::byte *stored_keys_[kTilePages], *stored_values_[kTilePages];
  const std::byte *keys_ahead_[kTilePages], *values_ahead_[kTilePages];
  kernels::AttentionStep step_;
  StepKernel kernel_;
};

/// What a thread keeps from task to task where all are of the same tiles.
template <class Element>
struct alignas(64) ThreadTiles {
  std::uint64_t call = 0;            ///< that the rest is of
  std::vector<Tile<Element>> tiles;  ///< the KV heads of a task
  std::vector<TileMemory<Element>> memories;
  std::int64_t half = -1;  ///< of the splits whose first reference points it has
  std::optional<PagedKv::Places> places;
  std::vector<TileSteps> turns;  ///< in bf16: of each tile

  void begin(std::uint64_t new_call) {
    call = new_call;
    turns.clear();
    tiles.clear();
    memories.clear();
    half = -1;
  }
};

/// For the tiles and memories that a thread has now.
void prepare_steps(ThreadTiles<std::uint16_t>& mine) {
  mine.places = mine.tiles[0].request.keys->places();
  mine.turns.reserve(mine.tiles.size());
  for (std::size_t i = 0; i < mine.tiles.size(); ++i)
    mine.turns.emplace_back(mine.tiles[i], *mine.places, mine.memories[i]);
}
void prepare_steps(ThreadTiles<float>&) {}

/// All steps of tiles of the same tokens, in fp32.
void take_steps(ThreadTiles<float>& mine, const PageSteps& all_steps, const ReadNext&) {
  for (std::size_t i = 0; i < mine.tiles.size(); ++i) {
    const Tile<float>& tile = mine.tiles[i];
    TileMemory<float>& memory = mine.memories[i];
    const AttentionRequest& r = tile.request;
    const VisibleKeys visible = r.visible.for_kv_head(tile.kv_head);
    PageSteps steps = all_steps;
    for (PageRun step = steps.next(); step.count > 0; step = steps.next()) {
      Panels<float> panels;
      panels.count = step.count;
      load_step_keys(r, tile.kv_head, step, memory, panels.keys);
      load_step_values(r, tile.kv_head, step, memory, panels.values);
      find_visible(r, visible, step, tile.first_token, tile.tokens, tile.group(), memory, panels.visible);
      attend(tile, panels, memory);
    }
  }
}

/// The tile's queries as its products of 8 bits want them, if it has such.
void code_queries(const Tile<std::uint16_t>& tile, TileMemory<std::uint16_t>& memory) {
  const auto dims = static_cast<int>(tile.request.shape.head_dim);
  const kernels::KernelTable& table = kernels::kernels();
  if (tile.request.precision == AttentionPrecision::int8)
    table.quantize_queries(memory.queries, tile.rows(), dims, memory.queries_8, memory.query_scales,
                           memory.query_offsets);
  if (in_place_kernel(tile) != table.attention_step_q8 || table.code_input == nullptr) return;
  float row[1024];
  for (int i = 0; i < tile.rows(); ++i) {
    std::transform(memory.queries + i * dims, memory.queries + (i + 1) * dims, row, bf16_to_f32);
    table.code_input(row, dims, 0, dims,
                     memory.coded_queries + static_cast<std::size_t>(i) * kernels::coded_input_bytes(dims));
  }
}

/// All steps of tiles of the same tokens, page by page.
void take_steps(ThreadTiles<std::uint16_t>& mine, PageSteps steps, const ReadNext& next) {
  const std::vector<Tile<std::uint16_t>>& tiles = mine.tiles;
  std::vector<TileSteps>& turns = mine.turns;
  const PagedKv::Places& places = *mine.places;
  // Where KV heads take turns each takes a page: memory fetches best what is read one after the other.
  const int most = tiles.size() == 1 ? kTilePages : 1;
  PageRun pages = steps.next(most);
  while (pages.count > 0) {
    const PageRun after = steps.next(most);
    if (after.count > 0) places.expect(after.pages[after.count - 1] + kExpectedPages);
    for (std::size_t i = 0; i + 1 < tiles.size(); ++i) turns[i].take(pages, pages, tiles[i + 1].kv_head);
    if (after.count > 0)
      turns.back().take(pages, after, tiles[0].kv_head);
    else
      turns.back().take(pages, next.pages, next.kv_head);
    pages = after;
  }
}

void code_queries(const Tile<float>&, TileMemory<float>&) {}

/// The tile's queries as its products want them, and no reference points yet.
template <class Element>
void prepare_tile(const Tile<Element>& tile, TileMemory<Element>& memory) {
  load_queries(tile.request, tile.kv_head, tile.first_token, tile.tokens, 0, static_cast<std::uint32_t>(tile.group()),
               memory);
  code_queries(tile, memory);
  std::fill_n(memory.first_reference, tile.rows(), kNothing);
}

/// Nothing seen yet.
template <class Element>
void clear_tile(const Tile<Element>& tile, TileMemory<Element>& memory) {
  const int rows = tile.rows();
  std::fill_n(memory.output, static_cast<std::size_t>(rows) * tile.request.keys->layout().value_panels() * 64, 0.0f);
  std::copy_n(memory.first_reference, rows, memory.reference);
  std::fill_n(memory.sum, rows * 16, 0.0f);
}

template <class Element>
void begin_tile(const Tile<Element>& tile, TileMemory<Element>& memory) {
  clear_tile(tile, memory);
  if (tile.globals != nullptr) take_globals(tile, memory);
}

/// Reference points for a half of the splits from a page that the half's first will take, so that none begins the long
/// way, by a page's highest score (of head dim 64 a split has 32 pages). Of that page alone, whichever split comes
/// first to this thread: the first of all has a pattern's global tokens besides.
template <class Element>
void find_first_references(ThreadTiles<Element>& mine, const PageSteps& page) {
  for (std::size_t i = 0; i < mine.tiles.size(); ++i) {
    std::fill_n(mine.memories[i].first_reference, mine.tiles[i].rows(), kNothing);
    clear_tile(mine.tiles[i], mine.memories[i]);
  }
  PageSteps again = page;
  take_steps(mine, page, {again.next(), mine.tiles[0].kv_head});
  for (std::size_t i = 0; i < mine.tiles.size(); ++i)
    std::copy_n(mine.memories[i].reference, mine.tiles[i].rows(), mine.memories[i].first_reference);
}

template <class Element>
void end_tile(const Tile<Element>& tile, bool by_query, float* output, float* lse, TileMemory<Element>& memory) {
  const AttentionRequest& r = tile.request;
  const int group = tile.group(), rows = tile.rows();
  const std::size_t dims = r.shape.head_dim, columns = r.keys->layout().value_panels() * 64;
  spread_sums(rows, memory);
  for (int row = 0; row < rows; ++row) {
    const int query = tile.first_token + row / group;
    const auto token = static_cast<std::size_t>(by_query ? query : r.token(query));
    const auto head = static_cast<std::size_t>(tile.kv_head) * static_cast<std::size_t>(group) +
                      static_cast<std::size_t>(row % group);
    float total = 0.0f;
    for (int lane = 0; lane < 16; ++lane) total += memory.sum[row * 16 + lane];
    const float inverse = total == 0.0f ? 0.0f : 1.0f / total;  // a sum that is not a number stays one
    const float* from = memory.output + static_cast<std::size_t>(row) * columns;
    float* to = output + token * r.shape.heads * dims + head * dims;
    for (std::size_t dim = 0; dim < dims; ++dim) to[dim] = from[dim] * inverse;
    if (r.keys->layout().type == DType::q4_0) hadamard(to, dims);
    lse[token * r.shape.heads + head] =
        total == 0.0f
            ? kNothing
            : static_cast<float>((static_cast<double>(memory.reference[row]) + std::log2(static_cast<double>(total))) /
                                 kLog2E);
  }
}

/// Tokens of a tile of `most_rows` rows at most, in tiles of about one size whose number, times the KV heads, two or
/// four threads share evenly (it must not depend on how many there are): 512 tokens of 4 heads a KV head are, of 192
/// rows at most, 12 tiles of 43 and not ten of 48 and one of 32, of which one thread has six.
int balanced_tile_tokens(int queries, int group, std::uint32_t kv_heads, int most_rows) {
  const int most = std::max(1, most_rows / group);
  int tiles = (queries + most - 1) / most;
  if (tiles > 1)
    while (tiles * static_cast<int>(kv_heads) % kEvenTasks != 0) ++tiles;
  return (queries + tiles - 1) / tiles;
}

}  // namespace

/// The memory outlasts the calls: made anew by each thread and given back by the caller, it went from core to core
/// (SmolLM2 after 2K tokens, two third caches: 2.5 of 48 µs a layer).
struct AttentionScratch::KeptTiles {
  std::uint64_t call = 0;
  std::vector<ThreadTiles<float>> fp32;
  std::vector<ThreadTiles<std::uint16_t>> bf16;
};

namespace {

/// Of a new call, for each thread.
template <class Element>
std::vector<ThreadTiles<Element>>& kept_tiles(AttentionScratch& scratch) {
  if (scratch.kept == nullptr) scratch.kept = std::make_shared<AttentionScratch::KeptTiles>();
  AttentionScratch::KeptTiles& kept = *scratch.kept;
  ++kept.call;
  const auto threads = static_cast<std::size_t>(thread_count());
  const auto sized = [&](auto& tiles) -> auto& {
    if (tiles.size() < threads) tiles.resize(threads);
    return tiles;
  };
  if constexpr (std::is_same_v<Element, float>)
    return sized(kept.fp32);
  else
    return sized(kept.bf16);
}

/// Partial results of the splits of one request, query by query, and their merge. Which splits are merged first does
/// not depend on threads.
class Splits {
 public:
  Splits(const AttentionRequest& r, const PartialAttention& result, std::int64_t count, AttentionScratch& scratch)
      : request_(r),
        result_(result),
        count_(static_cast<std::size_t>(count)),
        rows_(static_cast<std::size_t>(r.query_count()) * r.shape.heads),
        dims_(r.shape.head_dim),
        scratch_(scratch) {
    scratch.split_output.resize(count_ * rows_ * dims_);
    scratch.split_lse.resize(count_ * rows_);
    for (Half& half : halves_) half.left = static_cast<int>(count_ / 2);
  }
  float* output(std::size_t split) const { return scratch_.split_output.data() + split * rows_ * dims_; }
  float* lse(std::size_t split) const { return scratch_.split_lse.data() + split * rows_; }

  /// After a split of an even number of them: who does the last of a half of the splits, mostly all of it, merges that
  /// half; who is the last of all, both.
  void merge_after(std::size_t split) {
    const std::size_t each = count_ / 2, half = split / each;
    if (halves_[half].left.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    for (std::size_t row = 0; row < rows_; ++row)
      merge_row(row, half * each, each, output(half * each) + row * dims_, lse(half * each)[row]);
    if (halves_left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    for (std::size_t other : {std::size_t{0}, each}) expect(other, 0, rows_);
    for (std::size_t row = 0; row < rows_; ++row) {
      merge_partial(output(0) + row * dims_, lse(0)[row], output(each) + row * dims_, lse(each)[row], dims_);
      std::copy_n(output(0) + row * dims_, dims_, result_.output + at(row) * dims_);
      result_.lse[at(row)] = lse(0)[row];
    }
  }

  /// All of them, by all threads. Most of what is merged lies in other cores' caches: it is asked for together and not
  /// as each part's turn comes.
  void merge_all() const {
    const std::size_t rows_each = std::clamp<std::size_t>(rows_ / 2, 1, kMergedRows);
    parallel_for(static_cast<std::int64_t>((rows_ + rows_each - 1) / rows_each), [&](std::int64_t task, int) {
      const std::size_t first = static_cast<std::size_t>(task) * rows_each, last = std::min(rows_, first + rows_each);
      for (std::size_t split = 0; split < count_; ++split) expect(split, first, last);
      for (std::size_t row = first; row < last; ++row)
        merge_row(row, 0, count_, result_.output + at(row) * dims_, result_.lse[at(row)]);
    });
  }

 private:
  std::size_t at(std::size_t row) const {
    const std::size_t heads = request_.shape.heads;
    return static_cast<std::size_t>(request_.token(static_cast<int>(row / heads))) * heads + row % heads;
  }
  void expect(std::size_t split, std::size_t first_row, std::size_t last_row) const {
    bring_near(lse(split) + first_row, 1);
    bring_near(output(split) + first_row * dims_, (last_row - first_row) * dims_);
  }
  /// to may be the first split's own.
  void merge_row(std::size_t row, std::size_t first, std::size_t count, float* to, float& to_lse) const {
    merge_partials(to, to_lse, output(first) + row * dims_, rows_ * dims_, lse(first) + row, rows_, count, dims_);
  }

  struct alignas(64) Half {
    std::atomic<int> left{0};
  };
  const AttentionRequest& request_;
  const PartialAttention& result_;
  std::size_t count_, rows_, dims_;
  AttentionScratch& scratch_;
  Half halves_[2];
  alignas(64) std::atomic<int> halves_left_{2};
};

/// How a request's queries and keys are shared out into tasks: tiles of queries, of one KV head or, where few rows read
/// all pages, of all of them, and splits of the keys. Nothing of it depends on threads.
template <class Element>
class Tasks {
 public:
  /// Lists the pages that tiles read, where they choose them or where those of a pattern are to be shared out.
  Tasks(const AttentionRequest& r, AttentionScratch& scratch)
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

/// A task's tiles, for a thread that has others.
template <class Element>
void begin_tiles(const Tasks<Element>& tasks, std::int64_t task, int thread, std::uint64_t call,
                 ThreadTiles<Element>& mine) {
  mine.begin(call);
  for (std::uint32_t head = 0; head < tasks.heads(); ++head) {
    mine.tiles.push_back(tasks.tile(task, head));
    mine.memories.push_back(tasks.memory(thread, head));
    mine.memories[head].keys = mine.memories[0].keys;  // unpacked pages last for a step
    mine.memories[head].values = mine.memories[0].values;
    mine.memories[head].unpack = mine.memories[0].unpack;
    prepare_tile(mine.tiles[head], mine.memories[head]);
  }
  prepare_steps(mine);
}

template <class Element>
void run(const AttentionRequest& r, const PartialAttention& result, AttentionScratch& scratch,
         const GlobalKeys<Element>* globals = nullptr) {
  const Tasks<Element> tasks(r, scratch);
  std::optional<Splits> partials;
  if (tasks.splits() > 1) partials.emplace(r, result, tasks.splits(), scratch);
  std::vector<ThreadTiles<Element>>& of_threads = kept_tiles<Element>(scratch);
  const std::uint64_t call = scratch.kept->call;
  parallel_for(
      tasks.count(),
      [&](std::int64_t task, int thread) {
        const std::int64_t split = tasks.split(task);
        ThreadTiles<Element>& mine = of_threads[static_cast<std::size_t>(thread)];
        if (!tasks.of_same_tiles() || mine.call != call) begin_tiles(tasks, task, thread, call, mine);
        for (Tile<Element>& tile : mine.tiles) {
          const bool all = r.visible.pattern != nullptr && r.visible.pattern->shows_all_to(tile.kv_head);
          tile.globals = split > 0 || all ? nullptr : globals;  // the first split takes them
        }
        if (const std::int64_t each = tasks.splits() / 2; tasks.merge_splits() && mine.half != split / each) {
          mine.half = split / each;
          find_first_references(mine, tasks.steps(mine.tiles[0], mine.half * each).first());
        }
        for (std::size_t i = 0; i < mine.tiles.size(); ++i) begin_tile(mine.tiles[i], mine.memories[i]);
        take_steps(mine, tasks.steps(mine.tiles[0], task), tasks.after(task));
        float *output = result.output, *lse = result.lse;
        if (partials) {
          output = partials->output(static_cast<std::size_t>(split));
          lse = partials->lse(static_cast<std::size_t>(split));
        }
        for (std::size_t i = 0; i < mine.tiles.size(); ++i)
          end_tile(mine.tiles[i], partials.has_value(), output, lse, mine.memories[i]);
        if (tasks.merge_splits()) partials->merge_after(static_cast<std::size_t>(split));
      },
      tasks.order());
  if (partials && !tasks.merge_splits()) partials->merge_all();
}

/// Global tokens apart: they attend to everything by themselves, the others to their windows and to the globals' keys.
template <class Element>
void run_with_globals(const AttentionRequest& r, const PartialAttention& result, AttentionScratch& scratch) {
  const AttentionPattern& pattern = *r.visible.pattern;
  scratch.global_tokens.clear();
  scratch.other_tokens.clear();
  for (int token = 0; token < r.tokens; ++token) {
    const bool global = std::binary_search(pattern.globals().begin(), pattern.globals().end(), r.position(token));
    (global ? scratch.global_tokens : scratch.other_tokens).push_back(token);
  }
  AttentionRequest part = r;
  if (!scratch.global_tokens.empty()) {
    part.only = scratch.global_tokens;
    part.visible.pattern = nullptr;
    run<Element>(part, result, scratch);
  }
  if (scratch.other_tokens.empty()) return;
  part.only = scratch.other_tokens;
  part.visible.pattern = pattern.without_globals();
  const GlobalKeys<Element> globals(part, pattern, scratch);
  run<Element>(part, result, scratch, &globals);
}

template <class Element>
void run_any(const AttentionRequest& r, const PartialAttention& result, AttentionScratch& scratch) {
  if (r.visible.pattern != nullptr && r.visible.pattern->without_globals() != nullptr && r.tokens >= kManyTokens)
    run_with_globals<Element>(r, result, scratch);
  else
    run<Element>(r, result, scratch);
}

}  // namespace

void flash_attention(const AttentionRequest& request, const PartialAttention& result, AttentionScratch& scratch) {
  CHECK(request.tokens > 0 && request.shape.heads % request.shape.kv_heads == 0);
  CHECK(request.shape.head_dim == request.keys->layout().head_dim);
  CHECK(request.keys->layout().parts == KvParts::keys_and_values);
  CHECK(request.keys->layout().type != DType::q4_0 || request.rotation.part == nullptr);
  CHECK(request.precision != AttentionPrecision::int8 ||
        (request.keys->layout().type == DType::q8_0 && request.rotation.part == nullptr &&
         kernels::kernels().int8_scores));
  if (request.precision != AttentionPrecision::fp32 && kernels::kernels().bf16_products)
    run_any<std::uint16_t>(request, result, scratch);
  else
    run_any<float>(request, result, scratch);
}

}  // namespace tome
