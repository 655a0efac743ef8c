#include "attention/flash.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "attention/key_tile.h"
#include "attention/partial_merge.h"
#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

using kernels::Accumulate;
using kernels::PanelProduct;
using kernels::SoftmaxTile;

constexpr float kNothing = -std::numeric_limits<float>::infinity();
constexpr double kLog2E = 1.4426950408889634;
constexpr int kTileRows = 192;  ///< query rows of a tile: positions × group
constexpr int kTilePages = 4;   ///< pages of keys a softmax step takes at once
constexpr int kTileKeys = kTilePages * static_cast<int>(kPageKeys);
constexpr std::uint64_t kLeastSplitKeys = 1024;  ///< of one split, when there are few queries
constexpr std::int64_t kEnoughTasks = 8;         ///< with fewer query tiles than this the keys are split too
constexpr std::int64_t kWantedTasks = 32;        ///< then into about this many tasks

template <class Element>
struct Kernels;
template <>
struct Kernels<float> {
  static void product(const PanelProduct<float>& p) { kernels::kernels().panel_product_f32(p); }
  static void softmax(const SoftmaxTile<float>& t) { kernels::kernels().softmax_tile_f32(t); }
  static void convert(const float* from, std::size_t count, float* to) { std::copy_n(from, count, to); }
};
template <>
struct Kernels<std::uint16_t> {
  static void product(const PanelProduct<std::uint16_t>& p) { kernels::kernels().panel_product_bf16(p); }
  static void softmax(const SoftmaxTile<std::uint16_t>& t) { kernels::kernels().softmax_tile_bf16(t); }
  static void convert(const float* from, std::size_t count, std::uint16_t* to) {
    kernels::kernels().to_bf16(from, count, to);
  }
};

std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

/// One thread's memory, carved from a single buffer.
template <class Element>
struct TileMemory {
  Element* queries;        // [rows][head_dim]
  float* scores;           // [rows][kTileKeys]
  Element* probabilities;  // [rows][kTileKeys]
  float* output;           // [rows][value_panels · 64]
  float* reference;        // [rows]
  float* sum;              // [rows]
  Element* pages;          // kTilePages unpacked pages
  float* unpack;           // [max(64, 1)][head_dim]

  static std::size_t carve(std::byte* from, const KvLayout& layout, int rows, TileMemory* memory) {
    std::size_t at = 0;
    const auto take = [&](auto*& pointer, std::size_t count) {
      using T = std::remove_reference_t<decltype(*pointer)>;
      pointer = reinterpret_cast<T*>(from + at);
      at += rounded(count * sizeof(T));
    };
    const auto n = static_cast<std::size_t>(rows);
    take(memory->queries, n * layout.head_dim);
    take(memory->scores, n * kTileKeys);
    take(memory->probabilities, n * kTileKeys);
    take(memory->output, n * layout.value_panels() * 64);
    take(memory->reference, n);
    take(memory->sum, n);
    take(memory->pages, kTilePages * key_tile_elements(layout));
    take(memory->unpack, key_tile_floats(layout));
    return at;
  }
};

/// Copies, rotates where the part asks for it, scales by score_scale · log2 e and converts the rows of a query tile.
template <class Element>
void load_queries(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens,
                  std::uint32_t first_head, std::uint32_t head_count, TileMemory<Element>& memory) {
  const std::size_t dims = r.shape.head_dim;
  const std::uint32_t group = r.shape.heads / r.shape.kv_heads;
  float row[1024];
  CHECK(dims <= 1024);
  for (int token = 0; token < tokens; ++token) {
    const std::uint64_t position = r.first_position + static_cast<std::uint64_t>(first_token + token);
    for (std::uint32_t head = 0; head < head_count; ++head) {
      std::copy_n(r.queries + static_cast<std::size_t>(first_token + token) * r.query_stride +
                      (kv_head * group + first_head + head) * dims,
                  dims, row);
      double scale = static_cast<double>(r.shape.score_scale) * kLog2E;
      if (r.rotation.part != nullptr) {
        const PositionPart& part = *r.rotation.part;
        const std::uint64_t mapped = part.query_map(position);
        kernels::kernels().rotate_halves(row, r.rotation.rows->cosine(mapped), r.rotation.rows->sine(mapped),
                                         static_cast<int>(r.rotation.rows->half()));
        if (part.query_log_scaling)
          scale *= std::max(1.0, std::log(static_cast<double>(position) + 1.0) / std::log(part.log_base));
      }
      for (std::size_t dim = 0; dim < dims; ++dim) row[dim] *= static_cast<float>(scale);
      Kernels<Element>::convert(row, dims,
                                memory.queries + (static_cast<std::size_t>(token) * head_count + head) * dims);
    }
  }
}

