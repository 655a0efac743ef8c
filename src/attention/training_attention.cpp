#include "attention/training_attention.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "attention/packed_keys.h"
#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

constexpr std::uint64_t kPage = kernels::kPanelColumns;
/// Query rows of a tile at most: tokens × heads of one KV head. With a page they fit a core's cache.
constexpr std::uint64_t most_tile_rows(std::size_t dims) { return dims <= 128 ? 128 : 64; }
constexpr double kLog2E = 1.4426950408889634;
constexpr float kNothing = -std::numeric_limits<float>::infinity();

void multiply(const float* a, std::size_t a_stride, int rows, const float* panel, int k, float* c, std::size_t c_stride,
              kernels::Accumulate accumulate) {
  kernels::kernels().panel_product_f32({.a = a,
                                        .a_stride = a_stride,
                                        .panels = &panel,
                                        .panel_count = 1,
                                        .k_each = k,
                                        .c = c,
                                        .c_stride = c_stride,
                                        .rows = rows,
                                        .accumulate = accumulate});
}

/// Which queries and keys a tile has to do with.
struct Shape {
  const TrainingAttention& attention;
  std::size_t group, dims, slices, width, kv_width;
  std::uint64_t tile_tokens, tiles;  // tile_tokens divides kPage

  explicit Shape(const TrainingAttention& a)
      : attention(a),
        group(a.heads / a.kv_heads),
        dims(a.head_dim),
        slices((a.head_dim + kPage - 1) / kPage),
        width(std::size_t{a.heads} * a.head_dim),
        kv_width(std::size_t{a.kv_heads} * a.head_dim),
        tile_tokens(std::min(kPage, std::bit_floor(std::max<std::uint64_t>(1, most_tile_rows(dims) / group)))),
        tiles((a.tokens + tile_tokens - 1) / tile_tokens) {
    CHECK(a.kv_heads > 0 && a.heads % a.kv_heads == 0 && a.head_dim % 2 == 0);
    CHECK(a.first_key.size() == a.tokens || a.first_key.size() == a.tokens * a.kv_heads);
  }

  std::span<const std::uint32_t> first_keys(std::uint32_t kv_head) const {
    return attention.first_key.size() == attention.tokens
               ? attention.first_key
               : attention.first_key.subspan(kv_head * attention.tokens, attention.tokens);
  }
  std::uint64_t tokens_of(std::uint64_t first) const { return std::min(tile_tokens, attention.tokens - first); }
  std::size_t rows_of_head() const { return attention.tokens * group; }
  std::size_t largest_rows() const { return tile_tokens * group; }
  /// Where the head of row `row` of a tile begins in [tokens, heads · head_dim].
  std::size_t place(std::uint32_t kv_head, std::uint64_t first, std::size_t row) const {
    return (first + row / group) * width + (kv_head * group + row % group) * dims;
  }
};

/// One thread's memory for the rows of a query tile against a page of keys.
struct Tile {
  explicit Tile(const Shape& of)
      : shape(of),
        queries(of.largest_rows() * of.dims),
        scores(of.largest_rows() * kPage),
        products(of.largest_rows() * kPage),
        turned(kPage * kPage),
        output(of.largest_rows() * of.slices * kPage),
        reference(of.largest_rows()),
        sum(of.largest_rows()) {
    std::fill_n(sum.data(), sum.size(), 0.0f);
  }

  const Shape& shape;
  AlignedBuffer<float> queries;           // [rows][dims], carrying scale · log2 e; forwards alone
  AlignedBuffer<float> scores, products;  // [rows][64]
  AlignedBuffer<float> turned;            // [64 keys][64 rows]
  AlignedBuffer<float> output;            // [rows][slices · 64]
  AlignedBuffer<float> reference, sum;    // [rows]

  std::uint32_t kv_head = 0;
  std::uint64_t first = 0;
  std::size_t rows = 0;

