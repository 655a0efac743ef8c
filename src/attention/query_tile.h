#pragma once
// What the routines over one query tile share: its memory, its queries as the products want them, its pages in steps,
// and its scores. Private to attention/ (flash.cpp, page_choice.cpp, head_scores.cpp). A thread's tiles are its own.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>

#include "attention/flash.h"
#include "attention/key_tile.h"
#include "base/check.h"
#include "cache/hadamard.h"
#include "kernels/kernel_table.h"

namespace tome::query_tile {

inline constexpr float kNothing = -std::numeric_limits<float>::infinity();
inline constexpr double kLog2E = 1.4426950408889634;
inline constexpr int kTileRows = 192;  ///< query rows of a tile: positions × group
/// In bf16, whose scores stay in registers, a tile is as large as the second cache allows (1 MiB where AVX-512 is): an
/// unpacked page serves more rows. 192 to 512 rows at head dim 128: 8-bit products from 1.17 to 1.21 times bf16.
inline constexpr int kWideTileRows = 512, kWideTileElements = 65536;
inline constexpr int kTilePages = kernels::kStepPages;  ///< pages of keys a softmax step takes at once
inline constexpr int kTileKeys = kTilePages * static_cast<int>(kPageKeys);

template <class Element>
struct Kernels;
template <>
struct Kernels<float> {
  static void product(const kernels::PanelProduct<float>& p) { kernels::kernels().panel_product_f32(p); }
  static void convert(const float* from, std::size_t count, float* to) { std::copy_n(from, count, to); }
};
template <>
struct Kernels<std::uint16_t> {
  static void product(const kernels::PanelProduct<std::uint16_t>& p) { kernels::kernels().panel_product_bf16(p); }
  static void convert(const float* from, std::size_t count, std::uint16_t* to) {
    kernels::kernels().to_bf16(from, count, to);
  }
};

inline std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

/// A tile's memory, carved from a thread's buffer; tiles that a thread takes in turn share `keys`, `values`, `unpack`.
template <class Element>
struct TileMemory {
  Element* queries;        // [rows][head_dim]
  float* scores;           // [rows][kTileKeys]
  float* probabilities;    // [rows][kTileKeys]
  std::uint64_t* visible;  // [kTilePages][rows]
  float* output;           // [rows][value_panels · 64]
  float* reference;        // [rows]
  float* first_reference;  // [rows], what a split begins with; kNothing: its first page says
  float* sum;              // [rows][16], fp32: the first lane alone
  Element* keys;           // kTilePages unpacked pages
  Element* values;         // kTilePages unpacked pages
  float* unpack;           // [64][head_dim]
  // int8 products:
  std::int8_t* queries_8;       // [rows][head_dim]
  float* query_scales;          // [rows]
  std::int32_t* query_offsets;  // [rows][head_dim / 32]
  std::byte* coded_queries;     // [rows][coded_input_bytes], for pages of 8 bits as they lie

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
    take(memory->first_reference, n);
    take(memory->sum, n * 16);
    take(memory->keys, kTilePages * key_tile_elements(layout));
    take(memory->values, kTilePages * key_tile_elements(layout));
    take(memory->unpack, key_tile_floats(layout));
    take(memory->queries_8, n * layout.head_dim);
    take(memory->query_scales, n);
    take(memory->query_offsets, n * (layout.head_dim / 32));
    take(memory->coded_queries, n * kernels::coded_input_bytes(static_cast<int>(layout.head_dim)));
    return at;
  }
};

template <class Element>
int most_tile_rows(std::uint32_t head_dim) {
  if (std::is_same_v<Element, float> || kernels::kernels().isa < Isa::avx512) return kTileRows;
  return std::clamp(kWideTileElements / static_cast<int>(head_dim), kTileRows, kWideTileRows);
}

