#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace tome {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Everything off but the temperature.
SamplingOptions open_options(double temperature = 1.0) {
  SamplingOptions options;
  options.temperature = temperature;
  options.top_k = 0;
  options.top_p = 1.0;
  options.min_p = 0.0;
  return options;
}

std::map<std::int32_t, double> shares(const SamplingOptions& options, const std::vector<float>& logits,
                                      int draws = 20000) {
  Sampler sampler(options);
  std::map<std::int32_t, double> counts;
  for (int i = 0; i < draws; ++i) counts[sampler.sample(logits, {})] += 1.0 / draws;
  return counts;
}

TEST(sampler, temperature_zero_takes_the_largest_logit_and_the_lowest_id_of_equals) {
  Sampler sampler(SamplingOptions{});
  EXPECT_EQ(sampler.sample(std::vector<float>{0.1f, 3.0f, 2.9f, 3.0f}, {}), 1);
}

TEST(sampler, draws_follow_the_softmax_of_the_logits) {
  const auto counts = shares(open_options(), {std::log(0.5f), std::log(0.3f), std::log(0.2f)});
  EXPECT_NEAR(counts.at(0), 0.5, 0.015);
  EXPECT_NEAR(counts.at(1), 0.3, 0.015);
  EXPECT_NEAR(counts.at(2), 0.2, 0.015);
}

TEST(sampler, a_temperature_of_a_half_squares_the_odds) {
  const auto counts = shares(open_options(0.5), {std::log(0.6f), std::log(0.3f), std::log(0.1f)});
  EXPECT_NEAR(counts.at(0), 0.36 / 0.46, 0.015);
  EXPECT_NEAR(counts.at(1), 0.09 / 0.46, 0.015);
}

TEST(sampler, top_k_draws_from_the_k_best_only) {
  SamplingOptions options = open_options(5.0);
  options.top_k = 2;
  const auto counts = shares(options, {1.0f, 4.0f, 2.0f, 3.0f}, 2000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
}

TEST(sampler, top_p_keeps_the_shortest_list_that_holds_the_mass) {
  const std::vector<float> logits{std::log(0.15f), std::log(0.5f), std::log(0.05f), std::log(0.3f)};
  SamplingOptions options = open_options();
  options.top_p = 0.79;
  EXPECT_EQ(shares(options, logits, 2000).size(), 2u);
  options.top_p = 0.81;
  EXPECT_EQ(shares(options, logits, 2000).size(), 3u);
  options.top_p = 1e-9;
  EXPECT_EQ(shares(options, logits, 2000).size(), 1u);
}

TEST(sampler, top_p_over_a_large_flat_vocabulary_keeps_its_share) {
  SamplingOptions options = open_options();
  options.top_p = 0.5;
  const std::vector<float> logits(10000, 1.0f);
  std::int32_t largest = 0;
  Sampler sampler(options);
  for (int i = 0; i < 400; ++i) largest = std::max(largest, sampler.sample(logits, {}));
  EXPECT_LT(largest, 5001);  // lowest ids first among equals
  EXPECT_GT(largest, 4800);
}

TEST(sampler, min_p_drops_what_is_less_likely_than_a_share_of_the_best) {
  SamplingOptions options = open_options();
  options.min_p = 0.35;
  const auto counts = shares(options, {std::log(0.5f), std::log(0.2f), std::log(0.3f), std::log(0.15f)}, 2000);
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_FALSE(counts.contains(3));
}

TEST(sampler, top_p_and_min_p_are_judged_before_the_temperature) {
  SamplingOptions options = open_options(100.0);  // nearly flat afterwards
  options.min_p = 0.5;
  EXPECT_EQ(shares(options, {std::log(0.6f), std::log(0.25f), std::log(0.15f)}, 500).size(), 1u);
  options.min_p = 0.0;
  options.top_p = 0.55;
  EXPECT_EQ(shares(options, {std::log(0.6f), std::log(0.25f), std::log(0.15f)}, 500).size(), 1u);
}

TEST(sampler, the_repetition_penalty_divides_positive_and_multiplies_negative_logits_once_a_token) {
  SamplingOptions options;
  options.repetition_penalty = 2.0;
  Sampler sampler(options);
  EXPECT_EQ(sampler.sample(std::vector<float>{4.0f, 2.1f, 1.0f}, std::vector<std::int32_t>{0}), 1);        // 2.0 < 2.1
  EXPECT_EQ(sampler.sample(std::vector<float>{4.0f, 1.9f, 1.0f}, std::vector<std::int32_t>{0, 0, 0}), 0);  // once
  EXPECT_EQ(sampler.sample(std::vector<float>{-1.0f, -1.9f}, std::vector<std::int32_t>{0}), 1);  // −2.0 < −1.9
}

TEST(sampler, the_repetition_penalty_looks_back_as_far_as_its_window) {
  SamplingOptions options;
  options.repetition_penalty = 10.0;
  options.repetition_window = 2;
  const std::vector<float> logits{4.0f, 3.0f, 2.0f};
  EXPECT_EQ(Sampler(options).sample(logits, std::vector<std::int32_t>{0, 1, 2}), 0);
  options.repetition_window = -1;
  EXPECT_EQ(Sampler(options).sample(logits, std::vector<std::int32_t>{0, 1, 7, 7, 7, 7, -3}), 2);
  options.repetition_window = 0;
  EXPECT_EQ(Sampler(options).sample(logits, std::vector<std::int32_t>{0}), 0);
}

TEST(sampler, the_same_seed_draws_the_same_tokens_and_another_does_not) {
  std::vector<float> logits(1000);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 17) * 0.1f;
  const auto drawn = [&](std::uint64_t seed) {
    SamplingOptions options;
    options.temperature = 1.0;
    options.seed = seed;
    Sampler sampler(options);
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.sample(logits, tokens));
    return tokens;
  };
  EXPECT_EQ(drawn(42), drawn(42));
  EXPECT_NE(drawn(42), drawn(43));
}

