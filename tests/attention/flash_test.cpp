// Exact tiled attention against a dense fp64 oracle.
#include "attention/flash.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <tuple>
#include <vector>

#include "attention/partial_merge.h"
#include "attention/pattern.h"
#include "base/cpu_features.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "cache/hadamard.h"

namespace tome {
namespace {

struct Case {
  std::uint32_t heads = 4, kv_heads = 2, head_dim = 64;
  std::uint64_t keys = 100;  ///< all of them cached, the queries are the last ones
  int tokens = 20;
  VisibleKeys visible = {};
  DType type = DType::bf16;
  AttentionPrecision precision = AttentionPrecision::bf16;
  float spread = 1.0f;
};

struct Made {
  PagedKv cache;
  std::vector<float> queries, keys, values;  // keys, values: [position][kv_heads · head_dim]
};

Made make(const Case& c) {
  Rng rng(c.keys * 31 + c.head_dim);
  const auto layout = KvLayout::create(c.type, c.kv_heads, c.head_dim);
  Made made{PagedKv(*layout, 0), {}, {}, {}};
  const auto normal = [&] {
    return static_cast<float>(std::sqrt(-2.0 * std::log(1.0 - rng.uniform())) *
                              std::cos(6.283185307179586 * rng.uniform()));
  };
  const std::size_t kv_width = c.kv_heads * c.head_dim;
  made.keys.resize(c.keys * kv_width);
  made.values.resize(c.keys * kv_width);
  made.queries.resize(static_cast<std::size_t>(c.tokens) * c.heads * c.head_dim);
  for (float& v : made.keys) v = normal();
  for (float& v : made.values) v = normal();
  for (float& v : made.queries) v = normal() * c.spread;
  made.cache.reserve(c.keys);
  if (c.type == DType::q4_0) made.cache.fit_to_keys(made.keys.data(), kv_width, c.keys / 2);
  for (std::uint64_t key = 0; key < c.keys; ++key)
    for (std::uint32_t head = 0; head < c.kv_heads; ++head)
      made.cache.write(key, head, made.keys.data() + key * kv_width + head * c.head_dim,
                       made.values.data() + key * kv_width + head * c.head_dim);
  made.cache.commit(c.keys);
  return made;
}

/// The keys and values that a q4_0 cache holds, turned back.
void read_back(Made& made) {
  const KvLayout& layout = made.cache.layout();
  const std::size_t dims = layout.head_dim, kv_width = layout.kv_heads * dims;
  std::vector<float> keys(64 * dims), values(64 * dims);
  for (std::uint64_t key = 0; key < made.cache.length(); ++key)
    for (std::uint32_t head = 0; head < layout.kv_heads; ++head) {
      read_keys(layout, made.cache.page(key / 64), head, keys.data());
      read_values(layout, made.cache.page(key / 64), head, values.data());
      float* one = keys.data() + key % 64 * dims;
      for (std::size_t dim = 0; dim < dims; ++dim) one[dim] *= made.cache.channel_scales()[head * dims + dim];
      hadamard(one, dims);
      hadamard(values.data() + key % 64 * dims, dims);
      std::copy_n(one, dims, made.keys.data() + key * kv_width + head * dims);
      std::copy_n(values.data() + key % 64 * dims, dims, made.values.data() + key * kv_width + head * dims);
    }
}

AttentionRequest request_of(const Case& c, const Made& made) {
  AttentionRequest r;
  r.shape = {c.heads, c.kv_heads, c.head_dim, 1.0f / std::sqrt(static_cast<float>(c.head_dim))};
  r.keys = &made.cache;
  r.queries = made.queries.data();
  r.query_stride = static_cast<std::size_t>(c.heads) * c.head_dim;
  r.first_position = c.keys - static_cast<std::uint64_t>(c.tokens);
  r.tokens = c.tokens;
  r.visible = c.visible;
  r.precision = c.precision;
  return r;
}

struct Answer {
  std::vector<float> output, lse;
};

Answer run(const AttentionRequest& r) {
  Answer answer;
  answer.output.assign(static_cast<std::size_t>(r.tokens) * r.shape.heads * r.shape.head_dim, NAN);  // poisoned
  answer.lse.assign(static_cast<std::size_t>(r.tokens) * r.shape.heads, NAN);
  AttentionScratch scratch;
  flash_attention(r, {answer.output.data(), answer.lse.data()}, scratch);
  return answer;
}

/// Softmax over the visible keys in fp64, one query head at a time.
void expect_oracle(const Case& c, const Made& made, const Answer& got, double tolerance) {
  const AttentionRequest r = request_of(c, made);
  const std::size_t dims = c.head_dim, kv_width = c.kv_heads * dims;
  for (int token = 0; token < c.tokens; ++token) {
    const std::uint64_t position = r.first_position + static_cast<std::uint64_t>(token);
    const KeyInterval seen = c.visible.of(position);
    for (std::uint32_t head = 0; head < c.heads; ++head) {
      const float* q = made.queries.data() + static_cast<std::size_t>(token) * c.heads * dims + head * dims;
      const std::size_t kv = head / (c.heads / c.kv_heads) * dims;
      std::vector<double> scores;
      double highest = -std::numeric_limits<double>::infinity(), total = 0;
      for (std::uint64_t key = seen.begin; key < seen.end; ++key) {
        double score = 0;
        for (std::size_t d = 0; d < dims; ++d)
          score += static_cast<double>(q[d]) * static_cast<double>(made.keys[key * kv_width + kv + d]);
        scores.push_back(score * static_cast<double>(r.shape.score_scale));
        highest = std::max(highest, scores.back());
      }
      for (double& score : scores) total += score = std::exp(score - highest);
      const std::size_t row = static_cast<std::size_t>(token) * c.heads + head;
      if (scores.empty()) {
        ASSERT_EQ(got.lse[row], -std::numeric_limits<float>::infinity());
        for (std::size_t d = 0; d < dims; ++d) ASSERT_EQ(got.output[row * dims + d], 0.0f);
        continue;
      }
      ASSERT_NEAR(got.lse[row], highest + std::log(total), tolerance * (1 + std::fabs(highest)))
          << "token " << token << " head " << head;
      for (std::size_t d = 0; d < dims; ++d) {
        double want = 0;
        for (std::size_t i = 0; i < scores.size(); ++i)
          want += scores[i] / total * static_cast<double>(made.values[(seen.begin + i) * kv_width + kv + d]);
        ASSERT_NEAR(got.output[row * dims + d], want, tolerance)
            << "token " << token << " head " << head << " dim " << d << " keys " << c.keys;
      }
    }
  }
}

/// One row in fp64, and as plain attention in bf16 gives it: inputs, scores, probabilities and output rounded to bf16.
struct RowTruth {
  std::vector<double> exact, low_precision;
};
RowTruth row_truth(const Case& c, const Made& made, int token, std::uint32_t head) {
  const AttentionRequest r = request_of(c, made);
  const std::size_t dims = c.head_dim, kv_width = c.kv_heads * dims, kv = head / (c.heads / c.kv_heads) * dims;
  const float* q = made.queries.data() + static_cast<std::size_t>(token) * c.heads * dims + head * dims;
  const KeyInterval seen = c.visible.of(r.first_position + static_cast<std::uint64_t>(token));
  const auto low = [](double v) { return static_cast<double>(bf16_to_f32(f32_to_bf16(static_cast<float>(v)))); };
  RowTruth truth{std::vector<double>(dims), std::vector<double>(dims)};
  for (const bool rounded : {false, true}) {
    const auto value = [&](double v) { return rounded ? low(v) : v; };
    std::vector<double> scores;
    double highest = -std::numeric_limits<double>::infinity(), total = 0;
    for (std::uint64_t key = seen.begin; key < seen.end; ++key) {
      double score = 0;
      for (std::size_t d = 0; d < dims; ++d)
        score += value(static_cast<double>(q[d])) * value(static_cast<double>(made.keys[key * kv_width + kv + d]));
      scores.push_back(value(score * static_cast<double>(r.shape.score_scale)));
      highest = std::max(highest, scores.back());
    }
    for (double& score : scores) total += score = std::exp(score - highest);
    for (std::size_t d = 0; d < dims; ++d) {
      double sum = 0;
      for (std::size_t i = 0; i < scores.size(); ++i)
        sum += value(scores[i] / total) * value(static_cast<double>(made.values[(seen.begin + i) * kv_width + kv + d]));
      (rounded ? truth.low_precision : truth.exact)[d] = value(sum);
    }
  }
  return truth;
}

void check(const Case& c, double tolerance) {
  const Made made = make(c);
  expect_oracle(c, made, run(request_of(c, made)), tolerance);
}

TEST(FlashAttention, equals_a_dense_fp64_oracle_at_odd_lengths_head_groups_and_dims) {
  for (const auto& [heads, kv_heads] : {std::pair{1u, 1u}, {4u, 1u}, {9u, 3u}, {6u, 6u}})
    for (const std::uint32_t dims : {8u, 16u, 64u, 80u, 128u, 256u})
      for (const auto& [keys, tokens] : {std::pair{1, 1}, {64, 64}, {65, 1}, {113, 7}, {239, 239}, {799, 3}}) {
        const Case c{.heads = heads,
                     .kv_heads = kv_heads,
                     .head_dim = dims,
                     .keys = static_cast<std::uint64_t>(keys),
                     .tokens = tokens};
        check(c, 3e-2);
        Case exact = c;
        exact.precision = AttentionPrecision::fp32;
        exact.type = DType::f32;
        check(exact, 2e-5);
      }
}

TEST(FlashAttention, equals_the_oracle_on_every_instruction_set) {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512bf16}) {
    if (isa > best_isa()) continue;
    set_isa(isa);
    check({.heads = 6, .kv_heads = 2, .head_dim = 64, .keys = 333, .tokens = 40}, 3e-2);
    check({.heads = 6,
           .kv_heads = 2,
           .head_dim = 64,
           .keys = 333,
           .tokens = 40,
           .type = DType::f32,
           .precision = AttentionPrecision::fp32},
          2e-5);
  }
  set_isa(before);
}

