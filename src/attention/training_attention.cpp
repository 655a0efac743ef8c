#include "attention/training_attention.h"

#include <algorithm>
#include <bit>
#include <cmath>
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
    std::fill_n(sum.data(), sum.size(), 0.0f);  // the softmax kernel adds to it; backwards nobody reads it
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

/// A tile for each thread.
std::vector<Tile> tiles_of_threads(const Shape& shape) {
  std::vector<Tile> memory;
  memory.reserve(static_cast<std::size_t>(thread_count()));
  for (int thread = 0; thread < thread_count(); ++thread) memory.emplace_back(shape);
  return memory;
}

/// Tasks: KV heads × `each`, the heads of one number side by side.
template <class Task>
void for_each_of(const Shape& shape, std::vector<Tile>& memory, std::uint64_t each, const Task& task) {
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

/// Blocks of 64 tokens: task(first, end).
template <class Task>
void over_tokens(std::uint64_t tokens, const Task& task) {
  parallel_for(static_cast<std::int64_t>((tokens + kPage - 1) / kPage), [&](std::int64_t block, int) {
    const std::uint64_t first = static_cast<std::uint64_t>(block) * kPage;
    task(first, std::min(tokens, first + kPage));
  });
}

/// Queries, or the output's gradients, in the order of tiles, as both sides of a product read them.
class TileRows {
 public:
  TileRows(const Shape& shape, const float* from, float scale) : shape_(shape), each_(shape.rows_of_head()) {
    const std::size_t heads = shape.attention.kv_heads, dims = shape.dims;
    rows_.reserve(heads * each_ * dims);
    if (dims != kPage) panels_.reserve(heads * each_ * shape.slices * kPage);
    over_tokens(shape.attention.tokens, [&](std::uint64_t first, std::uint64_t end) {
      for (std::size_t head = 0; head < heads; ++head)
        for (std::size_t row = 0; row < (end - first) * shape.group; ++row)
          fill(head, first * shape.group + row, from + shape.place(static_cast<std::uint32_t>(head), first, row),
               scale);
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
  void fill(std::size_t head, std::size_t row, const float* source, float scale) {
    float* to = rows_.data() + (head * each_ + row) * shape_.dims;
    for (std::size_t dim = 0; dim < shape_.dims; ++dim) to[dim] = source[dim] * scale;
    if (shape_.dims == kPage) return;
    for (std::size_t slice = 0; slice < shape_.slices; ++slice) {
      float* part = panels_.data() + ((head * shape_.slices + slice) * each_ + row) * kPage;
      const std::size_t begin = slice * kPage, count = std::min<std::size_t>(kPage, shape_.dims - begin);
      std::copy_n(to + begin, count, part);
      std::fill(part + count, part + kPage, 0.0f);
    }
  }

  const Shape& shape_;
  std::size_t each_;
  AlignedBuffer<float> rows_, panels_;
};

/// What the backward pass knows of each query: the LSE, and Σ output ∘ gradient. In the order of tiles.
class RowSums {
 public:
  RowSums(const Shape& shape, const float* output, const float* lse, const float* output_gradient)
      : shape_(shape), each_(shape.rows_of_head()), lse_(shape.attention.kv_heads * each_), along_(lse_.size()) {
    const TrainingAttention& a = shape.attention;
    over_tokens(a.tokens, [&](std::uint64_t first, std::uint64_t end) {
      for (std::uint64_t token = first; token < end; ++token)
        for (std::size_t head = 0; head < a.heads; ++head) {
          const std::size_t at = token * shape.width + head * shape.dims;
          double sum = 0.0;
          for (std::size_t dim = 0; dim < shape.dims; ++dim)
            sum += static_cast<double>(output[at + dim]) * static_cast<double>(output_gradient[at + dim]);
          const std::size_t row = head / shape.group * each_ + token * shape.group + head % shape.group;
          along_[row] = static_cast<float>(sum);
          lse_[row] = lse[token * a.heads + head];
        }
    });
  }
  /// [rows of the tile].
  float* lse(std::uint32_t kv_head, std::uint64_t first) {
    return lse_.data() + kv_head * each_ + first * shape_.group;
  }
  const float* along(std::uint32_t kv_head, std::uint64_t first) const {
    return along_.data() + kv_head * each_ + first * shape_.group;
  }

 private:
  const Shape& shape_;
  std::size_t each_;
  AlignedBuffer<float> lse_, along_;
};

/// Gradients as they grow, [rows or keys][slices · 64] for each KV head.
class GradientSums {
 public:
  GradientSums(const Shape& shape, std::uint64_t pages)
      : shape_(shape),
        columns_(shape.slices * kPage),
        of_queries_(shape.rows_of_head() * columns_),
        of_keys_(pages * kPage * columns_),
        queries_(shape.attention.kv_heads * of_queries_),
        keys_(shape.attention.kv_heads * of_keys_),
        values_(shape.attention.kv_heads * of_keys_) {
    for (AlignedBuffer<float>* buffer : {&queries_, &keys_, &values_}) {
      constexpr std::size_t block = std::size_t{1} << 16;
      parallel_for(static_cast<std::int64_t>((buffer->size() + block - 1) / block), [&](std::int64_t index, int) {
        const std::size_t start = static_cast<std::size_t>(index) * block;
        std::fill_n(buffer->data() + start, std::min(block, buffer->size() - start), 0.0f);
      });
    }
  }
  float* queries(std::uint32_t kv_head, std::uint64_t first) {
    return queries_.data() + kv_head * of_queries_ + first * shape_.group * columns_;
  }
  /// Of keys that were multiplied with queries that carry scale · log2 e.
  float* keys(std::uint32_t kv_head, std::uint64_t page) { return keys_.data() + place(kv_head, page); }
  float* values(std::uint32_t kv_head, std::uint64_t page) { return values_.data() + place(kv_head, page); }

  void hand_over(const AttentionGradients& to) const {
    const TrainingAttention& a = shape_.attention;
    const auto without_log = static_cast<float>(1.0 / kLog2E);
    over_tokens(a.tokens, [&](std::uint64_t first, std::uint64_t end) {
      for (std::uint64_t token = first; token < end; ++token) {
        for (std::size_t head = 0; head < a.heads; ++head) {
          const float* from = queries_.data() + head / shape_.group * of_queries_ +
                              (token * shape_.group + head % shape_.group) * columns_;
          float* row = to.queries + token * shape_.width + head * shape_.dims;
          for (std::size_t dim = 0; dim < shape_.dims; ++dim) row[dim] = from[dim] * a.score_scale;
        }
        for (std::size_t head = 0; head < a.kv_heads; ++head) {
          const std::size_t from = head * of_keys_ + token * columns_,
                            at = token * shape_.kv_width + head * shape_.dims;
          for (std::size_t dim = 0; dim < shape_.dims; ++dim) to.keys[at + dim] = keys_[from + dim] * without_log;
          std::copy_n(values_.data() + from, shape_.dims, to.values + at);
        }
      }
    });
  }

 private:
  std::size_t place(std::uint32_t kv_head, std::uint64_t page) const {
    return kv_head * of_keys_ + page * kPage * columns_;
  }

  const Shape& shape_;
  std::size_t columns_, of_queries_, of_keys_;
  AlignedBuffer<float> queries_, keys_, values_;
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
  std::vector<Tile> memory = tiles_of_threads(shape);
  for (std::uint64_t step = 0; step < steps; ++step)
    for_each_of(shape, memory, std::min(pages, (shape.tiles - step + tiles_a_page - 1) / tiles_a_page),
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
  std::vector<Tile> memory = tiles_of_threads(shape);
  for_each_of(shape, memory, shape.tiles,
              [&](std::uint32_t kv_head, std::uint64_t number, Tile& tile) {  // longest first
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
                  for (std::size_t dim = 0; dim < shape.dims; ++dim)
                    output[at + dim] = tile.output[row * columns + dim] * share;
                  lse[at / shape.dims] = static_cast<float>(static_cast<double>(tile.reference[row]) +
                                                            std::log2(static_cast<double>(tile.sum[row])));
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
  const auto scale = static_cast<double>(attention.score_scale) * kLog2E;
  const TileRows queries(shape, attention.queries, static_cast<float>(scale)), arriving(shape, output_gradient, 1.0f);
  RowSums sums(shape, output, lse, output_gradient);
  GradientSums found(shape, keys.pages());
  for_each_pair(shape, keys.pages(), [&](std::uint32_t kv_head, std::uint64_t page, std::uint64_t first, Tile& tile) {
    tile.place(kv_head, first);
    // P again, and P ∘ (gradient · Vᵀ − Σ output ∘ gradient), the gradient of the scores before their scale.
    tile.score(queries.rows(kv_head, first), keys, page);
    tile.exponentiate(sums.lse(kv_head, first), 0);  // references are the LSEs: no score is above them
    multiply(arriving.rows(kv_head, first), shape.dims, static_cast<int>(tile.rows), values.key_panel(kv_head, page),
             static_cast<int>(shape.dims), tile.products.data(), kPage, kernels::Accumulate::no);
    const float* less = sums.along(kv_head, first);
    for (std::size_t row = 0; row < tile.rows; ++row) {
      float* product = tile.products.data() + row * kPage;
      const float* probability = tile.scores.data() + row * kPage;
      for (std::size_t key = 0; key < kPage; ++key) product[key] = probability[key] * (product[key] - less[row]);
    }
    // dV = Pᵀ · gradient, dK = scale · dSᵀ · Q, dQ = scale · dS · K.
    tile.add_turned(tile.scores.data(), arriving.panels(kv_head, first), arriving.slice_stride(),
                    found.values(kv_head, page));
    tile.add_turned(tile.products.data(), queries.panels(kv_head, first), queries.slice_stride(),
                    found.keys(kv_head, page));
    for (std::size_t slice = 0; slice < shape.slices; ++slice)
      multiply(tile.products.data(), kPage, static_cast<int>(tile.rows),
               keys.value_panels_of(kv_head, page) + slice * kPage * kPage, static_cast<int>(kPage),
               found.queries(kv_head, first) + slice * kPage, shape.slices * kPage, kernels::Accumulate::yes);
  });
  found.hand_over(gradients);
}

}  // namespace tome
