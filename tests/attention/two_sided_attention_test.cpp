// The patterns of encoders against what their papers' pictures say, as dense matrices of how often a key counts; and
// the tiled attention against a plain softmax over such a matrix.
#include "attention/two_sided_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "attention/bigbird.h"
#include "attention/longformer.h"
#include "base/rng.h"
#include "base/thread_pool.h"

namespace tome {
namespace {

/// counts[query][key]
using Counts = std::vector<std::vector<std::uint64_t>>;

Counts counts_of(const TwoSidedPattern& pattern, std::uint64_t length) {
  Counts counts(length, std::vector<std::uint64_t>(length, 0));
  for (std::uint64_t query = 0; query < length; ++query)
    for (std::uint64_t page = 0; page * 64 < length; ++page) {
      const std::uint64_t bits = pattern.bits(query, page);
      for (std::uint64_t k = 0; k < 64; ++k) {
        if ((bits >> k & 1) == 0) continue;
        EXPECT_LT(page * 64 + k, length) << "a key beyond the text, query " << query;
        if (page * 64 + k >= length) continue;
        const auto repeats = pattern.repeats(query);
        counts[query][page * 64 + k] = page * 64 + k < repeats.keys ? repeats.times : 1;
      }
    }
  return counts;
}

/// |i − j| ≤ reach, without global keys.
Counts longformer_oracle(std::uint64_t length, std::uint64_t reach, const std::vector<std::uint64_t>& globals) {
  Counts counts(length, std::vector<std::uint64_t>(length, 0));
  for (std::uint64_t i = 0; i < length; ++i)
    for (std::uint64_t j = 0; j < length; ++j) {
      const bool global = std::find(globals.begin(), globals.end(), j) != globals.end();
      counts[i][j] = (i > j ? i - j : j - i) <= reach && !global ? 1 : 0;
    }
  return counts;
}

/// The blocks that the reference library lays side by side for a block of queries, with a plan of zeros for the random
/// ones.
std::vector<std::uint64_t> gathered_blocks(std::uint64_t block, std::uint64_t blocks, std::uint64_t random) {
  std::vector<std::uint64_t> gathered;
  if (block == 0 || block + 1 == blocks) {
    for (std::uint64_t other = 0; other < blocks; ++other) gathered.push_back(other);
    return gathered;
  }
  if (block == 1)
    gathered = {0, 1, 2, blocks - 1};
  else if (block + 2 == blocks)
    gathered = {0, blocks - 3, blocks - 2, blocks - 1};
  else
    gathered = {0, block - 1, block, block + 1, blocks - 1};
  gathered.insert(gathered.end(), random, 0);
  return gathered;
}

Counts bigbird_oracle(std::uint64_t length, std::uint64_t block, std::uint64_t random) {
  Counts counts(length, std::vector<std::uint64_t>(length, 0));
  const std::uint64_t blocks = (length + block - 1) / block;
  for (std::uint64_t i = 0; i < length; ++i)
    for (const std::uint64_t other : gathered_blocks(i / block, blocks, random))
      for (std::uint64_t j = other * block; j < std::min(length, (other + 1) * block); ++j) ++counts[i][j];
  return counts;
}

/// The pages of every tile of queries are those in which one of them sees a key.
void expect_pages_told(const TwoSidedPattern& pattern, const Counts& counts, std::uint64_t tile) {
  const std::uint64_t length = counts.size();
  for (std::uint64_t first = 0; first < length; first += tile) {
    const std::uint64_t last = std::min(first + tile, length) - 1;
    std::set<std::uint64_t> needed;
    for (std::uint64_t i = first; i <= last; ++i)
      for (std::uint64_t j = 0; j < length; ++j)
        if (counts[i][j] != 0) needed.insert(j / 64);
    const std::vector<std::uint64_t> told = pattern.pages(first, last);
    EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
    const std::set<std::uint64_t> as_set(told.begin(), told.end());
    EXPECT_EQ(as_set.size(), told.size()) << "a page twice";
    EXPECT_TRUE(std::includes(as_set.begin(), as_set.end(), needed.begin(), needed.end()))
        << "queries " << first << " to " << last;
  }
}

TEST(LongformerWindow, sees_the_window_on_both_sides_without_the_globals) {
  const std::vector<std::vector<std::uint64_t>> some_globals = {{}, {0}, {3, 64, 65, 100}};
  for (const std::uint64_t length : {1u, 7u, 64u, 65u, 200u})
    for (const std::uint64_t reach : {1u, 4u, 32u, 63u, 64u, 300u})
      for (const auto& all : some_globals) {
        std::vector<std::uint64_t> globals;
        for (const std::uint64_t position : all)
          if (position < length) globals.push_back(position);
        const LongformerWindow window(length, reach, globals);
        const Counts expected = longformer_oracle(length, reach, globals);
        EXPECT_EQ(counts_of(window, length), expected) << length << " " << reach;
        for (const std::uint64_t tile : {1u, 16u, 64u}) expect_pages_told(window, expected, tile);
      }
}

TEST(BigBirdBlocks, see_what_the_reference_library_gathers_in_evaluation) {
  for (const std::uint64_t block : {1u, 4u, 7u, 16u, 64u, 100u})
    for (const std::uint64_t random : {0u, 1u, 3u})
      for (const std::uint64_t extra : {1u, 2u, 3u, 90u}) {
        const std::uint64_t length = (5 + 2 * random) * block + extra;  // shorter texts are read in full
        const BigBirdBlocks blocks(length, block, random);
        const Counts expected = bigbird_oracle(length, block, random);
        EXPECT_EQ(counts_of(blocks, length), expected) << length << " blocks of " << block;
        for (const std::uint64_t tile : {1u, 16u, 64u}) expect_pages_told(blocks, expected, tile);
      }
}

/// Pages that all tiles of 64 queries read.
std::uint64_t pages_read(const TwoSidedPattern& pattern, std::uint64_t length) {
  std::uint64_t total = 0;
  for (std::uint64_t first = 0; first < length; first += 64)
    total += pattern.pages(first, std::min(first + 64, length) - 1).size();
  return total;
}

TEST(TwoSidedPatterns, the_pages_read_grow_with_the_length_not_with_its_square) {
  for (const std::uint64_t length : {std::uint64_t{1} << 12, std::uint64_t{1} << 20}) {
    const std::uint64_t pages = length / 64;
    EXPECT_LE(pages_read(LongformerWindow(length, 256, {0}), length), pages * 9);
    EXPECT_LE(pages_read(BigBirdBlocks(length, 64, 3), length), pages * 5 + 2 * pages);
  }
}

std::vector<float> noise(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(rng.below(20001)) / 10000.0f - 1.0f;
  return values;
}

struct Inputs {
  std::uint32_t heads, dims;
  std::uint64_t length;
  std::vector<float> queries, keys, values;
  Inputs(std::uint32_t h, std::uint32_t d, std::uint64_t n)
      : heads(h),
        dims(d),
        length(n),
        queries(noise(n * h * d, 1)),
        keys(noise(n * h * d, 2)),
        values(noise(n * h * d, 3)) {}
};

/// Softmax in fp64 over keys that count so often.
std::vector<double> plain_attention(const Inputs& in, const Counts& counts, double scale) {
  const std::size_t width = std::size_t{in.heads} * in.dims;
  std::vector<double> output(in.length * width, 0.0);
  for (std::size_t head = 0; head < in.heads; ++head)
    for (std::size_t i = 0; i < in.length; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < in.length; ++j) {
        if (counts[i][j] == 0) continue;
        double score = 0;
        for (std::size_t k = 0; k < in.dims; ++k)
          score += double{in.queries[i * width + head * in.dims + k]} * double{in.keys[j * width + head * in.dims + k]};
        const double weight = static_cast<double>(counts[i][j]) * std::exp(score * scale);
        sum += weight;
        for (std::size_t k = 0; k < in.dims; ++k)
          output[i * width + head * in.dims + k] += weight * double{in.values[j * width + head * in.dims + k]};
      }
      for (std::size_t k = 0; k < in.dims && sum > 0; ++k) output[i * width + head * in.dims + k] /= sum;
    }
  return output;
}

void expect_attention(const Inputs& in, const TwoSidedPattern* pattern, const PackedKeys* further,
                      const Counts& counts) {
  PackedKeys packed(in.heads, in.dims);
  packed.pack(in.keys.data(), in.values.data(), in.length);
  std::vector<float> output(in.queries.size(), std::nanf(""));
  constexpr float scale = 2.0f;
  two_sided_attention({.queries = in.queries.data(),
                       .count = in.length,
                       .score_scale = scale,
                       .keys = &packed,
                       .pattern = pattern,
                       .seen_by_all = further,
                       .output = output.data()});
  const std::vector<double> expected = plain_attention(in, counts, double{scale});
  for (std::size_t i = 0; i < output.size(); ++i) ASSERT_NEAR(double{output[i]}, expected[i], 2e-5) << i;
}

TEST(TwoSidedAttention, equals_a_plain_softmax_for_each_pattern_and_head_size) {
  for (const std::uint32_t dims : {8u, 33u, 64u, 80u})
    for (const std::uint64_t length : {1u, 63u, 64u, 65u, 150u}) {
      const Inputs in(2, dims, length);
      expect_attention(in, nullptr, nullptr, Counts(length, std::vector<std::uint64_t>(length, 1)));
      const LongformerWindow window(length, 5, {});
      expect_attention(in, &window, nullptr, longformer_oracle(length, 5, {}));
      if (length < 60) continue;
      const BigBirdBlocks blocks(length, 5, 3);
      expect_attention(in, &blocks, nullptr, bigbird_oracle(length, 5, 3));
    }
}

TEST(TwoSidedAttention, global_keys_are_seen_once_by_everyone) {
  const std::uint64_t length = 130;
  const std::vector<std::uint64_t> globals{2, 3, 77, 129};
  const Inputs in(3, 16, length);
  const std::size_t width = 48;
  std::vector<float> keys, values;
  Counts counts = longformer_oracle(length, 6, globals);
  for (const std::uint64_t position : globals) {
    keys.insert(keys.end(), in.keys.begin() + static_cast<std::ptrdiff_t>(position * width),
                in.keys.begin() + static_cast<std::ptrdiff_t>((position + 1) * width));
    values.insert(values.end(), in.values.begin() + static_cast<std::ptrdiff_t>(position * width),
                  in.values.begin() + static_cast<std::ptrdiff_t>((position + 1) * width));
    for (auto& row : counts) row[position] = 1;
  }
  PackedKeys further(3, 16);
  further.pack(keys.data(), values.data(), globals.size());
  const LongformerWindow window(length, 6, globals);
  expect_attention(in, &window, &further, counts);
}

TEST(TwoSidedAttention, large_scores_do_not_overflow) {
  Inputs in(1, 16, 100);
  for (float& value : in.queries) value *= 30.0f;
  expect_attention(in, nullptr, nullptr, Counts(100, std::vector<std::uint64_t>(100, 1)));
}

TEST(TwoSidedAttention, a_query_that_sees_no_key_gets_zeros) {
  const std::vector<std::uint64_t> globals{0, 1, 2};
  const Inputs in(1, 8, 3);
  const LongformerWindow window(3, 4, globals);
  expect_attention(in, &window, nullptr, longformer_oracle(3, 4, globals));
}

TEST(TwoSidedAttention, packed_keys_take_another_text) {
  const Inputs longer(2, 8, 140), shorter(2, 8, 70);
  PackedKeys packed(2, 8);
  packed.pack(longer.keys.data(), longer.values.data(), 140);
  packed.pack(shorter.keys.data(), shorter.values.data(), 70);
  std::vector<float> again(70 * 16), fresh(70 * 16);
  PackedKeys other(2, 8);
  other.pack(shorter.keys.data(), shorter.values.data(), 70);
  for (const auto& [keys, output] : {std::pair{&packed, &again}, std::pair{&other, &fresh}})
    two_sided_attention({.queries = shorter.queries.data(), .count = 70, .keys = keys, .output = output->data()});
  EXPECT_EQ(again, fresh);
}

}  // namespace
}  // namespace tome