TEST(FlashAttention, split_keys_merge_to_the_same_answer) {
  check({.heads = 4, .kv_heads = 1, .head_dim = 64, .keys = 5000, .tokens = 1}, 1e-2);
  check({.heads = 4,
         .kv_heads = 1,
         .head_dim = 64,
         .keys = 4999,
         .tokens = 33,
         .type = DType::f32,
         .precision = AttentionPrecision::fp32},
        2e-5);
}

TEST(FlashAttention, peaked_scores_stay_exact) {
  check({.heads = 2,
         .kv_heads = 1,
         .head_dim = 64,
         .keys = 700,
         .tokens = 50,
         .type = DType::f32,
         .precision = AttentionPrecision::fp32,
         .spread = 60.0f},
        5e-4);
}

TEST(FlashAttention, windows_show_exactly_the_last_keys) {
  for (const std::uint64_t window : {1u, 63u, 64u, 65u, 200u})
    check({.heads = 4,
           .kv_heads = 2,
           .head_dim = 32,
           .keys = 500,
           .tokens = 150,
           .visible = {.window = window},
           .type = DType::f32,
           .precision = AttentionPrecision::fp32},
          2e-5);
}

TEST(FlashAttention, a_window_longer_than_the_text_equals_full_attention) {
  const Case full{.keys = 300, .tokens = 77}, windowed{.keys = 300, .tokens = 77, .visible = {.window = 5000}};
  const Made made = make(full);
  EXPECT_EQ(run(request_of(full, made)).output, run(request_of(windowed, made)).output);
}

