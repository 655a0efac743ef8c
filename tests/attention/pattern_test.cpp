// Patterns against their definitions, written out key by key; and the kernels against a dense masked oracle.
#include "attention/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "attention/flash.h"
#include "base/rng.h"
#include "base/thread_pool.h"

namespace tome {
namespace {

bool sees(const AttentionPattern& pattern, std::uint64_t query, std::uint64_t key) {
  return (pattern.bits(query, key / 64) >> (key % 64) & 1) != 0;
}

std::shared_ptr<const AttentionPattern> made(const std::string& text, std::uint64_t n) {
  const auto options = parse_pattern(text);
  EXPECT_TRUE(options) << options.error().message;
  return AttentionPattern::create(*options, n);
}

/// By the definition, one key at a time.
template <class Rule>
void expect_rule(const std::string& text, std::uint64_t n, std::uint64_t end, const Rule& rule) {
  const auto pattern = made(text, n);
  for (std::uint64_t query = 0; query < end; query += query < 300 ? 1 : 37)
    for (std::uint64_t key = 0; key < end; ++key)
      ASSERT_EQ(sees(*pattern, query, key), key <= query && rule(query, key))
          << text << " query " << query << " key " << key;
}

TEST(Pattern, windows_and_sinks_are_what_they_say) {
  expect_rule("window:100", 700, 800, [](auto q, auto k) { return q - k < 100; });
  expect_rule("streaming:sinks=5,window=70", 700, 800, [](auto q, auto k) { return k < 5 || q - k < 70; });
}

TEST(Pattern, longformer_has_tokens_that_see_and_are_seen_everywhere) {
  const auto global = [](std::uint64_t position) { return position < 700 && position % 100 == 0; };
  expect_rule("longformer:window=50,globals=7", 700, 800,
              [&](auto q, auto k) { return global(q) || global(k) || q - k < 50; });
}

TEST(Pattern, window_v3_overlaps_by_256_and_counts_the_first_64_keys_and_even_globals) {
  const std::uint64_t n = 2500;  // √n = 50: stride 2 · 50 → 128
  const auto global = [](std::uint64_t position) { return position < 2500 && position % 50 == 0; };
  expect_rule("window_v3:c=2", n, 2600, [&](auto q, auto k) {
    const std::uint64_t start = q / 128 * 128;
    return k < 64 || global(q) || global(k) || k + 256 >= start;
  });
}

TEST(Pattern, bigbird_sees_its_window_the_first_block_and_as_many_random_blocks_as_asked) {
  const std::uint64_t n = 6400;  // 100 blocks
  const auto pattern = made("bigbird:window=3,random=4,seed=7", n), other = made("bigbird:window=3,random=4,seed=8", n);
  int different = 0;
  for (const std::uint64_t block : {2, 3, 5, 40, 98}) {
    std::set<std::uint64_t> seen, seen_by_other;
    for (std::uint64_t page = 0; page <= block; ++page) {
      const std::uint64_t bits = pattern->bits(block * 64 + 63, page);
      ASSERT_TRUE(bits == 0 || bits == ~std::uint64_t{0});
      ASSERT_EQ(bits, pattern->bits(block * 64 + 63, page));
      if (bits != 0) seen.insert(page);
      if (other->bits(block * 64 + 63, page) != 0) seen_by_other.insert(page);
    }
    EXPECT_EQ(seen.size(), std::min<std::uint64_t>(block + 1, 3 + 1 + 4)) << block;
    EXPECT_TRUE(seen.contains(0) && seen.contains(block) && seen.contains(block - 1) && seen.contains(block - 2));
    different += seen != seen_by_other ? 1 : 0;
  }
  EXPECT_GT(different, 0);
  for (std::uint64_t page = 0; page < 99; ++page)
    EXPECT_EQ(pattern->bits(6390, page), ~std::uint64_t{0});  // last block
}

constexpr const char* kPatterns[] = {
    "window:90",     "streaming:sinks=70,window=33",     "duo:sinks=70,window=33",   "longformer:window=40,globals=9",
    "window_v3:c=1", "bigbird:window=2,random=2,seed=3", "bigbird:window=1,random=0"};

TEST(Pattern, may_see_is_never_false_where_a_key_is_seen) {
  for (const char* text : kPatterns) {
    const auto pattern = made(text, 1500);
    std::uint64_t hidden = 0;
    for (std::uint64_t query = 0; query < 1600; query += 48)
      for (std::uint64_t page = 0; page < 26; ++page) {
        std::uint64_t any = 0;
        for (std::uint64_t q = query; q < query + 48; ++q) any |= pattern->bits(q, page);
        if (!pattern->may_see(query, query + 47, page)) {
          ASSERT_EQ(any, 0u) << text << " query " << query << " page " << page;
          ++hidden;
        }
        for (std::uint64_t q = query; q < query + 48; ++q)
          if (pattern->bits(q, page) != 0) {
            ASSERT_LT(pattern->first_key(q), page * 64 + 64);
          }
      }
    EXPECT_GT(hidden, 100u) << text;
  }
}

TEST(Pattern, settings_are_read_told_and_refused) {
  EXPECT_EQ(describe_pattern(*parse_pattern("streaming:window=9")), "streaming:window=9,sinks=64");
  EXPECT_EQ(describe_pattern(*parse_pattern("window:128")), "window:window=128");
  EXPECT_EQ(describe_pattern(*parse_pattern("full")), "full");
  EXPECT_EQ(AttentionPattern::create(*parse_pattern("full"), 100), nullptr);
  for (const auto& [text, message] : {std::pair{"sparse", "unknown, expected one of full, window"},
                                      {"window:0", "at least 1"},
                                      {"window:x", "expected a number"},
                                      {"window:1.5", "a whole number"},
                                      {"window:globals=3", "expected window"},
                                      {"full:3", "expected no settings"},
                                      {"longformer:64,", "found ''"},
                                      {"window_v3:0", "more than 0"},
                                      {"window:1e300", "expected a number"}}) {
    const auto refused = parse_pattern(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_NE(refused.error().message.find(message), std::string::npos) << refused.error().message;
  }
}

TEST(Pattern, layers_before_a_pattern_are_read_and_refused) {
  const auto choice = parse_layer_pattern("0-4,7=window:9");
  ASSERT_TRUE(choice) << choice.error().message;
  EXPECT_EQ(choice->layers, (std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0, 4}, {7, 7}}));
  EXPECT_EQ(choice->pattern.window, 9u);
  EXPECT_TRUE(parse_layer_pattern("window:window=9")->layers.empty());
  for (const char* text : {"3-1=full", "1,=full", "-=full", "=full", "1-2-3=full", "99999999999=full", "1=sparse"})
    EXPECT_FALSE(parse_layer_pattern(text)) << text;
}

/// What is not a number counts as the worst.
void take_worst(double& worst, double got, double want) {
  const double difference = std::fabs(got - want);
  if (!(difference <= worst)) worst = difference;
}

template <std::uint32_t Dims = 32>
struct ProblemOf {
  static constexpr std::uint32_t kHeads = 4, kKvHeads = 2, kDims = Dims;
  std::uint64_t keys;
  int tokens;
  PagedKv cache;
  std::vector<float> q, k, v;

