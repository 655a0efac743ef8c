#include "attention/training_attention.h"

#include <algorithm>
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
constexpr std::uint64_t kTileRows = 96;  ///< query rows of a tile: tokens × heads of one KV head
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
  std::uint64_t tile_tokens, tiles;

  explicit Shape(const TrainingAttention& a)
      : attention(a),
        group(a.heads / a.kv_heads),
        dims(a.head_dim),
        slices((a.head_dim + kPage - 1) / kPage),
        width(std::size_t{a.heads} * a.head_dim),
        kv_width(std::size_t{a.kv_heads} * a.head_dim),
        tile_tokens(std::max<std::uint64_t>(1, kTileRows / group)),
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
        gradients(of.largest_rows() * of.dims),
        query_panels(of.largest_rows() * of.slices * kPage),
        gradient_panels(of.largest_rows() * of.slices * kPage),
        scores(of.largest_rows() * kPage),
        products(of.largest_rows() * kPage),
        turned(of.largest_rows() * kPage),
        output(std::max(of.largest_rows(), std::size_t{kPage}) * of.slices * kPage),
        second_output(kPage * of.slices * kPage),
        reference(of.largest_rows()),
        sum(of.largest_rows()),
        weighted(of.largest_rows()) {}

  const Shape& shape;
  AlignedBuffer<float> queries;                        // [rows][dims], carrying scale · log2 e
  AlignedBuffer<float> gradients;                      // [rows][dims] of the output
  AlignedBuffer<float> query_panels, gradient_panels;  // [slices][rows][64]; queries carry the scale
  AlignedBuffer<float> scores, products, turned;       // [rows][64], turned: [64][rows]
  AlignedBuffer<float> output, second_output;          // [rows or keys][slices · 64]
  AlignedBuffer<float> reference, sum;                 // [rows]
  AlignedBuffer<float> weighted;                       // [rows] Σ output ∘ gradient

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
  void load_panels(const float* from, float scale, float* to) const {
    for (std::size_t slice = 0; slice < shape.slices; ++slice) {
      const std::size_t begin = slice * kPage, count = std::min<std::size_t>(kPage, shape.dims - begin);
      for (std::size_t row = 0; row < rows; ++row, to += kPage) {
        const float* source = from + shape.place(kv_head, first, row) + begin;
        for (std::size_t dim = 0; dim < count; ++dim) to[dim] = source[dim] * scale;
        std::fill(to + count, to + kPage, 0.0f);
      }
    }
  }

  /// Scores against a page, −∞ where a row does not see the key.
  void score(const PackedKeys& keys, std::uint64_t page) {
    multiply(queries.data(), shape.dims, static_cast<int>(rows), keys.key_panel(kv_head, page),
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
  void exponentiate(std::size_t output_columns) {
    kernels::kernels().softmax_tile_f32({.scores = scores.data(),
                                         .score_stride = kPage,
                                         .rows = static_cast<int>(rows),
                                         .keys = static_cast<int>(kPage),
                                         .reference = reference.data(),
                                         .sum = sum.data(),
                                         .output = output.data(),
                                         .output_stride = shape.slices * kPage,
                                         .output_columns = static_cast<int>(output_columns),
                                         .probabilities = scores.data(),
                                         .probability_stride = kPage});
  }

  /// `scores` become probabilities again, `products` the gradient of the unscaled scores:
  /// P ∘ (gradient · Vᵀ − Σ output ∘ gradient).
  void score_gradients(const PackedKeys& keys, const PackedKeys& values, std::uint64_t page) {
    score(keys, page);
    exponentiate(0);  // references are the LSEs: no score is above them
    multiply(gradients.data(), shape.dims, static_cast<int>(rows), values.key_panel(kv_head, page),
             static_cast<int>(shape.dims), products.data(), kPage, kernels::Accumulate::no);
    for (std::size_t row = 0; row < rows; ++row) {
      const float less = weighted[row];
      float* product = products.data() + row * kPage;
      const float* probability = scores.data() + row * kPage;
      for (std::size_t key = 0; key < kPage; ++key) product[key] = probability[key] * (product[key] - less);
    }
  }

  /// [rows][64] to [64][rows].
  const float* turn(const float* from) {
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t key = 0; key < kPage; ++key) turned[key * rows + row] = from[row * kPage + key];
    return turned.data();
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

/// What the backward pass knows of a tile's rows.
void load_for_backward(Tile& tile, const float* output, const float* lse, const float* output_gradient) {
  const Shape& shape = tile.shape;
  const TrainingAttention& a = shape.attention;
  tile.load(a.queries, static_cast<float>(static_cast<double>(a.score_scale) * kLog2E), tile.queries.data());
  tile.load(output_gradient, 1.0f, tile.gradients.data());
  for (std::size_t row = 0; row < tile.rows; ++row) {
    const std::size_t at = shape.place(tile.kv_head, tile.first, row);
    double sum = 0.0;
    for (std::size_t dim = 0; dim < shape.dims; ++dim)
      sum += static_cast<double>(output[at + dim]) * static_cast<double>(output_gradient[at + dim]);
    tile.weighted[row] = static_cast<float>(sum);
    tile.reference[row] = lse[at / shape.dims];
    tile.sum[row] = 0.0f;
  }
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
      tile.score(keys, page);
      tile.exponentiate(columns);
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
  const std::size_t columns = shape.slices * kPage;
  // dV = Pᵀ · gradient and dK = scale · dSᵀ · Q: a page of keys meets every tile that sees it.
  for_each_of(shape, keys.pages(), [&](std::uint32_t kv_head, std::uint64_t page, Tile& tile) {
    const std::uint64_t begin = page * kPage, end = std::min(begin + kPage, attention.tokens);
    float* value_gradient = tile.output.data();
    float* key_gradient = tile.second_output.data();
    std::fill_n(value_gradient, kPage * columns, 0.0f);
    std::fill_n(key_gradient, kPage * columns, 0.0f);
    const auto first_keys = shape.first_keys(kv_head);
    const auto past = static_cast<std::uint64_t>(
        std::partition_point(first_keys.begin(), first_keys.end(), [&](std::uint64_t key) { return key < end; }) -
        first_keys.begin());
    for (std::uint64_t number = begin / shape.tile_tokens; number * shape.tile_tokens < past; ++number) {
      tile.place(kv_head, number * shape.tile_tokens);
      load_for_backward(tile, output, lse, output_gradient);
      tile.load_panels(attention.queries, attention.score_scale, tile.query_panels.data());
      tile.load_panels(output_gradient, 1.0f, tile.gradient_panels.data());
      tile.score_gradients(keys, values, page);
      const auto add = [&](const float* rows_by_keys, const float* panels, float* to) {
        const float* keys_by_rows = tile.turn(rows_by_keys);
        for (std::size_t slice = 0; slice < shape.slices; ++slice)
          multiply(keys_by_rows, tile.rows, static_cast<int>(kPage), panels + slice * tile.rows * kPage,
                   static_cast<int>(tile.rows), to + slice * kPage, columns, kernels::Accumulate::yes);
      };
      add(tile.scores.data(), tile.gradient_panels.data(), value_gradient);
      add(tile.products.data(), tile.query_panels.data(), key_gradient);
    }
    for (std::uint64_t key = begin; key < end; ++key) {
      const std::size_t at = key * shape.kv_width + kv_head * shape.dims;
      std::copy_n(value_gradient + (key - begin) * columns, shape.dims, gradients.values + at);
      std::copy_n(key_gradient + (key - begin) * columns, shape.dims, gradients.keys + at);
    }
  });
  // dQ = scale · dS · K: a tile meets every page that it sees.
  for_each_of(shape, shape.tiles, [&](std::uint32_t kv_head, std::uint64_t number, Tile& tile) {
    tile.place(kv_head, (shape.tiles - 1 - number) * shape.tile_tokens);
    load_for_backward(tile, output, lse, output_gradient);
    std::fill_n(tile.output.data(), tile.rows * columns, 0.0f);
    const std::uint64_t last = tile.first + tile.rows / shape.group - 1;
    for (std::uint64_t page = shape.first_keys(kv_head)[tile.first] / kPage; page <= last / kPage; ++page) {
      tile.score_gradients(keys, values, page);
      for (std::size_t slice = 0; slice < shape.slices; ++slice)
        multiply(tile.products.data(), kPage, static_cast<int>(tile.rows),
                 keys.value_panels_of(kv_head, page) + slice * kPage * kPage, static_cast<int>(kPage),
                 tile.output.data() + slice * kPage, columns, kernels::Accumulate::yes);
    }
    for (std::size_t row = 0; row < tile.rows; ++row) {
      const std::size_t at = shape.place(kv_head, tile.first, row);
      for (std::size_t dim = 0; dim < shape.dims; ++dim)
        gradients.queries[at + dim] = tile.output[row * columns + dim] * attention.score_scale;
    }
  });
}

}  // namespace tome