TEST(FlashAttention, key_ranges_of_plans_with_several_parts_equal_the_oracle) {
  using Kind = KeyRange::Kind;
  for (const Kind kind : {Kind::neighbours, Kind::beyond, Kind::same_chunk, Kind::previous_chunk, Kind::earlier_chunks})
    check({.heads = 2,
           .kv_heads = 1,
           .head_dim = 16,
           .keys = 410,
           .tokens = 300,
           .visible = {.range = {.kind = kind, .window = 90, .chunk = 100}},
           .type = DType::f32,
           .precision = AttentionPrecision::fp32},
          2e-5);
}

TEST(FlashAttention, every_kv_type_is_close_to_the_oracle) {
  check({.head_dim = 64, .keys = 500, .tokens = 60, .type = DType::f16}, 3e-2);
  check({.head_dim = 64, .keys = 500, .tokens = 60, .type = DType::q8_0}, 5e-2);
  check({.head_dim = 96, .keys = 500, .tokens = 60, .type = DType::q8_0, .precision = AttentionPrecision::fp32}, 3e-2);
}

/// What all keys have in common does not use up the codes of 8 bits (without a centre a code is a third of a unit
/// here), and no query sees that it was taken away.
TEST(FlashAttention, centred_keys_of_8_bits_change_the_lse_alone) {
  for (const AttentionPrecision precision :
       {AttentionPrecision::fp32, AttentionPrecision::bf16, AttentionPrecision::int8})
    for (const int tokens : {1, 60}) {
      const Case c{.head_dim = 64, .keys = 500, .tokens = tokens, .type = DType::q8_0, .precision = precision};
      Made made = make(c);
      ASSERT_TRUE(made.cache.rewind(0));
      const std::size_t kv_width = c.kv_heads * c.head_dim;
      for (std::size_t i = 0; i < made.keys.size(); ++i)
        made.keys[i] = made.keys[i] * (i % 4 == 0 ? 4.0f : 1.0f) + (i % 2 == 0 ? 40.0f : -40.0f);
      made.cache.reserve(c.keys);
      made.cache.fit_to_keys(made.keys.data(), kv_width, 200);
      for (std::uint64_t key = 0; key < c.keys; ++key)
        for (std::uint32_t head = 0; head < c.kv_heads; ++head)
          made.cache.write(key, head, made.keys.data() + key * kv_width + head * c.head_dim,
                           made.values.data() + key * kv_width + head * c.head_dim);
      made.cache.commit(c.keys);
      const AttentionRequest request = request_of(c, made);
      Answer got = run(request);
      for (int token = 0; token < tokens; ++token)
        for (std::uint32_t head = 0; head < c.heads; ++head) {
          const std::size_t row = static_cast<std::size_t>(token) * c.heads + head;
          const float* query = made.queries.data() + row * c.head_dim;
          const float* centre = made.cache.key_centre().data() + head / (c.heads / c.kv_heads) * c.head_dim;
          got.lse[row] += request.shape.score_scale * std::inner_product(query, query + c.head_dim, centre, 0.0f);
        }
      expect_oracle(c, made, got, 5e-2);
    }
}

