// Which samples a run sees: windows, packing, positions, and that a sample is a function of its number.
#include "training/sample_maker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace tome {
namespace {

/// Documents of running numbers: document d holds 1000·d + 0, 1, …
TrainingTexts numbered(const std::vector<std::size_t>& lengths, std::int32_t bos = -1) {
  TrainingTexts texts;
  texts.bos = bos;
  for (std::size_t d = 0; d < lengths.size(); ++d) {
    TrainingDocument document{"d" + std::to_string(d), {}};
    for (std::size_t i = 0; i < lengths[d]; ++i) document.tokens.push_back(static_cast<std::int32_t>(1000 * d + i));
    texts.train.push_back(std::move(document));
  }
  return texts;
}

TEST(SampleMaker, a_round_holds_every_window_once_and_targets_are_the_next_tokens) {
  const TrainingTexts texts = numbered({100, 253});
  const auto maker = SampleMaker::create(
      texts, {.kind = LongSamples::plain, .target = 25, .length = 25, .short_share = 0.0, .seed = 3});
  ASSERT_TRUE(maker) << maker.error().message;
  ASSERT_EQ(maker->windows(), 3u + 10u);
  for (std::uint64_t round = 0; round < 3; ++round) {
    std::map<std::int32_t, int> starts;
    for (std::uint64_t i = 0; i < 13; ++i) {
      const TrainingSample sample = maker->sample(round * 13 + i);
      ASSERT_EQ(sample.tokens.size(), 25u);
      EXPECT_EQ(sample.counted(), 25u);
      for (std::size_t k = 0; k < 25; ++k) {
        EXPECT_EQ(sample.tokens[k], sample.tokens[0] + static_cast<std::int32_t>(k));
        EXPECT_EQ(sample.targets[k], sample.tokens[k] + 1);
        EXPECT_EQ(sample.positions[k], k);
      }
      ++starts[sample.tokens[0]];
    }
    EXPECT_EQ(starts.size(), 13u);
  }
  EXPECT_NE(maker->sample(0).tokens, maker->sample(13).tokens);
}

TEST(SampleMaker, short_documents_lie_side_by_side_each_with_its_own_bos_and_positions) {
  const TrainingTexts texts = numbered({10, 11, 12}, 7);
  const auto maker = SampleMaker::create(
      texts, {.kind = LongSamples::plain, .target = 25, .length = 25, .short_share = 0.0, .seed = 3});
  ASSERT_TRUE(maker) << maker.error().message;
  ASSERT_EQ(maker->windows(), 2u);  // 11 + 12 tokens, then 13
  TrainingSample sample = maker->sample(0);
  if (sample.tokens.size() == 13) sample = maker->sample(1);
  ASSERT_EQ(sample.tokens.size(), 23u);
  EXPECT_EQ(sample.tokens[0], 7);
  EXPECT_EQ(sample.targets[0], 0);
  EXPECT_EQ(sample.targets[10], TrainingSample::kNoTarget);
  EXPECT_EQ(sample.tokens[11], 7);
  EXPECT_EQ(sample.targets[11], 1000);
  EXPECT_EQ(sample.positions[11], 0u);
  EXPECT_EQ(sample.document_start[10], 0u);
  EXPECT_EQ(sample.document_start[11], 11u);
  EXPECT_EQ(sample.counted(), 21u);
}

TEST(SampleMaker, skip_wise_samples_skip_for_full_layers_alone_and_short_ones_do_not) {
  const TrainingTexts texts = numbered({900, 900, 900});
  const TrainingSampleOptions options{.target = 4096, .length = 64, .skip_chunks = 2, .short_share = 0.3, .seed = 5};
  const auto maker = SampleMaker::create(texts, options);
  ASSERT_TRUE(maker);
  int plain = 0;
  for (std::uint64_t number = 0; number < 200; ++number) {
    const TrainingSample sample = maker->sample(number);
    ASSERT_EQ(sample.tokens.size(), 64u);
    EXPECT_EQ(sample.local_positions.back(), 63u);
    EXPECT_LT(sample.positions.back(), 4096u);
    plain += sample.positions.back() == 63 ? 1 : 0;
  }
  EXPECT_GT(plain, 35);
  EXPECT_LT(plain, 85);
}

TEST(SampleMaker, the_text_of_a_skip_wise_sample_skips_with_its_positions) {
  const TrainingTexts texts = numbered({50000});
  const auto maker =
      SampleMaker::create(texts, {.target = 4096, .length = 64, .skip_chunks = 3, .short_share = 0.0, .seed = 5});
  ASSERT_TRUE(maker);
  for (std::uint64_t number = 0; number < 200; ++number) {
    const TrainingSample sample = maker->sample(number);
    std::uint32_t chunk = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      if (i > 0 && sample.positions[i] != sample.positions[i - 1] + 1) chunk = static_cast<std::uint32_t>(i);
      if (sample.tokens[0] + 4096 < 50000) {
        ASSERT_EQ(static_cast<std::uint64_t>(sample.tokens[i] - sample.tokens[0]), sample.positions[i]);
      }
      EXPECT_EQ(sample.targets[i], sample.tokens[i] + 1);
      EXPECT_EQ(sample.local_start[i], chunk);
      EXPECT_EQ(sample.document_start[i], 0u);
    }
  }
}

