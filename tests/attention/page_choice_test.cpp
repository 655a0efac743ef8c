// Attention over chosen pages (page_top_k) against its definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "attention/flash.h"
#include "base/rng.h"
#include "base/thread_pool.h"

namespace tome {
namespace {

constexpr std::size_t kDims = 32;

struct Text {
  PagedKv cache;
  PageBounds bounds;
  std::vector<float> keys, values, queries;
  std::uint64_t length;
  int tokens;
};

/// Keys are exact in bf16, so that the choice does not hang on rounding.
Text make(std::uint64_t length, int tokens, std::uint32_t heads, DType type = DType::bf16) {
  const KvLayout layout = *KvLayout::create(type, 1, kDims);
  Text text{PagedKv(layout, 0), PageBounds(layout), {}, {}, {}, length, tokens};
  Rng rng(length);
  const auto value = [&] {
    const double normal = std::sqrt(-2.0 * std::log(1.0 - rng.uniform())) * std::cos(6.283185307179586 * rng.uniform());
    return bf16_to_f32(f32_to_bf16(static_cast<float>(normal)));
  };
  text.keys.resize(length * kDims);
  text.values.resize(length * kDims);
  text.queries.resize(static_cast<std::size_t>(tokens) * heads * kDims);
  for (float& v : text.keys) v = value();
  for (float& v : text.values) v = value();
  for (float& v : text.queries) v = value();
  for (std::uint64_t done = 0; done < length;) {  // in uneven chunks
    const std::uint64_t end = std::min(length, done + 100);
    text.cache.reserve(end);
    for (; done < end; ++done)
      text.cache.write(done, 0, text.keys.data() + done * kDims, text.values.data() + done * kDims);
    text.cache.commit(end);
    text.bounds.update(text.cache);
  }
  return text;
}

std::vector<float> attend(const Text& text, std::uint32_t heads, std::uint64_t top_pages,
                          AttentionPrecision precision = AttentionPrecision::fp32) {
  AttentionRequest request;
  request.shape = {heads, 1, kDims, 1.0f / std::sqrt(static_cast<float>(kDims))};
  request.keys = &text.cache;
  request.queries = text.queries.data();
  request.query_stride = heads * kDims;
  request.first_position = text.length - static_cast<std::uint64_t>(text.tokens);
  request.tokens = text.tokens;
  request.bounds = &text.bounds;
  request.top_pages = top_pages;
  request.precision = precision;
  std::vector<float> output(text.queries.size(), NAN), lse(static_cast<std::size_t>(text.tokens) * heads, NAN);
  AttentionScratch scratch;
  flash_attention(request, {output.data(), lse.data()}, scratch);
  return output;
}

/// The pages of one query by the definition: the first, its own, the one before, and the best bounds.
std::vector<std::uint64_t> defined_pages(const Text& text, std::uint64_t top_pages) {
  const std::uint64_t own = (text.length - 1) / 64;
  std::vector<std::pair<double, std::uint64_t>> middle;
  for (std::uint64_t page = 1; page + 1 < own; ++page) {
    double bound = 0;
    for (std::size_t dim = 0; dim < kDims; ++dim) {
      double largest = -INFINITY, smallest = INFINITY;
      for (std::uint64_t key = page * 64; key < page * 64 + 64; ++key) {
        largest = std::max(largest, static_cast<double>(text.keys[key * kDims + dim]));
        smallest = std::min(smallest, static_cast<double>(text.keys[key * kDims + dim]));
      }
      const auto query = static_cast<double>(text.queries[dim]);
      bound += std::max(query * largest, query * smallest);
    }
    middle.emplace_back(-bound, page);
  }
  std::sort(middle.begin(), middle.end());
  EXPECT_GT(middle[top_pages].first - middle[top_pages - 1].first, 1e-3) << "too close to call: take another seed";
  std::vector<std::uint64_t> pages{0, own - 1, own};
  for (std::size_t i = 0; i < top_pages; ++i) pages.push_back(middle[i].second);
  return pages;
}

TEST(PageChoice, one_query_reads_the_first_page_the_last_ones_and_the_best_bounds) {
  for (const std::uint64_t length : {2000u, 2048u, 2049u, 9000u}) {
    const Text text = make(length, 1, 1);
    for (const std::uint64_t top : {1u, 5u}) {
      const std::vector<float> got = attend(text, 1, top);
      std::vector<double> want(kDims, 0.0);
      double total = 0;
      for (const std::uint64_t page : defined_pages(text, top))
        for (std::uint64_t key = page * 64; key < std::min(length, page * 64 + 64); ++key) {
          double score = 0;
          for (std::size_t dim = 0; dim < kDims; ++dim)
            score += static_cast<double>(text.queries[dim]) * static_cast<double>(text.keys[key * kDims + dim]);
          const double weight = std::exp(score / std::sqrt(static_cast<double>(kDims)));
          total += weight;
          for (std::size_t dim = 0; dim < kDims; ++dim)
            want[dim] += weight * static_cast<double>(text.values[key * kDims + dim]);
        }
      for (std::size_t dim = 0; dim < kDims; ++dim)
        ASSERT_NEAR(got[dim], want[dim] / total, 1e-4) << length << " tokens, top " << top;
    }
  }
}

TEST(PageChoice, all_pages_are_exact_attention_to_the_bit) {
  for (const int tokens : {1, 70, 300})
    for (const AttentionPrecision precision : {AttentionPrecision::fp32, AttentionPrecision::bf16}) {
      const Text text = make(3000, tokens, 4);
      EXPECT_EQ(attend(text, 4, 1000, precision), attend(text, 4, 0, precision)) << tokens;
    }
}

TEST(PageChoice, a_page_that_a_query_needs_is_found_by_a_tile_of_many) {
  Text text = make(8000, 90, 4);
  // Token 50, head 2 looks for key 3333, far above everything else.
  float* query = text.queries.data() + (50 * 4 + 2) * kDims;
  for (std::size_t dim = 0; dim < kDims; ++dim) query[dim] = dim % 2 == 0 ? 8.0f : -8.0f;
  std::vector<float> key(query, query + kDims), value(kDims, 7.0f);
  text.cache.write(3333, 0, key.data(), value.data());
  text.bounds.rewind(0);
  text.bounds.update(text.cache);
  for (const AttentionPrecision precision : {AttentionPrecision::fp32, AttentionPrecision::bf16}) {
    const std::vector<float> got = attend(text, 4, 3, precision);
    for (std::size_t dim = 0; dim < kDims; ++dim) ASSERT_NEAR(got[(50 * 4 + 2) * kDims + dim], 7.0f, 1e-2);
  }
}

TEST(PageChoice, is_bitwise_the_same_for_any_thread_count_and_type_of_keys) {
  for (const DType type : {DType::bf16, DType::q8_0}) {
    const Text text = make(6000, 90, 4, type);
    set_thread_count(1);
    const std::vector<float> one = attend(text, 4, 4, AttentionPrecision::bf16);
    set_thread_count(3);
    EXPECT_EQ(one, attend(text, 4, 4, AttentionPrecision::bf16));
    set_thread_count(0);
  }
}

TEST(PageChoice, bounds_forget_what_is_rewound) {
  Text text = make(640, 1, 1);
  EXPECT_EQ(text.bounds.panels().length(), 10u);
  text.bounds.rewind(639);
  EXPECT_EQ(text.bounds.panels().length(), 9u);
  std::vector<float> key(kDims, 100.0f), value(kDims, 1.0f);
  text.cache.write(639, 0, key.data(), value.data());
  text.bounds.update(text.cache);
  std::vector<float> rows(64 * 2 * kDims);
  read_keys(text.bounds.panels().layout(), text.bounds.panels().page(0), 0, rows.data());
  EXPECT_EQ(rows[9 * 2 * kDims], 100.0f);
  EXPECT_LE(rows[9 * 2 * kDims + kDims], 2.0f);
}

}  // namespace
}  // namespace tome