/// Splits begin with reference points of another's page: one that lies far above all others leaves them nothing, one
/// far below must be given up.
TEST(FlashAttention, of_one_query_does_not_depend_on_a_page_whose_scores_lie_far_from_all_others) {
  for (const DType type : {DType::bf16, DType::f16, DType::q8_0})
    for (const std::uint64_t far_page : {0u, 1u, 46u, 47u, 70u, 93u})
      for (const float key_value : {15.875f, -15.875f}) {  // a score of ± 127
        const Case c{.heads = 6, .kv_heads = 2, .head_dim = 64, .keys = 6000, .tokens = 1, .type = type};
        Made made = make(c);
        ASSERT_TRUE(made.cache.rewind(0));
        std::fill(made.queries.begin(), made.queries.end(), 1.0f);
        const std::size_t kv_width = c.kv_heads * c.head_dim;
        std::fill_n(made.keys.begin() + static_cast<std::ptrdiff_t>(far_page * 64 * kv_width), 48 * kv_width,
                    key_value);
        made.cache.reserve(c.keys);
        for (std::uint64_t key = 0; key < c.keys; ++key)
          for (std::uint32_t head = 0; head < c.kv_heads; ++head)
            made.cache.write(key, head, made.keys.data() + key * kv_width + head * c.head_dim,
                             made.values.data() + key * kv_width + head * c.head_dim);
        made.cache.commit(c.keys);
        SCOPED_TRACE(testing::Message() << dtype_name(type) << ", page " << far_page << ", " << key_value);
        expect_oracle(c, made, run(request_of(c, made)), 5e-2);
      }
}