  ProblemOf(std::uint64_t key_count, int token_count, DType type = DType::f32)
      : keys(key_count), tokens(token_count), cache(*KvLayout::create(type, kKvHeads, kDims), 0) {
    Rng rng(keys);
    const auto fill = [&](std::vector<float>& to, std::size_t count) {
      to.resize(count);
      for (float& value : to) value = static_cast<float>(2 * rng.uniform() - 1);
    };
    fill(q, static_cast<std::size_t>(tokens) * kHeads * kDims);
    fill(k, keys * kKvHeads * kDims);
    fill(v, keys * kKvHeads * kDims);
    cache.reserve(keys);
    if (cache.wants_fit(keys, false)) cache.fit_to_keys(k.data(), kKvHeads * kDims, keys);
    for (std::uint64_t key = 0; key < keys; ++key)
      for (std::uint32_t head = 0; head < kKvHeads; ++head)
        cache.write(key, head, k.data() + (key * kKvHeads + head) * kDims, v.data() + (key * kKvHeads + head) * kDims);
    cache.commit(keys);
  }
  AttentionRequest request(const AttentionPattern* pattern) const {
    AttentionRequest request;
    request.shape = {kHeads, kKvHeads, kDims, 0.3f};
    request.keys = &cache;
    request.queries = q.data();
    request.query_stride = kHeads * kDims;
    request.first_position = keys - static_cast<std::uint64_t>(tokens);
    request.tokens = tokens;
    request.visible.pattern = pattern;
    request.precision = AttentionPrecision::fp32;
    return request;
  }
  std::vector<float> run(const AttentionPattern* pattern, std::vector<float>* lse_out = nullptr) const {
    std::vector<float> output(q.size(), NAN), lse(static_cast<std::size_t>(tokens) * kHeads);
    AttentionScratch scratch;
    flash_attention(request(pattern), {output.data(), lse.data()}, scratch);
    if (lse_out != nullptr) *lse_out = lse;
    return output;
  }
  /// Dense, masked, fp64.
  std::vector<double> oracle(const AttentionPattern& pattern) const {
    std::vector<double> output(q.size());
    for (int token = 0; token < tokens; ++token)
      for (std::uint32_t head = 0; head < kHeads; ++head) {
        const std::uint64_t query = keys - static_cast<std::uint64_t>(tokens) + static_cast<std::uint64_t>(token);
        const float* row = q.data() + (static_cast<std::size_t>(token) * kHeads + head) * kDims;
        double total = 0;
        double* to = output.data() + (static_cast<std::size_t>(token) * kHeads + head) * kDims;
        for (std::uint64_t key = 0; key <= query; ++key) {
          if (!sees(pattern, query, key)) continue;
          double score = 0;
          for (std::uint32_t d = 0; d < kDims; ++d)
            score += static_cast<double>(row[d]) * static_cast<double>(k[(key * kKvHeads + head / 2) * kDims + d]);
          const double weight = std::exp(score * static_cast<double>(0.3f));
          total += weight;
          for (std::uint32_t d = 0; d < kDims; ++d)
            to[d] += weight * static_cast<double>(v[(key * kKvHeads + head / 2) * kDims + d]);
        }
        for (std::uint32_t d = 0; d < kDims; ++d) to[d] /= total;
      }
    return output;
  }
};
using Problem = ProblemOf<>;

TEST(Pattern, kernels_equal_a_dense_masked_oracle) {
  for (const auto& [keys, tokens] : {std::pair<std::uint64_t, int>{1500, 1500}, {1483, 61}, {3001, 1}}) {
    const Problem problem(keys, tokens);
    for (const char* text : kPatterns) {
      const auto pattern = made(text, 1400);
      const auto got = problem.run(pattern.get());
      const auto want = problem.oracle(*pattern);
      double worst = 0;
      for (std::size_t i = 0; i < got.size(); ++i) take_worst(worst, static_cast<double>(got[i]), want[i]);
      EXPECT_LT(worst, 2e-6) << text << ", " << tokens << " of " << keys;
    }
  }
}

TEST(Pattern, without_its_globals_and_what_is_beyond_are_the_pattern) {
  for (const char* text : {"longformer:window=40,globals=150", "window_v3:c=1", "longformer:window=1,globals=1"}) {
    const auto pattern = made(text, 1500);
    const AttentionPattern* rest = pattern->without_globals();
    ASSERT_NE(rest, nullptr) << text;
    EXPECT_EQ(rest->without_globals(), nullptr);
    const std::span<const std::uint64_t> globals = pattern->globals();
    std::uint64_t beyond_count = 0;
    for (std::uint64_t query = 0; query < 1600; query += 7) {
      if (std::binary_search(globals.begin(), globals.end(), query)) continue;
      std::vector<std::uint64_t> beyond(query / 64 + 1);
      const auto [begin, end] = pattern->globals_beyond(query);
      for (std::size_t i = begin; i < end; ++i) beyond[globals[i] / 64] |= std::uint64_t{1} << (globals[i] % 64);
      beyond_count += end - begin;
      for (std::uint64_t page = 0; page <= query / 64; ++page) {
        ASSERT_EQ(rest->bits(query, page) & beyond[page], 0u) << text << " query " << query << " page " << page;
        ASSERT_EQ(rest->bits(query, page) | beyond[page], pattern->bits(query, page)) << text << " query " << query;
        if (rest->next_page(query, page) > page) {
          ASSERT_EQ(rest->bits(query, page), 0u) << text << " query " << query;
        }
      }
    }
    EXPECT_GT(beyond_count, 0u) << text;
  }
  for (const char* text : {"window:9", "bigbird", "streaming", "page_top_k", "longformer:globals=0"})
    EXPECT_EQ(made(text, 1500)->without_globals(), nullptr) << text;
}

struct ApartCase {
  DType type;
  AttentionPrecision precision;
  KeyRange range = {};
  std::uint64_t window = 0;
  double tolerance = 2e-6;
};

// Many tokens at once take the globals apart, single ones read their pages: two ways to one result.
template <std::uint32_t Dims>
void expect_apart_equals_in_pages(const ApartCase& c, const char* text, int tokens) {
  using P = ProblemOf<Dims>;
  const P problem(1483, tokens, c.type);
  const auto pattern = made(text, 1483);
  AttentionRequest request = problem.request(pattern.get());
  request.precision = c.precision;
  request.visible.range = c.range;
  request.visible.window = c.window;
  AttentionScratch scratch;
  const std::size_t width = P::kHeads * P::kDims;
  std::vector<float> got(problem.q.size(), NAN), want(got), lse(got.size() / P::kDims, NAN), want_lse(lse);
  flash_attention(request, {got.data(), lse.data()}, scratch);
  for (std::size_t token = 0; token < static_cast<std::size_t>(tokens); ++token) {
    AttentionRequest one = request;
    one.queries += token * width;
    one.first_position += token;
    one.tokens = 1;
    flash_attention(one, {want.data() + token * width, want_lse.data() + token * P::kHeads}, scratch);
  }
  double worst = 0, worst_lse = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    take_worst(worst, static_cast<double>(got[i]), static_cast<double>(want[i]));
  for (std::size_t i = 0; i < lse.size(); ++i)
    take_worst(worst_lse, static_cast<double>(lse[i]), static_cast<double>(want_lse[i]));
  EXPECT_LT(worst, c.tolerance) << text << " " << dtype_name(c.type);
  EXPECT_LT(worst_lse, c.tolerance) << text << " " << dtype_name(c.type);
}

TEST(Pattern, globals_apart_equal_globals_in_their_pages) {
  const KeyRange all, near{.kind = KeyRange::Kind::neighbours, .window = 700},
      far{.kind = KeyRange::Kind::beyond, .window = 700};
  for (const ApartCase& c :
       {ApartCase{DType::f32, AttentionPrecision::fp32}, ApartCase{DType::f32, AttentionPrecision::fp32, near},
        ApartCase{DType::f32, AttentionPrecision::fp32, far}, ApartCase{DType::f32, AttentionPrecision::fp32, all, 500},
        ApartCase{DType::bf16, AttentionPrecision::fp32},
        ApartCase{DType::bf16, AttentionPrecision::bf16, all, 0, 4e-3},
        ApartCase{DType::f16, AttentionPrecision::bf16, far, 0, 4e-3},
        ApartCase{DType::q8_0, AttentionPrecision::bf16, all, 0, 4e-3},
        ApartCase{DType::q4_0, AttentionPrecision::bf16, all, 0, 4e-3}}) {
    expect_apart_equals_in_pages<32>(c, "longformer:window=40,globals=371", 333);
    expect_apart_equals_in_pages<32>(c, "longformer:window=1290,globals=90", 100);  // few enough to split the keys
    expect_apart_equals_in_pages<32>(c, "window_v3:c=1", 333);
  }
  for (const char* text : {"longformer:window=40,globals=371", "window_v3:c=1"}) {  // several panels of values
    expect_apart_equals_in_pages<80>({DType::f32, AttentionPrecision::fp32}, text, 200);
    expect_apart_equals_in_pages<128>({DType::bf16, AttentionPrecision::bf16, all, 0, 4e-3}, text, 200);
  }
}

TEST(Pattern, before_the_first_global_there_is_nothing_to_take_apart) {
  const Problem problem(40, 40);
  const std::vector<std::uint64_t> starts{39};
  const auto pattern = AttentionPattern::create(*parse_pattern("longformer:window=9,globals=1"), 80, {}, starts);
  ASSERT_EQ(pattern->globals()[0], 39u);
  EXPECT_EQ(problem.run(pattern.get())[0], problem.run(made("window:9", 80).get())[0]);
  const auto got = problem.run(pattern.get());
  const auto want = problem.oracle(*pattern);
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) take_worst(worst, static_cast<double>(got[i]), want[i]);
  EXPECT_LT(worst, 2e-6);
}

