#include "attention/flash.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "attention/key_tile.h"
#include "attention/partial_merge.h"
#include "base/check.h"
#include "base/thread_pool.h"
#include "cache/hadamard.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

using kernels::Accumulate;
using kernels::PanelProduct;

constexpr float kNothing = -std::numeric_limits<float>::infinity();
constexpr double kLog2E = 1.4426950408889634;
constexpr int kTileRows = 192;                   ///< query rows of a tile: positions × group
constexpr int kTilePages = kernels::kStepPages;  ///< pages of keys a softmax step takes at once
constexpr int kTileKeys = kTilePages * static_cast<int>(kPageKeys);
constexpr int kFewRows = 6;                      ///< up to this many rows read pages of 8 bits as they lie
constexpr std::uint64_t kLeastSplitKeys = 1024;  ///< of one split, when there are few queries
constexpr std::int64_t kEnoughTasks = 8;         ///< with fewer query tiles than this the keys are split too
constexpr std::int64_t kWantedTasks = 32;        ///< then into about this many tasks

template <class Element>
struct Kernels;
template <>
struct Kernels<float> {
  static void product(const PanelProduct<float>& p) { kernels::kernels().panel_product_f32(p); }
  static void convert(const float* from, std::size_t count, float* to) { std::copy_n(from, count, to); }
};
template <>
struct Kernels<std::uint16_t> {
  static void product(const PanelProduct<std::uint16_t>& p) { kernels::kernels().panel_product_bf16(p); }
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
  float* probabilities;    // [rows][kTileKeys]
  std::uint64_t* visible;  // [kTilePages][rows]
  float* output;           // [rows][value_panels · 64]
  float* reference;        // [rows]
  float* sum;              // [rows][16], fp32: the first lane alone
  Element* keys;           // kTilePages unpacked pages
  Element* values;         // kTilePages unpacked pages
  float* unpack;           // [64][head_dim]
  // int8 products:
  std::int8_t* queries_8;       // [rows][head_dim]
  float* query_scales;          // [rows]
  std::int32_t* query_offsets;  // [rows][head_dim / 32]
  float* key_scales;            // [kTilePages][head_dim / 32][64]

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
    take(memory->visible, n * kTilePages);
    take(memory->output, n * layout.value_panels() * 64);
    take(memory->reference, n);
    take(memory->sum, n * 16);
    take(memory->keys, kTilePages * key_tile_elements(layout));
    take(memory->values, kTilePages * key_tile_elements(layout));
    take(memory->unpack, key_tile_floats(layout));
    take(memory->queries_8, n * layout.head_dim);
    take(memory->query_scales, n);
    take(memory->query_offsets, n * (layout.head_dim / 32));
    take(memory->key_scales, kTilePages * (layout.head_dim / 32) * kPageKeys);
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
      if (r.keys->layout().type == DType::q4_0) {  // as the keys are stored
        const float* channel_scales = r.keys->channel_scales().data() + kv_head * dims;
        hadamard(row, dims);
        for (std::size_t dim = 0; dim < dims; ++dim) row[dim] *= channel_scales[dim];
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
void score_pages(const AttentionRequest& r, const VisibleKeys& visible, const TileMemory<Element>& memory,
                 const Element* const* keys, const PageRun& run, int first_token, int tokens, int heads) {
  const int rows = tokens * heads, dims = static_cast<int>(r.shape.head_dim);
  constexpr int page_keys = static_cast<int>(kPageKeys);
  for (int i = 0; i < run.count; ++i)
    Kernels<Element>::product({.a = memory.queries,
                               .a_stride = static_cast<std::size_t>(dims),
                               .panels = &keys[i],
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
      const std::uint64_t hidden = ~visible.bits(query, run.pages[i]);
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

/// The pages of a tile in steps: what the rows do not see at all is left out.
class PageSteps {
 public:
  PageSteps(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens, KeyInterval keys)
      : visible_(r.visible.for_kv_head(kv_head)),
        first_query_(r.first_position + static_cast<std::uint64_t>(first_token)),
        last_query_(first_query_ + static_cast<std::uint64_t>(tokens) - 1),
        next_(keys.begin / kPageKeys),
        end_((keys.end + kPageKeys - 1) / kPageKeys) {}
  /// Of chosen pages only.
  PageSteps(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens,
            std::span<const std::uint64_t> chosen)
      : PageSteps(r, kv_head, first_token, tokens, KeyInterval{}) {
    chosen_ = chosen.data();
    end_ = chosen.size();
  }

  PageRun next() {
    PageRun step;
    for (; next_ < end_ && step.count < kTilePages; ++next_) {
      const std::uint64_t page = chosen_ == nullptr ? next_ : chosen_[next_];
      const TileCoverage coverage = visible_.coverage(first_query_, last_query_, page);
      if (coverage == TileCoverage::none) continue;
      step.pages[step.count] = page;
      step.coverage[step.count++] = coverage;
    }
    return step;
  }

 private:
  VisibleKeys visible_;
  std::uint64_t first_query_, last_query_, next_, end_;
  const std::uint64_t* chosen_ = nullptr;
};

template <class Element>
void load_step_keys(const AttentionRequest& r, std::uint32_t kv_head, const PageRun& step, TileMemory<Element>& memory,
                    const Element** keys) {
  const std::size_t size = key_tile_elements(r.keys->layout());
  for (int i = 0; i < step.count; ++i)
    keys[i] = load_keys<Element>(*r.keys, step.pages[i], kv_head, r.rotation,
                                 memory.keys + static_cast<std::size_t>(i) * size, memory.unpack);
}
template <class Element>
void load_step_values(const AttentionRequest& r, std::uint32_t kv_head, const PageRun& step,
                      TileMemory<Element>& memory, const Element** values) {
  const std::size_t size = key_tile_elements(r.keys->layout());
  for (int i = 0; i < step.count; ++i)
    values[i] = load_values<Element>(*r.keys, step.pages[i], kv_head,
                                     memory.values + static_cast<std::size_t>(i) * size, memory.unpack);
}

/// All steps of a tile in fp32: a score tile, its softmax, its product with the values.
void take_steps(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens, PageSteps steps,
                TileMemory<float>& memory) {
  const KvLayout& layout = r.keys->layout();
  const int group = static_cast<int>(r.shape.heads / r.shape.kv_heads), rows = tokens * group;
  const std::size_t columns = layout.value_panels() * 64;
  const VisibleKeys visible = r.visible.for_kv_head(kv_head);
  for (PageRun step = steps.next(); step.count > 0; step = steps.next()) {
    const float *keys[kTilePages], *values[kTilePages];
    load_step_keys(r, kv_head, step, memory, keys);
    load_step_values(r, kv_head, step, memory, values);
    score_pages(r, visible, memory, keys, step, first_token, tokens, group);
    kernels::kernels().softmax_tile_f32({.scores = memory.scores,
                                         .score_stride = kTileKeys,
                                         .rows = rows,
                                         .keys = step.count * static_cast<int>(kPageKeys),
                                         .reference = memory.reference,
                                         .sum = memory.sum,
                                         .output = memory.output,
                                         .output_stride = columns,
                                         .output_columns = static_cast<int>(columns),
                                         .probabilities = memory.probabilities,
                                         .probability_stride = kTileKeys});
    for (std::uint32_t panel = 0; panel < layout.value_panels(); ++panel) {
      const float* panels[kTilePages];
      for (int i = 0; i < step.count; ++i) panels[i] = values[i] + panel * kPageKeys * 64;
      kernels::kernels().panel_product_f32({.a = memory.probabilities,
                                            .a_stride = kTileKeys,
                                            .panels = panels,
                                            .panel_count = step.count,
                                            .k_each = static_cast<int>(kPageKeys),
                                            .c = memory.output + panel * 64,
                                            .c_stride = columns,
                                            .rows = rows,
                                            .accumulate = Accumulate::yes});
    }
  }
  for (int row = rows - 1; row >= 0; --row) {  // the sums take their places among the lanes
    const float sum = memory.sum[row];
    std::fill_n(memory.sum + row * 16, 16, 0.0f);
    memory.sum[row * 16] = sum;
  }
}

/// Each row of queries in 8 bits with a scale of its own, and what the keys' offset of 128 adds to its products.
void quantize_queries(const KvLayout& layout, int rows, TileMemory<std::uint16_t>& memory) {
  const std::size_t dims = layout.head_dim, blocks = dims / 32;
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
    const std::uint16_t* from = memory.queries + row * dims;
    float largest = 0.0f;
    for (std::size_t dim = 0; dim < dims; ++dim) {
      const float size = std::fabs(bf16_to_f32(from[dim]));
      if (!(size <= largest)) largest = size;  // what is not a number stays in the scale
    }
    const float scale = largest / 127.0f, inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
    memory.query_scales[row] = scale;
    for (std::size_t block = 0; block < blocks; ++block) {
      std::int32_t sum = 0;
      for (std::size_t dim = block * 32; dim < block * 32 + 32; ++dim) {
        const auto code = static_cast<std::int32_t>(std::lrintf(bf16_to_f32(from[dim]) * inverse));
        memory.queries_8[row * dims + dim] = static_cast<std::int8_t>(code);
        sum += code;
      }
      memory.query_offsets[row * blocks + block] = -128 * sum;
    }
  }
}

/// All steps of a tile in bf16 (int8: scores from 8-bit products): one kernel from scores to output, which also asks
/// for the pages of the step after.
void take_steps(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens, PageSteps steps,
                TileMemory<std::uint16_t>& memory) {
  const KvLayout& layout = r.keys->layout();
  const int group = static_cast<int>(r.shape.heads / r.shape.kv_heads), rows = tokens * group;
  const bool int8 = r.precision == AttentionPrecision::int8;
  const bool in_place = !int8 && layout.type == DType::q8_0 && r.rotation.part == nullptr && rows <= kFewRows &&
                        kernels::kernels().attention_step_q8 != nullptr;
  if (int8) quantize_queries(layout, rows, memory);
  const VisibleKeys visible_keys = r.visible.for_kv_head(kv_head);
  const std::size_t head_offset = (layout.key_bytes() + layout.value_bytes()) * kv_head;
  PageRun step = steps.next();
  while (step.count > 0) {
    const PageRun after = steps.next();
    const std::uint16_t *keys[kTilePages], *values[kTilePages];
    const std::byte *keys_8[kTilePages], *values_8[kTilePages];
    float* key_scales[kTilePages];
    const std::byte *keys_ahead[kTilePages], *values_ahead[kTilePages];
    const std::uint64_t* visible[kTilePages];
    if (int8 || in_place)
      for (int i = 0; i < step.count; ++i) {
        keys_8[i] = r.keys->page(step.pages[i]) + head_offset;
        values_8[i] = keys_8[i] + layout.key_bytes();
        key_scales[i] = memory.key_scales + static_cast<std::size_t>(i) * (layout.head_dim / 32) * kPageKeys;
        kernels::kernels().dequantize_row(DType::f16, keys_8[i] + kPageKeys * layout.head_dim,
                                          layout.head_dim / 32 * kPageKeys, key_scales[i]);
      }
    else
      load_step_keys(r, kv_head, step, memory, keys);
    if (!in_place) load_step_values(r, kv_head, step, memory, values);
    for (int i = 0; i < step.count; ++i) {
      visible[i] = nullptr;
      if (step.coverage[i] == TileCoverage::all) continue;
      std::uint64_t* words = memory.visible + i * rows;
      visible[i] = words;
      for (int token = 0; token < tokens; ++token)
        std::fill_n(
            words + token * group, group,
            visible_keys.bits(r.first_position + static_cast<std::uint64_t>(first_token + token), step.pages[i]));
    }
    for (int i = 0; i < after.count; ++i) {
      keys_ahead[i] = r.keys->page(after.pages[i]) + head_offset;
      // The panel that keys of 8 or 4 bits become is about as long as keys and values were.
      values_ahead[i] =
          layout.type == DType::q8_0 || layout.type == DType::q4_0 ? nullptr : keys_ahead[i] + layout.key_bytes();
    }
    const kernels::AttentionStep work{.queries = memory.queries,
                                      .rows = rows,
                                      .dims = static_cast<int>(layout.head_dim),
                                      .pages = step.count,
                                      .keys = keys,
                                      .queries_8 = memory.queries_8,
                                      .query_scales = memory.query_scales,
                                      .query_offsets = memory.query_offsets,
                                      .keys_8 = keys_8,
                                      .key_scales = key_scales,
                                      .values_8 = values_8,
                                      .values = values,
                                      .value_panels = static_cast<int>(layout.value_panels()),
                                      .visible = visible,
                                      .keys_ahead = keys_ahead,
                                      .values_ahead = values_ahead,
                                      .pages_ahead = after.count,
                                      .output = memory.output,
                                      .reference = memory.reference,
                                      .sum = memory.sum};
    if (int8)
      kernels::kernels().attention_step_int8(work);
    else if (in_place)
      kernels::kernels().attention_step_q8(work);
    else
      kernels::kernels().attention_step_bf16(work);
    step = after;
  }
}

template <class Element>
void run_tile(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens, const PageSteps& steps,
              float* output, float* lse, TileMemory<Element>& memory) {
  const int group = static_cast<int>(r.shape.heads / r.shape.kv_heads), rows = tokens * group;
  const std::size_t dims = r.shape.head_dim, columns = r.keys->layout().value_panels() * 64;
  load_queries(r, kv_head, first_token, tokens, 0, static_cast<std::uint32_t>(group), memory);
  std::fill_n(memory.output, static_cast<std::size_t>(rows) * columns, 0.0f);
  std::fill_n(memory.reference, rows, kNothing);
  std::fill_n(memory.sum, rows * 16, 0.0f);
  take_steps(r, kv_head, first_token, tokens, steps, memory);
  for (int row = 0; row < rows; ++row) {
    const auto token = static_cast<std::size_t>(first_token + row / group);
    const auto head =
        static_cast<std::size_t>(kv_head) * static_cast<std::size_t>(group) + static_cast<std::size_t>(row % group);
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

template <class Element>
bool negative(Element value) {
  if constexpr (std::is_same_v<Element, float>)
    return value < 0.0f;
  else
    return value >> 15 != 0;
}

/// The pages that a tile reads, ascending.
template <class Element>
void choose_pages(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens,
                  TileMemory<Element>& memory, AttentionScratch::Choice& scratch, std::vector<std::uint64_t>& chosen) {
  const std::uint64_t first_query = r.first_position + static_cast<std::uint64_t>(first_token);
  const std::uint64_t own = first_query / kPageKeys;
  const std::uint64_t end = (first_query + static_cast<std::uint64_t>(tokens) - 1) / kPageKeys + 1;
  const std::uint64_t near_begin = own == 0 ? 0 : own - 1;  // this page and the later ones are read anyway
  chosen.clear();
  const PagedKv& panels = r.bounds->panels();
  if (near_begin <= r.top_pages + 1) {
    for (std::uint64_t page = 0; page < end; ++page) chosen.push_back(page);
    return;
  }
  CHECK(panels.length() >= near_begin);
  const std::uint64_t blocks = (near_begin + kPageKeys - 1) / kPageKeys;
  const auto stride = static_cast<std::size_t>(blocks * kPageKeys), dims = static_cast<std::size_t>(r.shape.head_dim);
  const auto group = r.shape.heads / r.shape.kv_heads;
  const auto rows = static_cast<std::size_t>(tokens) * group;
  Element *signed_queries = nullptr, *panel_scratch = nullptr;
  float *scores = nullptr, *reference = nullptr, *sum = nullptr, *unpack = nullptr;
  const auto carve = [&](std::byte* from) {
    std::size_t at = 0;
    const auto take = [&](auto*& pointer, std::size_t count) {
      using T = std::remove_reference_t<decltype(*pointer)>;
      pointer = reinterpret_cast<T*>(from + at);
      at += rounded(count * sizeof(T));
    };
    take(signed_queries, rows * 2 * dims);
    take(panel_scratch, key_tile_elements(panels.layout()));
    take(scores, rows * stride);
    take(reference, rows);
    take(sum, rows);
    take(unpack, key_tile_floats(panels.layout()));
    return at;
  };
  scratch.memory.reserve(carve(nullptr));
  carve(scratch.memory.data());

  load_queries(r, kv_head, first_token, tokens, 0, group, memory);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t dim = 0; dim < dims; ++dim) {
      const Element query = memory.queries[row * dims + dim];
      signed_queries[row * 2 * dims + dim] = negative(query) ? Element{} : query;
      signed_queries[row * 2 * dims + dims + dim] = negative(query) ? query : Element{};
    }
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const Element* panel = load_keys<Element>(panels, block, kv_head, {}, panel_scratch, unpack);
    Kernels<Element>::product({.a = signed_queries,
                               .a_stride = 2 * dims,
                               .panels = &panel,
                               .panel_count = 1,
                               .k_each = static_cast<int>(2 * dims),
                               .c = scores + block * kPageKeys,
                               .c_stride = stride,
                               .rows = static_cast<int>(rows),
                               .accumulate = Accumulate::no});
  }
  for (std::size_t row = 0; row < rows; ++row) {
    scores[row * stride] = kNothing;  // the first page is read anyway
    std::fill(scores + row * stride + near_begin, scores + (row + 1) * stride, kNothing);
  }
  std::fill_n(reference, rows, kNothing);
  std::fill_n(sum, rows, 0.0f);
  kernels::kernels().softmax_tile_f32({.scores = scores,
                                       .score_stride = stride,
                                       .rows = static_cast<int>(rows),
                                       .keys = static_cast<int>(stride),
                                       .reference = reference,
                                       .sum = sum,
                                       .output = nullptr,
                                       .output_stride = 0,
                                       .output_columns = 0,
                                       .probabilities = scores,
                                       .probability_stride = stride});
  scratch.shares.assign(stride, 0.0f);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t page = 0; page < stride; ++page)  // the most that any row wants of it: one row's need is enough
      scratch.shares[page] = std::max(scratch.shares[page], scores[row * stride + page] / sum[row]);
  for (std::uint64_t page = 1; page < near_begin; ++page) chosen.push_back(page);
  const auto middle = chosen.begin() + static_cast<std::ptrdiff_t>(r.top_pages);
  std::nth_element(chosen.begin(), middle, chosen.end(), [&](std::uint64_t a, std::uint64_t b) {
    return scratch.shares[a] != scratch.shares[b] ? scratch.shares[a] > scratch.shares[b] : a < b;
  });
  chosen.erase(middle, chosen.end());
  chosen.push_back(0);
  for (std::uint64_t page = near_begin; page < end; ++page) chosen.push_back(page);
  std::sort(chosen.begin(), chosen.end());
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
  std::uint64_t span = end_key > first_key ? end_key - first_key : 0;
  const std::int64_t base_tasks = tiles * r.shape.kv_heads;
  struct Tile {
    std::uint32_t kv_head;
    int first_token, tokens;
  };
  const auto tile_of = [&](std::int64_t index) -> Tile {
    const int first_token = static_cast<int>(tiles - 1 - index / r.shape.kv_heads) * tile_tokens;  // longest first
    return {static_cast<std::uint32_t>(index % r.shape.kv_heads), first_token,
            std::min(tile_tokens, r.tokens - first_token)};
  };
  const auto memory_of = [&](int thread) {
    TileMemory<Element> memory;
    TileMemory<Element>::carve(scratch.threads.data() + memory_bytes * static_cast<std::size_t>(thread), layout,
                               tile_tokens * group, &memory);
    return memory;
  };
  const bool choosing = r.top_pages > 0;
  if (choosing) {
    CHECK(r.bounds != nullptr && r.rotation.part == nullptr && r.visible.window == 0 && r.visible.pattern == nullptr);
    scratch.chosen.resize(static_cast<std::size_t>(base_tasks));
    scratch.choices.resize(static_cast<std::size_t>(thread_count()));
    parallel_for(base_tasks, [&](std::int64_t index, int thread) {
      const Tile tile = tile_of(index);
      TileMemory<Element> memory = memory_of(thread);
      choose_pages(r, tile.kv_head, tile.first_token, tile.tokens, memory,
                   scratch.choices[static_cast<std::size_t>(thread)], scratch.chosen[static_cast<std::size_t>(index)]);
    });
    span = 0;
    for (std::int64_t index = 0; index < base_tasks; ++index)
      span = std::max(span, scratch.chosen[static_cast<std::size_t>(index)].size() * kPageKeys);
  }
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
    const std::int64_t split = index % splits;
    const Tile tile = tile_of(index / splits);
    const std::uint64_t first_query = r.first_position + static_cast<std::uint64_t>(tile.first_token);
    KeyInterval keys{r.visible.of(first_query).begin,
                     r.visible.of(first_query + static_cast<std::uint64_t>(tile.tokens) - 1).end};
    if (splits > 1) {
      const std::uint64_t begin = first_key + static_cast<std::uint64_t>(split) * split_keys;
      keys = {std::max(keys.begin, begin), std::min(keys.end, begin + split_keys)};
    }
    PageSteps steps(r, tile.kv_head, tile.first_token, tile.tokens, keys);
    if (choosing) {
      const std::vector<std::uint64_t>& chosen = scratch.chosen[static_cast<std::size_t>(index / splits)];
      const std::size_t each = split_keys / kPageKeys, begin = static_cast<std::size_t>(split) * each;
      std::span<const std::uint64_t> share = chosen;
      if (splits > 1) share = share.subspan(std::min(begin, share.size()));
      if (splits > 1) share = share.first(std::min(each, share.size()));
      steps = PageSteps(r, tile.kv_head, tile.first_token, tile.tokens, share);
    }
    TileMemory<Element> memory = memory_of(thread);
    float* output =
        splits > 1 ? scratch.split_output.data() + output_size * static_cast<std::size_t>(split) : result.output;
    float* lse = splits > 1 ? scratch.split_lse.data() + lse_size * static_cast<std::size_t>(split) : result.lse;
    run_tile(r, tile.kv_head, tile.first_token, tile.tokens, steps, output, lse, memory);
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
  const VisibleKeys visible = r.visible.for_kv_head(kv_head);
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
    const Element* keys[kTilePages];
    for (int i = 0; i < step.count; ++i) {
      step.pages[i] = page + static_cast<std::uint64_t>(i);
      step.coverage[i] = TileCoverage::some;
    }
    load_step_keys(r, kv_head, step, memory, keys);
    for (int token = first_token; token < last_token; token += kTileRows) {
      const int tokens = std::min(kTileRows, last_token - token);
      load_queries(r, kv_head, token, tokens, head % group, 1, memory);
      score_pages(r, visible, memory, keys, step, token, tokens, 1);
      const std::uint64_t first_key = page * kPageKeys;
      const auto count =
          static_cast<std::size_t>(std::min(end - first_key, static_cast<std::uint64_t>(step.count) * kPageKeys));
      for (int row = 0; row < tokens; ++row)
        visit(static_cast<std::size_t>(index), token + row, first_key,
              std::span<const float>(memory.scores + static_cast<std::size_t>(row) * kTileKeys, count));
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
  CHECK(request.keys->layout().type != DType::q4_0 || request.rotation.part == nullptr);
  CHECK(request.precision != AttentionPrecision::int8 ||
        (request.keys->layout().type == DType::q8_0 && request.rotation.part == nullptr &&
         kernels::kernels().int8_scores));
  if (request.precision != AttentionPrecision::fp32 && kernels::kernels().bf16_products)
    run<std::uint16_t>(request, result, scratch);
  else
    run<float>(request, result, scratch);
}

void attention_lse(const AttentionRequest& request, std::uint32_t head, int first_token, int last_token, float* lse,
                   AttentionScratch& scratch) {
  CHECK(first_token >= 0 && first_token < last_token && last_token <= request.tokens);
  if (request.precision != AttentionPrecision::fp32 && kernels::kernels().bf16_products)
    lse_alone<std::uint16_t>(request, head, first_token, last_token, lse, scratch);
  else
    lse_alone<float>(request, head, first_token, last_token, lse, scratch);
}

void add_attention_probabilities(const AttentionRequest& request, std::uint32_t head, const float* lse, int first_token,
                                 int last_token, std::span<float> probabilities, AttentionScratch& scratch) {
  CHECK(first_token >= 0 && first_token < last_token && last_token <= request.tokens);
  if (request.precision != AttentionPrecision::fp32 && kernels::kernels().bf16_products)
    add_probabilities<std::uint16_t>(request, head, lse, first_token, last_token, probabilities, scratch);
  else
    add_probabilities<float>(request, head, lse, first_token, last_token, probabilities, scratch);
}

}  // namespace tome