TEST(sampler, nan_and_minus_infinity_never_win) {
  const std::vector<float> logits{kNan, 1.0f, -kInfinity, 0.5f, kNan};
  EXPECT_EQ(Sampler(SamplingOptions{}).sample(logits, {}), 1);
  const auto counts = shares(open_options(10.0), logits, 1000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
}

TEST(sampler, without_any_usable_logit_it_is_token_zero) {
  for (const double temperature : {0.0, 1.0}) {
    Sampler sampler(open_options(temperature));
    EXPECT_EQ(sampler.sample(std::vector<float>{kNan, kNan}, {}), 0);
    EXPECT_EQ(sampler.sample(std::vector<float>{-kInfinity, -kInfinity}, {}), 0);
  }
}

TEST(sampler, infinite_logits_share_the_draws) {
  const auto counts = shares(open_options(), {kInfinity, 1.0f, kInfinity}, 2000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts.at(0), 0.5, 0.05);
  SamplingOptions narrow;
  narrow.temperature = 1.0;
  EXPECT_EQ(shares(narrow, {kInfinity, 1.0f, kInfinity}, 200).size(), 2u);
}

TEST(sampler, options_out_of_range_are_refused_by_name) {
  const auto refused = [](void (*change)(SamplingOptions&), std::string_view name) {
    SamplingOptions options;
    change(options);
    const Status status = validate(options);
    ASSERT_FALSE(status.has_value()) << name;
    EXPECT_EQ(status.error().kind, ErrorKind::usage);
    EXPECT_NE(status.error().message.find(name), std::string::npos) << status.error().message;
  };
  refused([](SamplingOptions& o) { o.temperature = -0.1; }, "temperature -0.1");
  refused([](SamplingOptions& o) { o.temperature = std::nan(""); }, "temperature nan");
  refused([](SamplingOptions& o) { o.top_k = -1; }, "top-k -1");
  refused([](SamplingOptions& o) { o.top_p = 0.0; }, "top-p 0");
  refused([](SamplingOptions& o) { o.top_p = 1.5; }, "top-p 1.5");
  refused([](SamplingOptions& o) { o.top_p = std::nan(""); }, "top-p nan");
  refused([](SamplingOptions& o) { o.min_p = 1.1; }, "min-p 1.1");
  refused([](SamplingOptions& o) { o.repetition_penalty = 0.0; }, "repetition penalty 0");
  refused([](SamplingOptions& o) { o.repetition_window = -2; }, "repetition window -2");
  EXPECT_TRUE(validate(SamplingOptions{}).has_value());
}

TEST(log_probabilities, are_the_log_softmax_in_double_precision) {
  const std::vector<float> logits{1000.0f, 999.0f, 0.0f};
  const double log_sum = std::log1p(std::exp(-1.0));
  EXPECT_NEAR(log_probability(logits, 0), -log_sum, 1e-12);
  EXPECT_NEAR(log_probability(logits, 1), -1.0 - log_sum, 1e-12);
  EXPECT_NEAR(log_probability(logits, 2), -1000.0 - log_sum, 1e-9);
}

TEST(log_probabilities, the_best_come_first_with_ties_by_lower_id) {
  const std::vector<float> logits{1.0f, 3.0f, 2.0f, 3.0f, kNan};
  const auto best = top_log_probabilities(logits, 3);
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(best[0].token, 1);
  EXPECT_EQ(best[1].token, 3);
  EXPECT_EQ(best[2].token, 2);
  for (const auto& entry : best) EXPECT_DOUBLE_EQ(entry.log_probability, log_probability(logits, entry.token));
  const auto all = top_log_probabilities(logits, 100);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all.back().token, 4);
  double total = 0;
  for (const auto& entry : all) total += std::exp(entry.log_probability);
  EXPECT_NEAR(total, 1.0, 1e-12);
}

TEST(log_probabilities, infinities_and_nan_have_a_defined_value) {
  EXPECT_NEAR(log_probability(std::vector<float>{kInfinity, 0.0f, kInfinity}, 0), std::log(0.5), 1e-12);
  EXPECT_EQ(log_probability(std::vector<float>{kInfinity, 0.0f}, 1), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(log_probability(std::vector<float>{kNan, 0.0f}, 0), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(log_probability(std::vector<float>{kNan, -kInfinity}, 1), -std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace tome