/// A thread takes all KV heads in turn, over several pages and splits.
TEST(FlashAttention, one_query_of_several_kv_heads_is_close_to_the_oracle_for_every_kv_type) {
  const Isa before = active_isa();
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512bf16})
    for (const auto& [heads, kv_heads, dims] : {std::tuple{6u, 2u, 64u}, {3u, 3u, 64u}, {8u, 4u, 96u}})
      for (const auto& [keys, window] : {std::pair{65u, 0u}, {3000u, 0u}, {3000u, 1500u}})
        for (const auto& [type, tolerance] : {std::pair{DType::bf16, 3e-2}, {DType::f16, 3e-2}, {DType::q8_0, 5e-2}}) {
          if (isa > best_isa() || (isa == Isa::scalar && keys > 1000)) continue;
          set_isa(isa);
          check({.heads = heads,
                 .kv_heads = kv_heads,
                 .head_dim = dims,
                 .keys = keys,
                 .tokens = 1,
                 .visible = {.window = window},
                 .type = type},
                tolerance);
        }
  set_isa(before);
}

TEST(FlashAttention, products_of_8_bits_are_close_to_the_oracle) {
  if (active_isa() < Isa::avx512bf16) GTEST_SKIP() << "no instruction for products of bf16 and of 8 bits";
  for (const std::uint32_t dims : {32u, 64u, 96u, 128u, 256u})
    for (const auto& [keys, tokens] : {std::pair{1, 1}, {65, 1}, {500, 60}, {1999, 3}})
      check({.heads = 6,
             .kv_heads = 2,
             .head_dim = dims,
             .keys = static_cast<std::uint64_t>(keys),
             .tokens = tokens,
             .visible = {.window = keys == 500 ? 130u : 0u},
             .type = DType::q8_0,
             .precision = AttentionPrecision::int8},
            8e-2);
}

/// FlashAttention's own rule: no worse than twice what plain low-precision attention loses.
TEST(FlashAttention, errs_at_most_twice_as_much_as_plain_attention_on_bf16_inputs) {
  for (const auto& [keys, tokens] : {std::pair{239, 239}, {799, 3}, {203, 113}, {1025, 128}, {4224, 17}, {4223, 64}})
    for (const auto& [heads, kv_heads, dims] :
         {std::tuple{6u, 6u, 64u}, {6u, 2u, 64u}, {4u, 1u, 256u}, {8u, 2u, 128u}, {3u, 1u, 80u}, {2u, 1u, 96u}})
      for (const std::uint64_t window : {0u, 100u}) {
        const Case c{.heads = heads,
                     .kv_heads = kv_heads,
                     .head_dim = dims,
                     .keys = static_cast<std::uint64_t>(keys),
                     .tokens = tokens,
                     .visible = {.window = window}};
        const Made made = make(c);
        const AttentionRequest r = request_of(c, made);
        const Answer got = run(r);
        double error = 0, plain_error = 0;
        for (int token = 0; token < tokens; token += 5)
          for (std::uint32_t head = 0; head < heads; ++head) {
            const RowTruth truth = row_truth(c, made, token, head);
            const std::size_t at = (static_cast<std::size_t>(token) * heads + head) * dims;
            for (std::size_t d = 0; d < dims; ++d) {
              error = std::max(error, std::fabs(static_cast<double>(got.output[at + d]) - truth.exact[d]));
              plain_error = std::max(plain_error, std::fabs(truth.low_precision[d] - truth.exact[d]));
            }
          }
        EXPECT_LE(error, 2 * plain_error + 1e-5) << keys << " keys, " << tokens << " tokens, " << heads << "/"
                                                 << kv_heads << " heads of " << dims << ", window " << window;
      }
}

TEST(FlashAttention, sampled_rows_over_64k_and_256k_keys_keep_the_same_rule) {
  for (const auto& [keys, tokens] : {std::pair{65536, 200}, {262144, 2}}) {
    const Case c{.heads = 3, .kv_heads = 1, .head_dim = 64, .keys = static_cast<std::uint64_t>(keys), .tokens = tokens};
    const Made made = make(c);
    const Answer got = run(request_of(c, made));
    for (int token = tokens - 1; token >= 0; token -= 199) {
      const RowTruth truth = row_truth(c, made, token, 1);
      double error = 0, plain_error = 0;
      for (std::size_t d = 0; d < 64; ++d) {
        const auto value = static_cast<double>(got.output[(static_cast<std::size_t>(token) * 3 + 1) * 64 + d]);
        error = std::max(error, std::fabs(value - truth.exact[d]));
        plain_error = std::max(plain_error, std::fabs(truth.low_precision[d] - truth.exact[d]));
      }
      EXPECT_LE(error, 2 * plain_error) << keys << " keys, token " << token;
    }
  }
}