  void place(std::uint32_t head, std::uint64_t first_token) {
    kv_head = head;
    first = first_token;
    rows = shape.tokens_of(first_token) * shape.group;
  }

  void load(const float* from, float scale, float* to) const {
    for (std::size_t row = 0; row < rows; ++row) {
      const float* source = from + shape.place(kv_head, first, row);
      for (std::size_t dim = 0; dim < shape.dims; ++dim) to[row * shape.dims + dim] = source[dim] * scale;
    }
  }

  /// Scores against a page, −∞ where a row does not see the key.
  void score(const float* of_queries, const PackedKeys& keys, std::uint64_t page) {
    multiply(of_queries, shape.dims, static_cast<int>(rows), keys.key_panel(kv_head, page),
             static_cast<int>(shape.dims), scores.data(), kPage, kernels::Accumulate::no);
    const auto first_keys = shape.first_keys(kv_head);
    const std::uint64_t begin = page * kPage;
    const std::uint64_t last_token = first + rows / shape.group - 1;
    if (first_keys[last_token] <= begin && first >= begin + kPage - 1) return;  // all see all
    for (std::size_t row = 0; row < rows; ++row) {
      const std::uint64_t token = first + row / shape.group;
      const std::uint64_t seen_from = std::clamp<std::uint64_t>(first_keys[token], begin, begin + kPage) - begin;
      const std::uint64_t seen_to = std::clamp<std::uint64_t>(token + 1, begin, begin + kPage) - begin;
      float* to = scores.data() + row * kPage;
      std::fill_n(to, std::min(seen_from, seen_to), kNothing);
      if (seen_from >= seen_to) std::fill_n(to, kPage, kNothing);
      std::fill(to + seen_to, to + kPage, kNothing);
    }
  }

  /// Scores become 2^(score − reference), in place; references grow where they must and `output` with them.
  void exponentiate(float* references, std::size_t output_columns) {
    kernels::kernels().softmax_tile_f32({.scores = scores.data(),
                                         .score_stride = kPage,
                                         .rows = static_cast<int>(rows),
                                         .keys = static_cast<int>(kPage),
                                         .reference = references,
                                         .sum = sum.data(),
                                         .output = output.data(),
                                         .output_stride = shape.slices * kPage,
                                         .output_columns = static_cast<int>(output_columns),
                                         .probabilities = scores.data(),
                                         .probability_stride = kPage});
  }

  /// to [64 keys][slices · 64] += fromᵀ · panels, with from [rows][64 keys]; a slice's panel is [all rows][64], where
  /// this tile's begin `slice_stride` floats after the last slice's.
  void add_turned(const float* from, const float* panels, std::size_t slice_stride, float* to) {
    for (std::size_t row = 0; row < rows; row += kPage) {
      const std::size_t count = std::min<std::size_t>(kPage, rows - row);
      kernels::kernels().pack_panel_f32(DType::f32, reinterpret_cast<const std::byte*>(from + row * kPage),
                                        kPage * sizeof(float), static_cast<int>(count), static_cast<int>(kPage),
                                        turned.data());
      for (std::size_t slice = 0; slice < shape.slices; ++slice)
        multiply(turned.data(), kPage, static_cast<int>(kPage), panels + slice * slice_stride + row * kPage,
                 static_cast<int>(count), to + slice * kPage, shape.slices * kPage, kernels::Accumulate::yes);
    }
  }
};

