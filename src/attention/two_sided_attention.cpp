#include "attention/two_sided_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

constexpr std::uint64_t kPage = kernels::kPanelColumns, kTileRows = 64;
constexpr std::uint64_t kMostTasks = (std::uint64_t{1} << 20) - 1;
constexpr float kLog2E = 1.44269504088896340736f;

/// What one thread needs for one tile of one head.
struct Tile {
  Tile(std::uint32_t head_dim, std::uint32_t value_panels)
      : queries(kTileRows * head_dim),
        scores(kTileRows * kPage),
        output(kTileRows * value_panels * kPage),
        reference(kTileRows),
        sum(kTileRows) {}
  AlignedBuffer<float> queries, scores, output, reference, sum;
};

class TileWork {
 public:
  TileWork(const TwoSidedRequest& request, std::uint32_t head, std::uint64_t first, Tile& tile)
      : request_(request),
        keys_(*request.keys),
        head_(head),
        first_(first),
        rows_(std::min(kTileRows, request.count - first)),
        tile_(tile),
        width_(std::size_t{keys_.heads()} * keys_.head_dim()),
        output_stride_(keys_.value_panels() * kPage) {}

  void run() {
    load_queries();
    if (request_.pattern == nullptr) {
      for (std::uint64_t page = 0; page < keys_.pages(); ++page) see_all(keys_, page);
    } else {
      for (const std::uint64_t page : request_.pattern->pages(first_, first_ + rows_ - 1)) see_some(page);
    }
    if (request_.seen_by_all != nullptr)
      for (std::uint64_t page = 0; page < request_.seen_by_all->pages(); ++page) see_all(*request_.seen_by_all, page);
    store_output();
  }

 private:
  /// With scale · log2 e folded in: softmax is in base 2.
  void load_queries() {
    const std::size_t dims = keys_.head_dim();
    const float scale = request_.score_scale * kLog2E;
    for (std::size_t row = 0; row < rows_; ++row) {
      const float* from = request_.queries + (first_ + row) * width_ + head_ * dims;
      for (std::size_t k = 0; k < dims; ++k) tile_.queries[row * dims + k] = from[k] * scale;
    }
    std::fill_n(tile_.output.data(), rows_ * output_stride_, 0.0f);
    std::fill_n(tile_.reference.data(), rows_, -std::numeric_limits<float>::infinity());
    std::fill_n(tile_.sum.data(), rows_, 0.0f);
  }

  void score(const PackedKeys& keys, std::uint64_t page) {
    const float* panel = keys.key_panel(head_, page);
    kernels::kernels().panel_product_f32({.a = tile_.queries.data(),
                                          .a_stride = keys.head_dim(),
                                          .panels = &panel,
                                          .panel_count = 1,
                                          .k_each = static_cast<int>(keys.head_dim()),
                                          .c = tile_.scores.data(),
                                          .c_stride = kPage,
                                          .rows = static_cast<int>(rows_),
                                          .accumulate = kernels::Accumulate::no});
  }

  void mask(std::size_t row, std::uint64_t seen) {
    float* scores = tile_.scores.data() + row * kPage;
    if (seen == ~std::uint64_t{0}) return;
    for (std::uint64_t key = 0; key < kPage; ++key)
      if ((seen >> key & 1) == 0) scores[key] = -std::numeric_limits<float>::infinity();
  }

  void see_all(const PackedKeys& keys, std::uint64_t page) {
    score(keys, page);
    const std::uint64_t seen = page_bits(page, 0, keys.count());
    for (std::size_t row = 0; row < rows_; ++row) mask(row, seen);
    take(keys, page);
  }

  void see_some(std::uint64_t page) {
    score(keys_, page);
    for (std::size_t row = 0; row < rows_; ++row) {
      const std::uint64_t query = first_ + row;
      mask(row, request_.pattern->bits(query, page));
      const TwoSidedPattern::Repeats repeats = request_.pattern->repeats(query);
      if (repeats.times == 1 || repeats.keys <= page * kPage) continue;
      const float more = std::log2(static_cast<float>(repeats.times));  // m · 2^s = 2^(s + log2 m)
      const std::uint64_t keys = std::min(kPage, repeats.keys - page * kPage);
      for (std::uint64_t key = 0; key < keys; ++key) tile_.scores[row * kPage + key] += more;
    }
    take(keys_, page);
  }

  /// Scores to probabilities, in place, and their values into the output.
  void take(const PackedKeys& keys, std::uint64_t page) {
    const auto& k = kernels::kernels();
    k.softmax_tile_f32({.scores = tile_.scores.data(),
                        .score_stride = kPage,
                        .rows = static_cast<int>(rows_),
                        .keys = static_cast<int>(kPage),
                        .reference = tile_.reference.data(),
                        .sum = tile_.sum.data(),
                        .output = tile_.output.data(),
                        .output_stride = output_stride_,
                        .output_columns = static_cast<int>(output_stride_),
                        .probabilities = tile_.scores.data(),
                        .probability_stride = kPage});
    for (std::uint32_t slice = 0; slice < keys.value_panels(); ++slice) {
      const float* panel = keys.value_panels_of(head_, page) + std::size_t{slice} * kPage * kPage;
      k.panel_product_f32({.a = tile_.scores.data(),
                           .a_stride = kPage,
                           .panels = &panel,
                           .panel_count = 1,
                           .k_each = static_cast<int>(kPage),
                           .c = tile_.output.data() + slice * kPage,
                           .c_stride = output_stride_,
                           .rows = static_cast<int>(rows_),
                           .accumulate = kernels::Accumulate::yes});
    }
  }

  void store_output() {
    const std::size_t dims = keys_.head_dim();
    for (std::size_t row = 0; row < rows_; ++row) {
      const float share = tile_.sum[row] > 0.0f ? 1.0f / tile_.sum[row] : 0.0f;
      float* to = request_.output + (first_ + row) * width_ + head_ * dims;
      for (std::size_t k = 0; k < dims; ++k) to[k] = tile_.output[row * output_stride_ + k] * share;
    }
  }

  const TwoSidedRequest& request_;
  const PackedKeys& keys_;
  std::uint32_t head_;
  std::uint64_t first_, rows_;
  Tile& tile_;
  std::size_t width_, output_stride_;
};

}  // namespace

void two_sided_attention(const TwoSidedRequest& request) {
  const PackedKeys& keys = *request.keys;
  const std::uint64_t tiles = (request.count + kTileRows - 1) / kTileRows;
  if (tiles == 0) return;
  std::vector<Tile> memory;
  for (int thread = 0; thread < thread_count(); ++thread) memory.emplace_back(keys.head_dim(), keys.value_panels());
  const std::uint64_t at_once = std::clamp<std::uint64_t>(kMostTasks / tiles, 1, keys.heads());
  for (std::uint64_t start = 0; start < keys.heads(); start += at_once) {
    const std::uint64_t heads = std::min(at_once, keys.heads() - start);
    parallel_for(static_cast<std::int64_t>(heads * tiles), [&](std::int64_t index, int thread) {
      const auto task = static_cast<std::uint64_t>(index);
      TileWork(request, static_cast<std::uint32_t>(start + task / tiles), task % tiles * kTileRows,
               memory[static_cast<std::size_t>(thread)])
          .run();
    });
  }
}

}  // namespace tome
