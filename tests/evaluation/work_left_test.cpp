#include "evaluation/work_left.h"

#include <gtest/gtest.h>

namespace tome {
namespace {

/// Prompts of these lengths.
class Lengths : public SampleSource {
 public:
  explicit Lengths(std::vector<std::size_t> lengths) : lengths_(std::move(lengths)) {}
  std::size_t count() const override { return lengths_.size(); }
  Result<Sample> make(std::size_t index) const override {
    ++made;
    Sample sample;
    sample.prompt.resize(lengths_[index]);
    return sample;
  }
  mutable int made = 0;

 private:
  std::vector<std::size_t> lengths_;
};

TEST(WorkLeft, counts_tokens_and_their_squares) {
  const Lengths source({1000, 2000, 3000});
  const auto work = WorkLeft::estimate(source, 1000);
  ASSERT_TRUE(work);
  EXPECT_DOUBLE_EQ(work->from(0), 2000 + 6000 + 12000);
  EXPECT_DOUBLE_EQ(work->from(1), 6000 + 12000);
  EXPECT_DOUBLE_EQ(work->from(2), 12000);
  EXPECT_DOUBLE_EQ(work->from(3), 0);
}

TEST(WorkLeft, a_long_text_at_the_end_is_most_of_what_is_left) {
  std::vector<std::size_t> lengths(100, 1000);
  lengths.resize(200, 32000);
  const Lengths source(lengths);
  const auto work = WorkLeft::estimate(source, 30000);
  ASSERT_TRUE(work);
  EXPECT_EQ(source.made, 16);
  EXPECT_GT(work->from(100) / work->from(0), 0.9) << "half of the samples, a tenth of the work";
  for (std::size_t i = 0; i < 200; ++i) EXPECT_LT(work->from(i + 1), work->from(i));
}

TEST(WorkLeft, one_sample_and_none_are_fine) {
  EXPECT_DOUBLE_EQ(WorkLeft::estimate(Lengths({500}), 1e18)->from(0), 500);
  EXPECT_DOUBLE_EQ(WorkLeft::estimate(Lengths({}), 1e18)->from(0), 0);
}

TEST(WorkLeft, attention_turns_where_it_costs_as_much_as_the_rest) {
  ModelConfig config;
  config.tied_embeddings = true;
  config.vocabulary = 100;
  config.hidden = 10;
  config.heads = 4;
  config.head_dim = 25;
  config.local_layers = {true, false, true, false};
  EXPECT_DOUBLE_EQ(attention_turn(config, 1000 + 2'000'000), 10'000);
  config.local_layers = {true, true};
  config.tied_embeddings = false;
  EXPECT_DOUBLE_EQ(attention_turn(config, 2000 + 2'000'000), 1e18) << "windows alone: no squares";
}

}  // namespace
}  // namespace tome