/// Pages that a step of a tile takes, and which of their keys its rows see.
struct PageRun {
  std::uint64_t pages[kTilePages];
  TileCoverage coverage[kTilePages];
  int count = 0;
};

/// Scores of a tile against the pages; keys that a row does not see become −∞.
template <class Element>
void score_pages(const AttentionRequest& r, const TileMemory<Element>& memory, const KeyTile<Element>* tiles,
                 const PageRun& run, int first_token, int tokens, int heads) {
  const int rows = tokens * heads, dims = static_cast<int>(r.shape.head_dim);
  constexpr int page_keys = static_cast<int>(kPageKeys);
  for (int i = 0; i < run.count; ++i)
    Kernels<Element>::product({.a = memory.queries,
                               .a_stride = static_cast<std::size_t>(dims),
                               .panels = &tiles[i].keys,
                               .panel_count = 1,
                               .k_each = dims,
                               .c = memory.scores + i * page_keys,
                               .c_stride = kTileKeys,
                               .rows = rows,
                               .accumulate = Accumulate::no});
  for (int i = 0; i < run.count; ++i) {
    if (run.coverage[i] == TileCoverage::all) continue;
    for (int token = 0; token < tokens; ++token) {
      const std::uint64_t query = r.first_position + static_cast<std::uint64_t>(first_token + token);
      const std::uint64_t hidden = ~r.visible.bits(query, run.pages[i]);
      for (int head = 0; hidden != 0 && head < heads; ++head) {
        float* row = memory.scores + static_cast<std::size_t>(token * heads + head) * kTileKeys + i * page_keys;
        for (std::uint64_t left = hidden; left != 0;) {  // runs of hidden keys
          const int begin = std::countr_zero(left);
          const int end = begin + std::countr_one(left >> begin);
          std::fill(row + begin, row + end, kNothing);
          left = end == 64 ? 0 : left >> end << end;
        }
      }
    }
  }
}

template <class Element>
void run_tile(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens, KeyInterval keys,
              float* output, float* lse, TileMemory<Element>& memory) {
  const KvLayout& layout = r.keys->layout();
  const int group = static_cast<int>(r.shape.heads / r.shape.kv_heads), rows = tokens * group;
  const std::size_t dims = r.shape.head_dim, columns = layout.value_panels() * 64;
  load_queries(r, kv_head, first_token, tokens, 0, static_cast<std::uint32_t>(group), memory);
  std::fill_n(memory.output, static_cast<std::size_t>(rows) * columns, 0.0f);
  std::fill_n(memory.reference, rows, kNothing);
  std::fill_n(memory.sum, rows, 0.0f);

  const std::uint64_t first_query = r.first_position + static_cast<std::uint64_t>(first_token);
  const std::uint64_t last_page = (keys.end + kPageKeys - 1) / kPageKeys;
  for (std::uint64_t page = keys.begin / kPageKeys; page < last_page;) {
    PageRun step;
    for (; page < last_page && step.count < kTilePages; ++page) {
      const TileCoverage coverage =
          r.visible.coverage(first_query, first_query + static_cast<std::uint64_t>(tokens) - 1, page);
      if (coverage == TileCoverage::none) continue;
      step.pages[step.count] = page;
      step.coverage[step.count++] = coverage;
    }
    if (step.count == 0) break;
    const int count = step.count;
    KeyTile<Element> tiles[kTilePages];
    for (int i = 0; i < count; ++i)
      tiles[i] =
          load_key_tile<Element>(*r.keys, step.pages[i], kv_head, r.rotation,
                                 memory.pages + static_cast<std::size_t>(i) * key_tile_elements(layout), memory.unpack);
    score_pages(r, memory, tiles, step, first_token, tokens, group);
    Kernels<Element>::softmax({.scores = memory.scores,
                               .score_stride = kTileKeys,
                               .rows = rows,
                               .keys = count * static_cast<int>(kPageKeys),
                               .reference = memory.reference,
                               .sum = memory.sum,
                               .output = memory.output,
                               .output_stride = columns,
                               .output_columns = static_cast<int>(columns),
                               .probabilities = memory.probabilities,
                               .probability_stride = kTileKeys});
    for (std::uint32_t panel = 0; panel < layout.value_panels(); ++panel) {
      const Element* panels[kTilePages];
      for (int i = 0; i < count; ++i) panels[i] = tiles[i].values + panel * kPageKeys * 64;
      Kernels<Element>::product({.a = memory.probabilities,
                                 .a_stride = kTileKeys,
                                 .panels = panels,
                                 .panel_count = count,
                                 .k_each = static_cast<int>(kPageKeys),
                                 .c = memory.output + panel * 64,
                                 .c_stride = columns,
                                 .rows = rows,
                                 .accumulate = Accumulate::yes});
    }
  }
  for (int row = 0; row < rows; ++row) {
    const auto token = static_cast<std::size_t>(first_token + row / group);
    const auto head =
        static_cast<std::size_t>(kv_head) * static_cast<std::size_t>(group) + static_cast<std::size_t>(row % group);
    const float total = memory.sum[row];
    const float inverse = total > 0.0f ? 1.0f / total : 0.0f;
    const float* from = memory.output + static_cast<std::size_t>(row) * columns;
    float* to = output + token * r.shape.heads * dims + head * dims;
    for (std::size_t dim = 0; dim < dims; ++dim) to[dim] = from[dim] * inverse;
    lse[token * r.shape.heads + head] =
        total > 0.0f
            ? static_cast<float>((static_cast<double>(memory.reference[row]) + std::log2(static_cast<double>(total))) /
                                 kLog2E)
            : kNothing;
  }
}

