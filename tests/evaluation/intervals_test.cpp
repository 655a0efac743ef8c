#include "evaluation/intervals.h"

#include <gtest/gtest.h>

#include <vector>

namespace tome {
namespace {

TEST(Wilson, published_values) {
  // Newcombe 1998, table I: 81 of 263 and 15 of 148, 0 of 20, 1 of 29.
  const auto near = [](const Interval& found, double low, double high) {
    EXPECT_NEAR(found.low, low, 5e-5);
    EXPECT_NEAR(found.high, high, 5e-5);
  };
  near(wilson_interval(81, 263), 0.2553, 0.3662);
  near(wilson_interval(15, 148), 0.0624, 0.1605);
  near(wilson_interval(0, 20), 0.0, 0.1611);
  near(wilson_interval(1, 29), 0.0061, 0.1718);
}

TEST(Wilson, five_hundred_samples_at_85_percent_are_good_for_3_points) {
  const Interval interval = wilson_interval(425, 500);
  EXPECT_NEAR((interval.high - interval.low) / 2, 0.031, 0.0005);
}

TEST(Wilson, nothing_tried_says_nothing_and_ends_are_exact) {
  EXPECT_EQ(wilson_interval(0, 0).low, 0.0);
  EXPECT_EQ(wilson_interval(0, 0).high, 1.0);
  EXPECT_EQ(wilson_interval(0, 7).low, 0.0);
  EXPECT_EQ(wilson_interval(7, 7).high, 1.0);
}

TEST(Bootstrap, the_same_values_give_the_same_interval) {
  const std::vector<double> values = {0.1, 0.51, 0.2503, 0.92, 0.31, 0.4407, 0.05, 0.7};
  const Interval one = bootstrap_interval(values, {}), again = bootstrap_interval(values, {});
  EXPECT_EQ(one.low, again.low);
  EXPECT_EQ(one.high, again.high);
  EXPECT_LT(one.low, 0.41);
  EXPECT_GT(one.high, 0.41);
  EXPECT_NE(one.low, bootstrap_interval(values, {}, 2).low);
}

TEST(Bootstrap, samples_of_one_document_move_together_and_widen_the_interval) {
  std::vector<double> values;
  std::vector<std::string> clusters;
  for (int i = 0; i < 40; ++i) {
    values.push_back(i < 20 ? 0.25 : 0.75);
    clusters.push_back(i / 10 == 0 ? "a" : i / 10 == 1 ? "b" : i / 10 == 2 ? "c" : "d");
  }
  const Interval together = bootstrap_interval(values, clusters), apart = bootstrap_interval(values, {});
  EXPECT_GT(together.high - together.low, 1.5 * (apart.high - apart.low));
  EXPECT_EQ(together.low, 0.25);  // all four draws from one half: 1 in 16 on each side
}

TEST(Bootstrap, it_covers_the_normal_interval_of_many_values) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back((i % 100) / 100.0);
  const Interval interval = bootstrap_interval(values, {});
  const double half = 1.96 * 0.28866 / 31.623;  // deviation of 0.00 … 0.99 over √1000
  EXPECT_NEAR(interval.low, 0.495 - half, 0.002);
  EXPECT_NEAR(interval.high, 0.495 + half, 0.002);
}

TEST(Bootstrap, one_document_alone_leaves_everything_open) {
  const Interval interval = bootstrap_interval(std::vector<double>{0.5, 1.5}, std::vector<std::string>{"a", "a"});
  EXPECT_EQ(interval.low, 0.0);
  EXPECT_EQ(interval.high, 1.5);
}

TEST(MeanInterval, right_and_wrong_answers_take_wilson_over_what_their_documents_are_worth) {
  const std::vector<double> values = {1, 0, 1, 1};
  EXPECT_EQ(mean_interval(values, {}).low, wilson_interval(3, 4).low);
  const std::vector<std::string> own = {"a", "b", "c", "d"}, shared = {"a", "a", "b", "b"};
  EXPECT_EQ(mean_interval(values, own).low, wilson_interval(3, 4).low);
  EXPECT_EQ(mean_interval(values, shared).low, wilson_interval(3, 4).low);  // answers of a document differ: ρ = 0
  const std::vector<double> alike = {1, 1, 0, 0}, right = {1, 1, 1, 1};
  EXPECT_NEAR(mean_interval(alike, shared).low, wilson_interval(1, 2).low, 1e-12);  // ρ = 1
  EXPECT_NEAR(mean_interval(right, shared).low, wilson_interval(2, 2).low, 1e-12);  // nothing is known of ρ
  const std::vector<double> shares = {0.5, 0, 1, 1};
  EXPECT_EQ(mean_interval(shares, {}).low, bootstrap_interval(shares, {}).low);
}

}  // namespace
}  // namespace tome