/// One page stands for all but one of 132,000: their keys and values are 2³¹ elements and more.
TEST(FlashAttention, reaches_keys_beyond_two_to_the_31_elements) {
  constexpr std::uint64_t pages = 132'000, special = 131'500;
  constexpr std::size_t dims = 256;
  const KvLayout layout = *KvLayout::create(DType::bf16, 1, dims);
  const auto filled = [&](float key_value, float value) {
    const auto page = std::make_shared<std::vector<std::byte>>(layout.page_bytes());
    const std::vector<float> key(dims, key_value), values(dims, value);
    for (std::uint64_t slot = 0; slot < 64; ++slot) write_kv(layout, page->data(), 0, slot, key.data(), values.data());
    return page;
  };
  const auto common = filled(0.0f, 1.0f), rare = filled(1.0f, 3.0f);
  PagedKv cache(layout, 0);
  for (std::uint64_t page = 0; page < pages; ++page) {
    const auto& bytes = page == special ? rare : common;
    cache.adopt_page(page, bytes->data(), bytes);
  }
  cache.commit(pages * 64);
  static_assert(pages * 64 * dims > std::uint64_t{1} << 31);
  const std::vector<float> query(dims, 1.0f);
  std::vector<float> output(dims, NAN);
  float lse = NAN;
  AttentionRequest request;
  request.shape = {1, 1, dims, 10.0f / dims};  // a score of 10 for the rare page, 0 elsewhere
  request.keys = &cache;
  request.queries = query.data();
  request.query_stride = dims;
  request.first_position = pages * 64 - 1;
  request.tokens = 1;
  AttentionScratch scratch;
  flash_attention(request, {output.data(), &lse}, scratch);
  const double rare_weight = std::exp(10.0), total = static_cast<double>(pages - 1) + rare_weight;
  EXPECT_NEAR(lse, std::log(64 * total), 3e-3);  // the query is rounded to bf16
  for (const float value : output) EXPECT_NEAR(value, (static_cast<double>(pages - 1) + 3 * rare_weight) / total, 5e-3);
}

/// Of a chunk whose other tokens are all global: its splits begin with reference points of a page, and only the first
/// takes the globals' keys.
TEST(FlashAttention, of_one_token_beside_global_ones_is_bitwise_the_same_for_any_thread_count) {
  const auto pattern = AttentionPattern::create(*parse_pattern("longformer:window=5000,globals=5990"), 6000);
  const auto& globals = pattern->globals();
  std::uint64_t other = 5000;
  while (std::binary_search(globals.begin(), globals.end(), other)) ++other;
  const Case c{.heads = 4,
               .kv_heads = 1,
               .head_dim = 128,
               .keys = 6000,
               .tokens = 40,
               .visible = {.pattern = pattern.get()},
               .spread = 1.2f};
  const Made made = make(c);
  AttentionRequest request = request_of(c, made);
  request.first_position = other - 20;
  for (int token = 0; token < 40; ++token)
    ASSERT_EQ(std::binary_search(globals.begin(), globals.end(), request.position(token)), token != 20)
        << other << " " << token;
  set_thread_count(1);
  const Answer alone = run(request);
  set_thread_count(4);
  for (int round = 0; round < 300; ++round) {  // until a thread begins with another split than the first
    const Answer together = run(request);
    ASSERT_EQ(together.output, alone.output) << round;
    ASSERT_EQ(together.lse, alone.lse) << round;
  }
  set_thread_count(0);
}

TEST(FlashAttention, is_bitwise_the_same_for_any_thread_count) {
  for (const int tokens : {1, 5, 130}) {
    const Case c{.heads = 9, .kv_heads = 3, .head_dim = 64, .keys = 3000, .tokens = tokens};
    const Made made = make(c);
    set_thread_count(1);
    const Answer one = run(request_of(c, made));
    for (const int threads : {2, 5}) {
      set_thread_count(threads);
      const Answer other = run(request_of(c, made));
      EXPECT_EQ(one.output, other.output) << threads;
      EXPECT_EQ(one.lse, other.lse);
    }
    set_thread_count(0);
  }
}