template <class Element>
void run(const AttentionRequest& r, const PartialAttention& result, AttentionScratch& scratch) {
  const KvLayout& layout = r.keys->layout();
  const int group = static_cast<int>(r.shape.heads / r.shape.kv_heads);
  const int tile_tokens = std::max(1, kTileRows / group);
  const std::int64_t tiles = (r.tokens + tile_tokens - 1) / tile_tokens;
  TileMemory<Element> measure;
  const std::size_t memory_bytes = TileMemory<Element>::carve(nullptr, layout, tile_tokens * group, &measure);
  scratch.threads.reserve(memory_bytes * static_cast<std::size_t>(thread_count()));

  const std::uint64_t first_key = r.visible.of(r.first_position).begin / kPageKeys * kPageKeys;
  const std::uint64_t end_key = r.visible.of(r.first_position + static_cast<std::uint64_t>(r.tokens) - 1).end;
  const std::uint64_t span = end_key > first_key ? end_key - first_key : 0;
  const std::int64_t base_tasks = tiles * r.shape.kv_heads;
  const auto wanted = static_cast<std::uint64_t>(base_tasks >= kEnoughTasks ? 1 : kWantedTasks / base_tasks);
  const std::uint64_t split_keys =
      std::max(kLeastSplitKeys, ((span + wanted - 1) / wanted + kTileKeys - 1) / kTileKeys * kTileKeys);
  const std::int64_t splits =
      wanted == 1 ? 1 : std::max<std::int64_t>(1, static_cast<std::int64_t>((span + split_keys - 1) / split_keys));
  const std::size_t output_size = static_cast<std::size_t>(r.tokens) * r.shape.heads * r.shape.head_dim;
  const std::size_t lse_size = static_cast<std::size_t>(r.tokens) * r.shape.heads;
  if (splits > 1) {
    scratch.split_output.resize(output_size * static_cast<std::size_t>(splits));
    scratch.split_lse.resize(lse_size * static_cast<std::size_t>(splits));
  }
  parallel_for(base_tasks * splits, [&](std::int64_t index, int thread) {
    const std::int64_t split = index % splits, tile = tiles - 1 - index / splits / r.shape.kv_heads;  // longest first
    const auto kv_head = static_cast<std::uint32_t>(index / splits % r.shape.kv_heads);
    const int first_token = static_cast<int>(tile) * tile_tokens,
              tokens = std::min(tile_tokens, r.tokens - first_token);
    const std::uint64_t first_query = r.first_position + static_cast<std::uint64_t>(first_token);
    KeyInterval keys{r.visible.of(first_query).begin,
                     r.visible.of(first_query + static_cast<std::uint64_t>(tokens) - 1).end};
    if (splits > 1) {
      const std::uint64_t begin = first_key + static_cast<std::uint64_t>(split) * split_keys;
      keys = {std::max(keys.begin, begin), std::min(keys.end, begin + split_keys)};
    }
    TileMemory<Element> memory;
    TileMemory<Element>::carve(scratch.threads.data() + memory_bytes * static_cast<std::size_t>(thread), layout,
                               tile_tokens * group, &memory);
    float* output =
        splits > 1 ? scratch.split_output.data() + output_size * static_cast<std::size_t>(split) : result.output;
    float* lse = splits > 1 ? scratch.split_lse.data() + lse_size * static_cast<std::size_t>(split) : result.lse;
    run_tile(r, kv_head, first_token, tokens, keys, output, lse, memory);
  });
  if (splits == 1) return;
  parallel_for(static_cast<std::int64_t>(lse_size), [&](std::int64_t row, int) {
    const auto at = static_cast<std::size_t>(row), dims = static_cast<std::size_t>(r.shape.head_dim);
    float* output = result.output + at * dims;
    result.lse[at] = kNothing;
    std::fill_n(output, dims, 0.0f);
    for (std::size_t split = 0; split < static_cast<std::size_t>(splits); ++split)
      merge_partial(output, result.lse[at], scratch.split_output.data() + output_size * split + at * dims,
                    scratch.split_lse[lse_size * split + at], dims);
  });
}

