#include "runtime/calibration.h"

#include <gtest/gtest.h>

#include "runtime/calibration_text.h"
#include "runtime/document.h"

namespace tome {
namespace {

TEST(CalibrationText, the_same_seed_gives_the_same_document) {
  EXPECT_EQ(make_calibration_document(7, 8000, 10).text, make_calibration_document(7, 8000, 10).text);
  EXPECT_NE(make_calibration_document(7, 8000, 10).text, make_calibration_document(8, 8000, 10).text);
}

TEST(CalibrationText, every_question_points_at_a_whole_sentence_about_its_subject) {
  const auto document = make_calibration_document(3, 30000, 40);
  ASSERT_EQ(document.questions.size(), 40u);
  EXPECT_EQ(find_invalid_utf8(document.text), std::string::npos);
  for (const CalibrationQuestion& question : document.questions) {
    ASSERT_LE(question.end, document.text.size());
    const std::string sentence = document.text.substr(question.begin, question.end - question.begin);
    EXPECT_EQ(sentence.back(), '.') << sentence;
    EXPECT_EQ(sentence.find('{'), std::string::npos) << sentence;
    EXPECT_EQ(question.question.find('{'), std::string::npos) << question.question;
    EXPECT_EQ(question.question.back(), '?');
  }
}

TEST(CalibrationText, it_is_about_as_long_as_asked_and_about_two_thirds_are_paraphrased) {
  const auto document = make_calibration_document(5, 60000, 150);
  EXPECT_GT(document.text.size(), 40000u);
  EXPECT_LT(document.text.size(), 80000u);
  const auto paraphrased = std::count_if(document.questions.begin(), document.questions.end(),
                                         [](const CalibrationQuestion& question) { return question.paraphrased; });
  EXPECT_GT(paraphrased, 70);
  EXPECT_LT(paraphrased, 130);
}

CalibrationSample sample(std::vector<std::vector<float>> scores, std::size_t gold, bool held_out) {
  return {.scores = std::move(scores), .gold = {gold}, .held_out = held_out, .lexical_reciprocal_rank = 0.5};
}

TEST(ReciprocalRank, ties_count_as_the_worst_of_their_places) {
  EXPECT_DOUBLE_EQ(reciprocal_rank(sample({{1, 3, 2}}, 1, false), {{0, 1.0}}), 1.0);
  EXPECT_DOUBLE_EQ(reciprocal_rank(sample({{1, 3, 2}}, 0, false), {{0, 1.0}}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(reciprocal_rank(sample({{1, 1, 1}}, 0, false), {{0, 1.0}}), 1.0 / 3);
}

TEST(ChooseHeads, the_head_that_points_right_is_found_and_useless_ones_are_not_added) {
  const std::vector<HeadId> candidates{{0, 0, 1.0}, {0, 1, 1.0}, {5, 1, 1.0}};
  std::vector<CalibrationSample> samples;
  for (std::size_t index = 0; index < 8; ++index) {
    const std::size_t gold = index % 4;
    std::vector<float> right(4, 0.1f), wrong(4, 0.5f), noise{0.4f, 0.1f, 0.3f, 0.2f};
    right[gold] = 0.9f;
    wrong[gold] = 0.0f;
    samples.push_back(sample({wrong, noise, right}, gold, index >= 4));
  }
  const auto result = choose_heads(candidates, samples, 3);
  ASSERT_EQ(result.heads.heads.size(), 1u);
  EXPECT_EQ(result.heads.heads[0].layer, 5u);
  EXPECT_DOUBLE_EQ(result.held_out_reciprocal_rank, 1.0);
  EXPECT_EQ(result.ranking.front().head.layer, 5u);
  EXPECT_DOUBLE_EQ(result.lexical_reciprocal_rank, 0.5);
}

TEST(ChooseHeads, two_heads_that_each_know_half_are_kept_together) {
  const std::vector<HeadId> candidates{{1, 0, 1.0}, {2, 0, 1.0}};
  std::vector<CalibrationSample> samples;
  for (std::size_t index = 0; index < 16; ++index) {
    const std::size_t gold = index % 4;
    std::vector<float> knows(4, 0.1f), guesses{0.3f, 0.31f, 0.32f, 0.33f};
    knows[gold] = 0.9f;
    const bool first_knows = (index / 4) % 2 == 0;
    samples.push_back(first_knows ? sample({knows, guesses}, gold, index >= 8)
                                  : sample({guesses, knows}, gold, index >= 8));
  }
  const auto result = choose_heads(candidates, samples, 4);
  EXPECT_EQ(result.heads.heads.size(), 2u);
  EXPECT_GT(result.held_out_reciprocal_rank, 0.99);
}

}  // namespace
}  // namespace tome