/// Tasks: KV heads × `each`, in an order that gives long ones first.
template <class Task>
void for_each_of(const Shape& shape, std::uint64_t each, const Task& task) {
  std::vector<Tile> memory;
  memory.reserve(static_cast<std::size_t>(thread_count()));
  for (int thread = 0; thread < thread_count(); ++thread) memory.emplace_back(shape);
  const std::uint32_t heads = shape.attention.kv_heads;
  constexpr std::uint64_t most = (std::uint64_t{1} << 20) - 1;
  CHECK(each <= most);
  const std::uint64_t at_once = std::max<std::uint64_t>(1, most / each);
  for (std::uint64_t start = 0; start < heads; start += at_once) {
    const std::uint64_t count = std::min<std::uint64_t>(at_once, heads - start);
    parallel_for(static_cast<std::int64_t>(count * each), [&](std::int64_t index, int thread) {
      const auto number = static_cast<std::uint64_t>(index);
      task(static_cast<std::uint32_t>(start + number % count), number / count,
           memory[static_cast<std::size_t>(thread)]);
    });
  }
}

/// Queries, or the output's gradients, in the order of tiles, as both sides of a product read them.
class TileRows {
 public:
  TileRows(const Shape& shape, const float* from, float scale) : shape_(shape), each_(shape.rows_of_head()) {
    const std::size_t heads = shape.attention.kv_heads, dims = shape.dims;
    rows_.reserve(heads * each_ * dims);
    if (dims != kPage) panels_.reserve(heads * each_ * shape.slices * kPage);
    parallel_for(static_cast<std::int64_t>(heads * shape.tiles), [&](std::int64_t index, int) {
      const auto head = static_cast<std::uint32_t>(static_cast<std::uint64_t>(index) / shape.tiles);
      const std::uint64_t first = static_cast<std::uint64_t>(index) % shape.tiles * shape.tile_tokens;
      for (std::size_t row = 0; row < shape.tokens_of(first) * shape.group; ++row) {
        const float* source = from + shape.place(head, first, row);
        const std::size_t number = first * shape.group + row;
        float* to = rows_.data() + (head * each_ + number) * dims;
        for (std::size_t dim = 0; dim < dims; ++dim) to[dim] = source[dim] * scale;
        if (dims == kPage) continue;
        for (std::size_t slice = 0; slice < shape.slices; ++slice) {
          float* part = panels_.data() + ((head * shape.slices + slice) * each_ + number) * kPage;
          const std::size_t begin = slice * kPage, count = std::min<std::size_t>(kPage, dims - begin);
          std::copy_n(to + begin, count, part);
          std::fill(part + count, part + kPage, 0.0f);
        }
      }
    });
  }
  /// [rows of the tile][dims].
  const float* rows(std::uint32_t head, std::uint64_t first) const {
    return rows_.data() + (head * each_ + first * shape_.group) * shape_.dims;
  }
  /// [rows of the tile][64] of the first slice; the next one's lies slice_stride() floats behind.
  const float* panels(std::uint32_t head, std::uint64_t first) const {
    if (shape_.dims == kPage) return rows(head, first);
    return panels_.data() + (head * shape_.slices * each_ + first * shape_.group) * kPage;
  }
  std::size_t slice_stride() const { return each_ * kPage; }

 private:
  const Shape& shape_;
  std::size_t each_;
  AlignedBuffer<float> rows_, panels_;
};

/// A task for each page of each KV head, in steps: in step s a page meets the tile that begins s tiles after it. No two
/// tasks of a step have a page or a tile in common, so they add to gradients without waiting for each other, in an
/// order that is the same for any number of threads.
template <class Task>  // task(kv_head, page, first token of the tile, Tile&)
void for_each_pair(const Shape& shape, std::uint64_t pages, const Task& task) {
  const std::uint64_t tiles_a_page = kPage / shape.tile_tokens;
  const std::uint32_t heads = shape.attention.kv_heads;
  std::uint64_t steps = 0;
  for (std::uint32_t head = 0; head < heads; ++head)
    for (std::uint64_t tile = 0; tile < shape.tiles; ++tile) {
      const std::uint64_t page = shape.first_keys(head)[tile * shape.tile_tokens] / kPage;
      steps = std::max(steps, tile - page * tiles_a_page + 1);
    }
  for (std::uint64_t step = 0; step < steps; ++step)
    for_each_of(shape, std::min(pages, (shape.tiles - step + tiles_a_page - 1) / tiles_a_page),
                [&](std::uint32_t head, std::uint64_t page, Tile& tile) {
                  const std::uint64_t first = (page * tiles_a_page + step) * shape.tile_tokens;
                  if (shape.first_keys(head)[first] < (page + 1) * kPage) task(head, page, first, tile);
                });
}

}  // namespace