TEST(FlashAttention, a_query_that_sees_nothing_gives_zero_and_minus_infinity) {
  check({.heads = 2,
         .kv_heads = 1,
         .head_dim = 16,
         .keys = 50,
         .tokens = 50,
         .visible = {.range = {.kind = KeyRange::Kind::beyond, .window = 90}},
         .type = DType::f32,
         .precision = AttentionPrecision::fp32},
        1e-6);
}

TEST(FlashAttention, probabilities_of_a_head_sum_to_one_and_equal_the_softmax) {
  const Case c{.heads = 4,
               .kv_heads = 2,
               .head_dim = 32,
               .keys = 450,
               .tokens = 30,
               .type = DType::f32,
               .precision = AttentionPrecision::fp32};
  const Made made = make(c);
  const AttentionRequest r = request_of(c, made);
  const Answer answer = run(r);
  AttentionScratch scratch;
  std::vector<float> probabilities(c.keys, 0.0f);
  add_attention_probabilities(r, 3, answer.lse.data(), 4, 9, probabilities, scratch);
  double total = 0;
  for (const float p : probabilities) total += static_cast<double>(p);
  EXPECT_NEAR(total, 5.0, 1e-4);
  double want = 0;  // of key 17, by hand
  for (int token = 4; token < 9; ++token) {
    double score = 0;
    for (std::size_t d = 0; d < 32; ++d)
      score += static_cast<double>(made.queries[static_cast<std::size_t>(token) * 128 + 96 + d]) *
               static_cast<double>(made.keys[17 * 64 + 32 + d]);
    want += std::exp(score * static_cast<double>(r.shape.score_scale) -
                     static_cast<double>(answer.lse[static_cast<std::size_t>(token) * 4 + 3]));
  }
  EXPECT_NEAR(probabilities[17], want, 1e-5);
}

TEST(FlashAttention, the_lse_from_keys_alone_is_that_of_the_whole) {
  for (const std::uint64_t window : {0, 70})
    for (const bool fp32 : {false, true}) {
      Case c{.keys = 1300,
             .tokens = 250,
             .visible = {window, {}},
             .type = fp32 ? DType::f32 : DType::bf16,
             .precision = fp32 ? AttentionPrecision::fp32 : AttentionPrecision::bf16};
      const Made made = make(c);
      const AttentionRequest request = request_of(c, made);
      std::vector<float> output(made.queries.size()), lse(250 * 4), alone(250 * 4, NAN);
      AttentionScratch scratch;
      flash_attention(request, {output.data(), lse.data()}, scratch);
      attention_lse(request, 3, 7, 240, alone.data(), scratch);
      for (std::size_t row = 0; row < 250; ++row)
        for (std::size_t head = 0; head < 4; ++head) {
          const std::size_t at = row * 4 + head;
          if (head == 3 && row >= 7 && row < 240)
            EXPECT_NEAR(alone[at], lse[at], fp32 ? 1e-5 : 2e-3) << row;
          else
            EXPECT_TRUE(std::isnan(alone[at])) << row << " " << head;
        }
    }
}

TEST(PartialMerge, of_many_parts_equals_that_of_two_at_a_time) {
  const float nothing = -std::numeric_limits<float>::infinity();
  for (const std::vector<float>& lses : std::vector<std::vector<float>>{{0.3f, -2.0f, 1.7f, 1.6f},
                                                                        {nothing, 88.0f, nothing, -40.0f},
                                                                        {5.0f, nothing},
                                                                        {nothing, nothing},
                                                                        {-3.0f}}) {
    constexpr std::size_t columns = 5, stride = 7;
    std::vector<float> parts(lses.size() * stride);
    for (std::size_t i = 0; i < parts.size(); ++i)
      parts[i] = lses[i / stride] == nothing ? 0.0f : std::sin(static_cast<float>(i));
    std::vector<float> want(columns, 0.0f), spread(lses.size() * 3, NAN);
    float want_lse = nothing, lse = NAN;
    for (std::size_t part = 0; part < lses.size(); ++part) {
      merge_partial(want.data(), want_lse, parts.data() + part * stride, lses[part], columns);
      spread[part * 3] = lses[part];
    }
    merge_partials(parts.data(), lse, parts.data(), stride, spread.data(), 3, lses.size(), columns);
    if (want_lse == nothing)
      EXPECT_EQ(lse, nothing);
    else
      EXPECT_NEAR(lse, want_lse, 1e-5);
    for (std::size_t column = 0; column < columns; ++column) EXPECT_NEAR(parts[column], want[column], 1e-6) << column;
  }
  float output[1] = {1.0f}, lse = 0.0f;
  const float parts[3] = {1.0f, 2.0f, 3.0f};
  for (const std::vector<float>& lses :
       std::vector<std::vector<float>>{{NAN, nothing, 2.0f}, {nothing, nothing, NAN}}) {
    merge_partials(output, lse, parts, 1, lses.data(), 1, 3, 1);
    EXPECT_TRUE(std::isnan(lse) && std::isnan(output[0]));
  }
}