TEST(Pattern, results_are_bitwise_the_same_for_any_thread_count) {
  for (const auto& [tokens, text] : {std::pair{333, "longformer:window=40,globals=371"},
                                     {100, "longformer:window=1290,globals=90"},
                                     {1, "streaming:sinks=70,window=1200"},
                                     {1, "window_v3:c=30"}}) {
    const Problem problem(1483, tokens, DType::bf16);
    const auto pattern = made(text, 1483);
    set_thread_count(1);
    const auto alone = problem.run(pattern.get());
    for (const int threads : {2, 5}) {
      set_thread_count(threads);
      EXPECT_EQ(problem.run(pattern.get()), alone) << text << ", " << threads << " threads";
    }
    set_thread_count(0);
  }
}

TEST(Pattern, duo_shows_all_keys_to_the_heads_that_it_names_and_streams_for_the_others) {
  for (const auto& [keys, tokens] : {std::pair<std::uint64_t, int>{900, 900}, {3001, 2}}) {
    const Problem problem(keys, tokens);
    std::vector<float> exact_lse, streaming_lse, lse;
    const auto exact = problem.run(nullptr, &exact_lse),
               streaming = problem.run(made("streaming:sinks=64,window=100", keys).get(), &streaming_lse);
    const auto duo = AttentionPattern::create(*parse_pattern("duo:sinks=64,window=100"), keys, {1});
    const auto got = problem.run(duo.get(), &lse);
    ASSERT_NE(exact, streaming);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const std::size_t head = i / Problem::kDims % Problem::kHeads;  // two query heads a KV head
      ASSERT_EQ(got[i], head < 2 ? streaming[i] : exact[i]) << "head " << head;
    }
    for (std::size_t i = 0; i < lse.size(); ++i)
      ASSERT_EQ(lse[i], i % Problem::kHeads < 2 ? streaming_lse[i] : exact_lse[i]);
    AttentionScratch scratch;  // evidence sees what the head sees
    for (const std::uint32_t head : {1u, 2u}) {
      std::vector<float> alone(lse.size(), NAN);
      attention_lse(problem.request(duo.get()), head, 0, tokens, alone.data(), scratch);
      for (std::size_t row = head; row < lse.size(); row += Problem::kHeads) ASSERT_NEAR(alone[row], lse[row], 1e-5);
    }
  }
}