void training_attention(const TrainingAttention& attention, float* output, float* lse) {
  const Shape shape(attention);
  if (attention.tokens == 0) return;
  PackedKeys keys(attention.kv_heads, attention.head_dim);
  keys.pack(attention.keys, attention.values, attention.tokens);
  const std::size_t columns = shape.slices * kPage;
  for_each_of(shape, shape.tiles, [&](std::uint32_t kv_head, std::uint64_t number, Tile& tile) {
    tile.place(kv_head, (shape.tiles - 1 - number) * shape.tile_tokens);
    tile.load(attention.queries, static_cast<float>(static_cast<double>(attention.score_scale) * kLog2E),
              tile.queries.data());
    std::fill_n(tile.output.data(), tile.rows * columns, 0.0f);
    std::fill_n(tile.reference.data(), tile.rows, kNothing);
    std::fill_n(tile.sum.data(), tile.rows, 0.0f);
    const std::uint64_t last = tile.first + tile.rows / shape.group - 1;
    for (std::uint64_t page = shape.first_keys(kv_head)[tile.first] / kPage; page <= last / kPage; ++page) {
      tile.score(tile.queries.data(), keys, page);
      tile.exponentiate(tile.reference.data(), columns);
      for (std::size_t slice = 0; slice < shape.slices; ++slice)
        multiply(tile.scores.data(), kPage, static_cast<int>(tile.rows),
                 keys.value_panels_of(kv_head, page) + slice * kPage * kPage, static_cast<int>(kPage),
                 tile.output.data() + slice * kPage, columns, kernels::Accumulate::yes);
    }
    for (std::size_t row = 0; row < tile.rows; ++row) {
      const std::size_t at = shape.place(kv_head, tile.first, row);
      const float share = 1.0f / tile.sum[row];
      for (std::size_t dim = 0; dim < shape.dims; ++dim) output[at + dim] = tile.output[row * columns + dim] * share;
      lse[at / shape.dims] =
          static_cast<float>(static_cast<double>(tile.reference[row]) + std::log2(static_cast<double>(tile.sum[row])));
    }
  });
}