/// visit(task, token, first key, scores): the masked scores (times log2 e) of one head for every row of
/// [first_token, last_token) and every run of kTilePages pages, each run a task of its own, so that no two threads see
/// the same key. Returns the number of tasks.
template <class Element, class Visit>
std::uint64_t for_each_score_row(const AttentionRequest& r, std::uint32_t head, int first_token, int last_token,
                                 AttentionScratch& scratch, const Visit& visit) {
  const KvLayout& layout = r.keys->layout();
  const std::uint32_t group = r.shape.heads / r.shape.kv_heads, kv_head = head / group;
  TileMemory<Element> measure;
  const std::size_t memory_bytes = TileMemory<Element>::carve(nullptr, layout, kTileRows, &measure);
  scratch.threads.reserve(memory_bytes * static_cast<std::size_t>(thread_count()));
  const std::uint64_t end = r.visible.of(r.first_position + static_cast<std::uint64_t>(last_token) - 1).end;
  const std::uint64_t first_page = r.keys->first_kept() / kPageKeys, pages = (end + kPageKeys - 1) / kPageKeys;
  if (pages <= first_page) return 0;
  const std::uint64_t tasks = (pages - first_page + kTilePages - 1) / kTilePages;
  parallel_for(static_cast<std::int64_t>(tasks), [&](std::int64_t index, int thread) {
    TileMemory<Element> memory;
    TileMemory<Element>::carve(scratch.threads.data() + memory_bytes * static_cast<std::size_t>(thread), layout,
                               kTileRows, &memory);
    const std::uint64_t page = first_page + static_cast<std::uint64_t>(index) * kTilePages;
    PageRun step;
    step.count = static_cast<int>(std::min<std::uint64_t>(kTilePages, pages - page));
    KeyTile<Element> tiles[kTilePages];
    for (int i = 0; i < step.count; ++i) {
      step.pages[i] = page + static_cast<std::uint64_t>(i);
      step.coverage[i] = TileCoverage::some;
      tiles[i] =
          load_key_tile<Element>(*r.keys, step.pages[i], kv_head, r.rotation,
                                 memory.pages + static_cast<std::size_t>(i) * key_tile_elements(layout), memory.unpack);
    }
    for (int token = first_token; token < last_token; token += kTileRows) {
      const int tokens = std::min(kTileRows, last_token - token);
      load_queries(r, kv_head, token, tokens, head % group, 1, memory);
      score_pages(r, memory, tiles, step, token, tokens, 1);
      const std::uint64_t first_key = page * kPageKeys;
      const auto keys =
          static_cast<std::size_t>(std::min(end - first_key, static_cast<std::uint64_t>(step.count) * kPageKeys));
      for (int row = 0; row < tokens; ++row)
        visit(static_cast<std::size_t>(index), token + row, first_key,
              std::span<const float>(memory.scores + static_cast<std::size_t>(row) * kTileKeys, keys));
    }
  });
  return tasks;
}