TEST(Pattern, that_covers_everything_is_exact_attention_to_the_bit) {
  const Problem problem(900, 900);
  const auto exact = problem.run(nullptr);
  for (const char* text : {"window:900", "streaming:sinks=900,window=1", "duo:sinks=900,window=1",
                           "longformer:window=1,globals=900", "bigbird:window=15", "window_v3:c=30"})
    EXPECT_EQ(problem.run(made(text, 900).get()), exact) << text;
}

TEST(Pattern, globals_go_to_the_nearest_sentence_start_within_half_their_distance) {
  const auto options = parse_pattern("longformer:window=10,globals=4");
  // Even places of 400 tokens: 0, 100, 200, 300.
  const std::vector<std::uint64_t> starts{3, 96, 105, 251, 330, 390};
  const auto pattern = AttentionPattern::create(*options, 400, {}, starts);
  EXPECT_EQ(std::vector<std::uint64_t>(pattern->globals().begin(), pattern->globals().end()),
            (std::vector<std::uint64_t>{3, 96, 200, 330}))
      << "96 is nearer than 105; 251 is 51 away from 200; 330 is nearer to 300 than 251";
  for (std::uint64_t query = 331; query < 400; ++query)
    for (std::uint64_t key = 0; key <= query; ++key) {
      const bool global = key == 3 || key == 96 || key == 200 || key == 330;
      ASSERT_EQ(sees(*pattern, query, key), global || query - key < 10) << query << " " << key;
    }
  EXPECT_NE(pattern->description(), AttentionPattern::create(*options, 400)->description())
      << "snapshots of one must not serve the other";
  const auto other = AttentionPattern::create(*options, 400, {}, std::vector<std::uint64_t>{3, 96, 105, 330, 390});
  EXPECT_EQ(pattern->description(), other->description()) << "the same globals are the same pattern";
}

}  // namespace
}  // namespace tome