TEST(SampleMaker, text_skips_as_far_as_its_document_reaches_and_a_bos_stays_in_front) {
  const TrainingTexts texts = numbered({900, 40}, 7777);
  const auto maker = SampleMaker::create(texts, {.target = 4096, .length = 64, .short_share = 0.0, .seed = 5});
  ASSERT_TRUE(maker);
  EXPECT_EQ(maker->longest(), 64u);
  int nearer = 0, packed = 0;
  std::vector<int> read(900);
  for (std::uint64_t number = 0; number < 200; ++number) {
    const TrainingSample sample = maker->sample(number);
    ASSERT_EQ(sample.tokens[0], 7777);
    EXPECT_EQ(sample.targets[0], sample.tokens[1]);
    packed += sample.tokens.size() == 41 ? 1 : 0;  // the short document: nothing to skip to
    if (sample.tokens.size() == 41) {
      EXPECT_EQ(sample.tokens[40], 1039);
      EXPECT_EQ(sample.targets[40], TrainingSample::kNoTarget);
      continue;
    }
    for (std::size_t i = 1; i < 64; ++i) ++read[static_cast<std::size_t>(sample.tokens[i])];
    const std::int32_t apart = sample.tokens[63] - sample.tokens[1];
    EXPECT_LE(static_cast<std::uint64_t>(apart), sample.positions[63] - sample.positions[1]);
    EXPECT_EQ(sample.targets[63], sample.tokens[63] + 1);
    nearer += static_cast<std::uint64_t>(apart) < sample.positions[63] - sample.positions[1] ? 1 : 0;
  }
  EXPECT_GT(nearer, 100);
  EXPECT_GT(packed, 5);
  // All of the document is read, its middle as well as its ends.
  for (std::size_t i = 10; i < 890; ++i) EXPECT_GT(read[i], 0) << i;
}

TEST(SampleMaker, a_sample_depends_on_its_number_and_the_seed_alone) {
  const TrainingTexts texts = numbered({900, 300, 10, 20});
  const TrainingSampleOptions options{.target = 4096, .length = 64, .seed = 5};
  TrainingSampleOptions other = options;
  other.seed = 6;
  const auto first = SampleMaker::create(texts, options), again = SampleMaker::create(texts, options),
             third = SampleMaker::create(texts, other);
  for (const std::uint64_t number : {40, 3, 17}) {
    EXPECT_EQ(first->sample(number).tokens, again->sample(number).tokens);
    EXPECT_EQ(first->sample(number).positions, again->sample(number).positions);
    EXPECT_NE(first->sample(number).positions, third->sample(number).positions);
  }
}

TEST(SampleMaker, a_text_shorter_than_a_sample_is_refused) {
  const TrainingTexts texts = numbered({1});
  const auto maker = SampleMaker::create(texts, {.kind = LongSamples::plain, .target = 25, .length = 25});
  ASSERT_FALSE(maker);
  EXPECT_EQ(maker.error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace tome
