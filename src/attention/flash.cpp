#include "attention/flash.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "attention/global_keys.h"
#include "attention/query_tasks.h"
#include "attention/query_tile.h"
#include "attention/split_results.h"
#include "base/check.h"
#include "base/thread_pool.h"
#include "cache/hadamard.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

using namespace query_tile;
using kernels::Accumulate;

constexpr std::uint64_t kExpectedPages = 4;  ///< beyond those of the next step, whose places are asked for
constexpr int kManyTokens = 32;              ///< from here on gathering a pattern's global keys is worth its while

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

/// A task's tiles, for a thread that has others.
template <class Element>
void begin_tiles(const QueryTasks<Element>& tasks, std::int64_t task, int thread, std::uint64_t call,
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
  const QueryTasks<Element> tasks(r, scratch);
  std::optional<SplitResults> partials;
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