/// Copies, rotates where the part asks for it, scales by score_scale · log2 e and converts the rows of a query tile.
template <class Element>
void load_queries(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens,
                  std::uint32_t first_head, std::uint32_t head_count, TileMemory<Element>& memory) {
  const std::size_t dims = r.shape.head_dim;
  const std::uint32_t group = r.shape.heads / r.shape.kv_heads;
  float row[1024];
  CHECK(dims <= 1024);
  for (int token = 0; token < tokens; ++token) {
    const std::uint64_t position = r.position(first_token + token);
    for (std::uint32_t head = 0; head < head_count; ++head) {
      std::copy_n(r.queries + static_cast<std::size_t>(r.token(first_token + token)) * r.query_stride +
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
      if (r.keys->layout().type == DType::q4_0) hadamard(row, dims);  // as the keys are stored
      if (!r.keys->channel_scales().empty()) {
        const float* channel_scales = r.keys->channel_scales().data() + kv_head * dims;
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

/// Which keys of a run's pages the rows see: a word a row in the tile's memory; nullptr where all rows see all.
template <class Element>
void find_visible(const AttentionRequest& r, const VisibleKeys& visible, const PageRun& run, int first_token,
                  int tokens, int heads, const TileMemory<Element>& memory, const std::uint64_t** words) {
  for (int i = 0; i < run.count; ++i) {
    words[i] = nullptr;
    if (run.coverage[i] == TileCoverage::all) continue;
    std::uint64_t* rows = memory.visible + i * tokens * heads;
    words[i] = rows;
    for (int token = 0; token < tokens; ++token)
      std::fill_n(rows + token * heads, heads, visible.bits(r.position(first_token + token), run.pages[i]));
  }
}

/// Scores of a tile against `count` panels of keys; keys that a row does not see become −∞. words: as find_visible
/// leaves them.
template <class Element>
void score_panels(const AttentionRequest& r, const TileMemory<Element>& memory, const Element* const* keys,
                  const std::uint64_t* const* words, int count, int rows) {
  const int dims = static_cast<int>(r.shape.head_dim);
  constexpr int page_keys = static_cast<int>(kPageKeys);
  for (int i = 0; i < count; ++i)
    Kernels<Element>::product({.a = memory.queries,
                               .a_stride = static_cast<std::size_t>(dims),
                               .panels = &keys[i],
                               .panel_count = 1,
                               .k_each = dims,
                               .c = memory.scores + i * page_keys,
                               .c_stride = kTileKeys,
                               .rows = rows,
                               .accumulate = kernels::Accumulate::no});
  for (int i = 0; i < count; ++i) {
    if (words[i] == nullptr) continue;
    for (int row = 0; row < rows; ++row) {
      float* scores = memory.scores + static_cast<std::size_t>(row) * kTileKeys + i * page_keys;
      for (std::uint64_t left = ~words[i][row]; left != 0;) {  // runs of hidden keys
        const int begin = std::countr_zero(left);
        const int end = begin + std::countr_one(left >> begin);
        std::fill(scores + begin, scores + end, kNothing);
        left = end == 64 ? 0 : left >> end << end;
      }
    }
  }
}

/// The pages of a tile in steps: what the rows do not see at all is left out.
class PageSteps {
 public:
  PageSteps(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens, KeyInterval keys)
      : visible_(r.visible.for_kv_head(kv_head)),
        first_query_(r.position(first_token)),
        last_query_(r.position(first_token + tokens - 1)),
        first_(visible_.of(first_query_)),
        last_(visible_.of(last_query_)),
        next_(keys.begin / kPageKeys),
        end_((keys.end + kPageKeys - 1) / kPageKeys) {}
  /// Of chosen pages only.
  PageSteps(const AttentionRequest& r, std::uint32_t kv_head, int first_token, int tokens,
            std::span<const std::uint64_t> chosen)
      : PageSteps(r, kv_head, first_token, tokens, KeyInterval{}) {
    chosen_ = chosen.data();
    end_ = chosen.size();
  }

  /// The first page of these alone.
  PageSteps first() const {
    PageSteps one = *this;
    one.end_ = std::min(end_, next_ + 1);
    return one;
  }

  /// The next `most` pages at most.
  PageRun next(int most = kTilePages) {
    PageRun step;
    for (; next_ < end_ && step.count < most; ++next_) {
      if (chosen_ == nullptr && visible_.pattern != nullptr) {
        next_ = visible_.pattern->next_page(first_query_, next_);
        if (next_ >= end_) break;
      }
      const std::uint64_t page = chosen_ == nullptr ? next_ : chosen_[next_];
      const TileCoverage coverage = visible_.pattern == nullptr ? page_coverage(first_, last_, page)
                                                                : visible_.coverage(first_query_, last_query_, page);
      if (coverage == TileCoverage::none) continue;
      step.pages[step.count] = page;
      step.coverage[step.count++] = coverage;
    }
    return step;
  }

 private:
  VisibleKeys visible_;
  std::uint64_t first_query_, last_query_;
  KeyInterval first_, last_;  ///< that these see
  std::uint64_t next_, end_;
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

}  // namespace tome::query_tile