TEST(PartialMerge, an_empty_side_contributes_nothing_and_never_makes_nan) {
  const float nothing = -std::numeric_limits<float>::infinity();
  float output[2] = {0, 0}, lse = nothing;
  const float empty[2] = {0, 0}, other[2] = {3, 4};
  merge_partial(output, lse, empty, nothing, 2);
  EXPECT_EQ(lse, nothing);
  EXPECT_EQ(output[0], 0.0f);
  merge_partial(output, lse, other, 1.5f, 2);
  EXPECT_EQ(output[1], 4.0f);
  EXPECT_EQ(lse, 1.5f);
  merge_partial(output, lse, empty, nothing, 2);
  EXPECT_EQ(output[1], 4.0f);
  merge_partial(output, lse, empty, 1.5f, 2);
  EXPECT_NEAR(output[1], 2.0f, 1e-6);
  EXPECT_NEAR(lse, 1.5f + std::log(2.0f), 1e-6);
}

TEST(VisibleKeys, coverage_of_a_tile_is_none_all_or_some_as_its_rows_say) {
  using Kind = KeyRange::Kind;
  for (const Kind kind :
       {Kind::all, Kind::neighbours, Kind::beyond, Kind::same_chunk, Kind::previous_chunk, Kind::earlier_chunks})
    for (const std::uint64_t window : {0u, 37u}) {
      const VisibleKeys visible{window, {kind, 20, 32}};
      for (std::uint64_t query = 0; query < 150; query += 13)
        for (std::uint64_t page = 0; page < 3; ++page) {
          int seen = 0;
          for (std::uint64_t q = query; q < query + 13; ++q)
            for (std::uint64_t k = page * 64; k < page * 64 + 64; ++k) {
              const bool shown = k <= q && covers(visible.range, q, k) && (window == 0 || q - k < window);
              const KeyInterval interval = visible.of(q);
              ASSERT_EQ(shown, k >= interval.begin && k < interval.end) << "query " << q << " key " << k;
              ASSERT_EQ(shown, (visible.bits(q, page) >> (k % 64) & 1) != 0) << "query " << q << " key " << k;
              seen += shown ? 1 : 0;
            }
          const TileCoverage coverage = visible.coverage(query, query + 12, page);
          if (coverage == TileCoverage::none) {
            ASSERT_EQ(seen, 0);
          }
          if (coverage == TileCoverage::all) {
            ASSERT_EQ(seen, 13 * 64);
          }
        }
    }
}

TEST(FlashAttention, over_rotated_4_bit_keys_is_exact_attention_over_what_they_hold) {
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512bf16}) {
    if (isa > best_isa()) continue;
    set_isa(isa);
    for (const std::uint32_t dims : {32u, 64u, 96u, 256u})
      for (const auto& [keys, tokens] : {std::pair<std::uint64_t, int>{300, 70}, {1500, 1}, {333, 5}}) {
        Case c;
        c.head_dim = dims;
        c.keys = keys;
        c.tokens = tokens;
        c.type = DType::q4_0;
        Made made = make(c);
        const Answer got = run(request_of(c, made));
        read_back(made);
        expect_oracle(c, made, got, 2e-2);
      }
  }
  set_isa(best_isa());
}

}  // namespace
}  // namespace tome