void training_attention_backward(const TrainingAttention& attention, const float* output, const float* lse,
                                 const float* output_gradient, const AttentionGradients& gradients) {
  const Shape shape(attention);
  if (attention.tokens == 0) return;
  PackedKeys keys(attention.kv_heads, attention.head_dim), values(attention.kv_heads, attention.head_dim);
  keys.pack(attention.keys, attention.keys, attention.tokens);
  values.pack(attention.values, nullptr, attention.tokens);
  const std::size_t columns = shape.slices * kPage, group = shape.group, rows = shape.rows_of_head();
  const std::uint32_t heads = attention.kv_heads;
  const auto scale = static_cast<double>(attention.score_scale) * kLog2E;
  const TileRows queries(shape, attention.queries, static_cast<float>(scale)), arriving(shape, output_gradient, 1.0f);
  AlignedBuffer<float> references(heads * rows), along(heads * rows);  // LSEs and Σ output ∘ gradient, by row
  parallel_for(static_cast<std::int64_t>(attention.tokens), [&](std::int64_t index, int) {
    const auto token = static_cast<std::uint64_t>(index);
    for (std::uint32_t head = 0; head < attention.heads; ++head) {
      const std::size_t at = token * shape.width + head * shape.dims;
      double sum = 0.0;
      for (std::size_t dim = 0; dim < shape.dims; ++dim)
        sum += static_cast<double>(output[at + dim]) * static_cast<double>(output_gradient[at + dim]);
      const std::size_t row = head / group * rows + token * group + head % group;
      along[row] = static_cast<float>(sum);
      references[row] = lse[token * attention.heads + head];
    }
  });
  // Per KV head: [rows or keys][slices · 64].
  const std::size_t of_queries = rows * columns, of_keys = keys.pages() * kPage * columns;
  AlignedBuffer<float> query_gradient(heads * of_queries), key_gradient(heads * of_keys),
      value_gradient(heads * of_keys);
  parallel_for(heads, [&](std::int64_t head, int) {
    std::fill_n(query_gradient.data() + static_cast<std::size_t>(head) * of_queries, of_queries, 0.0f);
    std::fill_n(key_gradient.data() + static_cast<std::size_t>(head) * of_keys, of_keys, 0.0f);
    std::fill_n(value_gradient.data() + static_cast<std::size_t>(head) * of_keys, of_keys, 0.0f);
  });
  for_each_pair(shape, keys.pages(), [&](std::uint32_t head, std::uint64_t page, std::uint64_t first, Tile& tile) {
    tile.place(head, first);
    const std::size_t row = head * rows + first * group;
    // P again, and P ∘ (gradient · Vᵀ − Σ output ∘ gradient), the gradient of the scores before their scale.
    tile.score(queries.rows(head, first), keys, page);
    tile.exponentiate(references.data() + row, 0);  // references are the LSEs: no score is above them
    multiply(arriving.rows(head, first), shape.dims, static_cast<int>(tile.rows), values.key_panel(head, page),
             static_cast<int>(shape.dims), tile.products.data(), kPage, kernels::Accumulate::no);
    for (std::size_t i = 0; i < tile.rows; ++i) {
      const float less = along[row + i];
      float* product = tile.products.data() + i * kPage;
      const float* probability = tile.scores.data() + i * kPage;
      for (std::size_t key = 0; key < kPage; ++key) product[key] = probability[key] * (product[key] - less);
    }
    // dV = Pᵀ · gradient, dK = scale · dSᵀ · Q, dQ = scale · dS · K.
    const std::size_t at = head * of_keys + page * kPage * columns;
    tile.add_turned(tile.scores.data(), arriving.panels(head, first), arriving.slice_stride(),
                    value_gradient.data() + at);
    tile.add_turned(tile.products.data(), queries.panels(head, first), queries.slice_stride(),
                    key_gradient.data() + at);
    float* to = query_gradient.data() + head * of_queries + first * group * columns;
    for (std::size_t slice = 0; slice < shape.slices; ++slice)
      multiply(tile.products.data(), kPage, static_cast<int>(tile.rows),
               keys.value_panels_of(head, page) + slice * kPage * kPage, static_cast<int>(kPage), to + slice * kPage,
               columns, kernels::Accumulate::yes);
  });
  const auto without_log = static_cast<float>(1.0 / kLog2E);  // the queries carried scale · log2 e
  parallel_for(static_cast<std::int64_t>(attention.tokens), [&](std::int64_t index, int) {
    const auto token = static_cast<std::uint64_t>(index);
    for (std::uint32_t head = 0; head < attention.heads; ++head) {
      const float* from = query_gradient.data() + head / group * of_queries + (token * group + head % group) * columns;
      float* to = gradients.queries + token * shape.width + head * shape.dims;
      for (std::size_t dim = 0; dim < shape.dims; ++dim) to[dim] = from[dim] * attention.score_scale;
    }
    for (std::uint32_t head = 0; head < heads; ++head) {
      const std::size_t from = head * of_keys + token * columns, to = token * shape.kv_width + head * shape.dims;
      for (std::size_t dim = 0; dim < shape.dims; ++dim)
        gradients.keys[to + dim] = key_gradient[from + dim] * without_log;
      std::copy_n(value_gradient.data() + from, shape.dims, gradients.values + to);
    }
  });
}

}  // namespace tome