template <class Element>
void add_probabilities(const AttentionRequest& r, std::uint32_t head, const float* lse, int first_token, int last_token,
                       std::span<float> probabilities, AttentionScratch& scratch) {
  for_each_score_row<Element>(
      r, head, first_token, last_token, scratch,
      [&](std::size_t, int token, std::uint64_t first_key, std::span<const float> scores) {
        const double row_lse =
            static_cast<double>(lse[static_cast<std::size_t>(token) * r.shape.heads + head]) * kLog2E;
        for (std::size_t key = 0; key < scores.size(); ++key)
          probabilities[first_key + key] += static_cast<float>(std::exp2(static_cast<double>(scores[key]) - row_lse));
      });
}

template <class Element>
void lse_alone(const AttentionRequest& r, std::uint32_t head, int first_token, int last_token, float* lse,
               AttentionScratch& scratch) {
  struct Sum {
    float highest = kNothing;
    double sum = 0;
  };
  const auto rows = static_cast<std::size_t>(last_token - first_token);
  const std::uint64_t end = r.visible.of(r.first_position + static_cast<std::uint64_t>(last_token) - 1).end;
  std::vector<Sum> sums(rows * (end / kTileKeys + 2));  // [task][row]
  const std::uint64_t tasks =
      for_each_score_row<Element>(r, head, first_token, last_token, scratch,
                                  [&](std::size_t task, int token, std::uint64_t, std::span<const float> scores) {
                                    Sum& sum = sums[task * rows + static_cast<std::size_t>(token - first_token)];
                                    sum.highest = *std::max_element(scores.begin(), scores.end());
                                    if (sum.highest == kNothing) return;
                                    for (const float score : scores)
                                      sum.sum += std::exp2(static_cast<double>(score - sum.highest));
                                  });
  for (std::size_t row = 0; row < rows; ++row) {
    Sum total;
    for (std::uint64_t task = 0; task < tasks; ++task)
      total.highest = std::max(total.highest, sums[task * rows + row].highest);
    for (std::uint64_t task = 0; task < tasks; ++task) {
      const Sum& part = sums[task * rows + row];
      if (part.highest != kNothing)
        total.sum += part.sum * std::exp2(static_cast<double>(part.highest) - static_cast<double>(total.highest));
    }
    lse[(static_cast<std::size_t>(first_token) + row) * r.shape.heads + head] =
        total.highest == kNothing
            ? kNothing
            : static_cast<float>((static_cast<double>(total.highest) + std::log2(total.sum)) / kLog2E);
  }
}

}  // namespace

void flash_attention(const AttentionRequest& request, const PartialAttention& result, AttentionScratch& scratch) {
  CHECK(request.tokens > 0 && request.shape.heads % request.shape.kv_heads == 0);
  CHECK(request.shape.head_dim == request.keys->layout().head_dim);
  CHECK(request.keys->layout().parts == KvParts::keys_and_values);
  if (!request.fp32 && kernels::kernels().bf16_products)
    run<std::uint16_t>(request, result, scratch);
  else
    run<float>(request, result, scratch);
}

void attention_lse(const AttentionRequest& request, std::uint32_t head, int first_token, int last_token, float* lse,
                   AttentionScratch& scratch) {
  CHECK(first_token >= 0 && first_token < last_token && last_token <= request.tokens);
  if (!request.fp32 && kernels::kernels().bf16_products)
    lse_alone<std::uint16_t>(request, head, first_token, last_token, lse, scratch);
  else
    lse_alone<float>(request, head, first_token, last_token, lse, scratch);
}

void add_attention_probabilities(const AttentionRequest& request, std::uint32_t head, const float* lse, int first_token,
                                 int last_token, std::span<float> probabilities, AttentionScratch& scratch) {
  CHECK(first_token >= 0 && first_token < last_token && last_token <= request.tokens);
  if (!request.fp32 && kernels::kernels().bf16_products)
    add_probabilities<std::uint16_t>(request, head, lse, first_token, last_token, probabilities, scratch);
  else
    add_probabilities<float>(request, head, lse, first_token, last_token, probabilities, scratch);
}

}  // namespace tome
