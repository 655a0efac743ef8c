// Every metric against values that pinned reference packages, or scripts that follow the published rule, gave. The
// difference must be exactly 0.
#include "evaluation/chinese_words.h"
#include "evaluation/choice_letter.h"
#include "evaluation/classification.h"
#include "evaluation/code_similarity.h"
#include "evaluation/counting.h"
#include "evaluation/golden_lines.h"
#include "evaluation/infinitebench_scores.h"
#include "evaluation/python_number.h"
#include "evaluation/rouge_google.h"
#include "evaluation/rouge_l.h"
#include "evaluation/ruler_scores.h"
#include "evaluation/token_f1.h"

namespace tome::testing {
namespace {

template <class Value>
void expect_exactly(const Value& found, const Json& expected, const Json& row) {
  EXPECT_EQ(found, expected.get<Value>()) << row.dump();
}

template <class Value>
void expect_exactly(const Result<Value>& found, const Json& expected, const Json& row) {
  ASSERT_TRUE(found) << found.error().message << row.dump();
  EXPECT_EQ(*found, expected.get<Value>()) << row.dump();
}

TEST(GoldenScores, english_f1_is_the_rules) {
  for (const Json& row : golden_lines("pairs.jsonl"))
    expect_exactly(english_f1(text_at(row, 0), text_at(row, 1)), row[2], row);
}

TEST(GoldenScores, chinese_character_f1_is_the_rules) {
  for (const Json& row : golden_lines("pairs.jsonl"))
    expect_exactly(chinese_character_f1(text_at(row, 0), text_at(row, 1)), row[3], row);
}

TEST(GoldenScores, rouge_l_is_that_of_the_package_rouge) {
  for (const Json& row : golden_lines("pairs.jsonl"))
    expect_exactly(rouge_l(text_at(row, 0), text_at(row, 1)), row[4], row);
}

TEST(GoldenScores, rouge_1_and_2_are_those_of_the_package_rouge_score) {
  for (const Json& row : golden_lines("pairs.jsonl")) {
    expect_exactly(rouge_n(text_at(row, 0), text_at(row, 1), 1), row[5], row);
    expect_exactly(rouge_n(text_at(row, 0), text_at(row, 1), 2), row[6], row);
  }
}

TEST(GoldenScores, rouge_l_of_whole_texts_is_that_of_the_package_rouge_score) {
  for (const Json& row : golden_lines("pairs.jsonl"))
    expect_exactly(rouge_l_whole(text_at(row, 0), text_at(row, 1)), row[7], row);
}

TEST(GoldenScores, rouge_l_sum_is_that_of_the_package_rouge_score) {
  for (const Json& row : golden_lines("pairs.jsonl"))
    expect_exactly(rouge_l_sum(text_at(row, 0), text_at(row, 1)), row[8], row);
}

TEST(GoldenScores, string_ratio_is_that_of_fuzzywuzzy_on_difflib) {
  for (const Json& row : golden_lines("pairs.jsonl"))
    expect_exactly(string_ratio(text_at(row, 0), text_at(row, 1)), row[9], row);
}

TEST(GoldenScores, indel_ratio_is_the_rules) {
  for (const Json& row : golden_lines("pairs.jsonl"))
    expect_exactly(string_ratio(text_at(row, 0), text_at(row, 1), StringRatio::indel), row[10], row);
}

TEST(GoldenScores, code_similarity_is_that_of_fuzzywuzzy_on_difflib) {
  for (const Json& row : golden_lines("code.jsonl")) {
    expect_exactly(code_similarity(text_at(row, 0), text_at(row, 1)), row[2], row);
    expect_exactly(code_similarity(text_at(row, 0), text_at(row, 1), StringRatio::indel), row[3], row);
  }
}

TEST(GoldenScores, classification_counting_retrieval_and_letters_are_the_rules) {
  std::map<std::string, int> cases;
  for (const Json& row : golden_lines("longbench.jsonl")) {
    const auto metric = row[0].get<std::string>();
    const python::Text prediction = text_at(row, 1), gold = text_at(row, 2);
    ++cases[metric];
    if (metric == "classification") {
      expect_exactly(classification_score(prediction, gold, texts_at(row, 3)), row[4], row);
    } else if (metric == "count") {
      expect_exactly(share_of_number(prediction, gold), row[4], row);
    } else if (metric == "retrieval") {
      expect_exactly(retrieval_score(prediction, gold, U"Paragraph "), row[4], row);
    } else if (metric == "retrieval_zh") {
      expect_exactly(retrieval_score(prediction, gold, U"段落"), row[4], row);
    } else {
      ASSERT_EQ(metric, "letter");
      const auto letter = choice_letter(prediction);
      EXPECT_EQ(letter ? Json(std::string(1, *letter)) : Json(), row[4]) << row.dump();
    }
  }
  for (const auto& [metric, count] : cases) EXPECT_GE(count, 300) << metric;
  EXPECT_EQ(cases.size(), 5u);
}

TEST(GoldenScores, rulers_two_scores_are_the_rules) {
  for (const Json& row : golden_lines("ruler.jsonl")) {
    expect_exactly(match_all(text_at(row, 0), texts_at(row, 1)), row[2], row);
    expect_exactly(match_part(text_at(row, 0), texts_at(row, 1)), row[3], row);
  }
}

TEST(GoldenScores, infinitebench_is_the_rules_in_both_forms) {
  std::map<std::string, int> cases;
  for (const Json& row : golden_lines("infinitebench.jsonl")) {
    const auto task = row[0].get<std::string>(), prediction = row[1].get<std::string>();
    ++cases[task];
    Gold gold;
    for (const Json& label : row[2])
      gold.answers.push_back(label.is_string()         ? label.get<std::string>()
                             : label.is_number_float() ? python::repr(label.get<double>())
                                                       : label.dump());
    expect_exactly(infinitebench_score(task, prediction, gold), row[3], row);
    expect_exactly(infinitebench_score(task, prediction, gold, {.rules = InfiniteBenchRules::last_letter}), row[4],
                   row);
  }
  for (const auto& [task, count] : cases) EXPECT_GE(count, 300) << task;
  EXPECT_EQ(cases.size(), 12u);
}

/// The segmenter in use is the process's: put back when the test ends.
class ChineseGolden : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto segmenter = load_chinese_segmenter(evaluation_golden("jieba"));
    ASSERT_TRUE(segmenter) << segmenter.error().message;
    segmenter_ = *segmenter;
    use_chinese_segmenter(segmenter_);
  }
  void TearDown() override { use_chinese_segmenter({}); }

  static std::vector<std::string> encoded(const std::vector<python::Text>& words) {
    std::vector<std::string> texts;
    for (const python::Text& word : words) texts.push_back(python::encode(word));
    return texts;
  }
  ChineseSegmenter segmenter_;
};

TEST_F(ChineseGolden, words_are_those_of_jieba_with_and_without_the_model) {
  const ChineseSegmenter without_model{segmenter_.dictionary, nullptr};
  for (const Json& row : golden_lines("chinese.jsonl")) {
    expect_exactly(encoded(segmenter_.cut(text_at(row, 0))), row[2], row);
    expect_exactly(encoded(without_model.cut(text_at(row, 0))), row[3], row);
  }
}

TEST_F(ChineseGolden, f1_over_words_is_the_rules) {
  for (const Json& row : golden_lines("chinese.jsonl"))
    expect_exactly(chinese_word_f1(text_at(row, 0), text_at(row, 1)), row[4], row);
}

TEST_F(ChineseGolden, rouge_l_over_words_is_that_of_the_package_rouge) {
  for (const Json& row : golden_lines("chinese.jsonl"))
    expect_exactly(chinese_rouge_l(text_at(row, 0), text_at(row, 1)), row[5], row);
}

TEST(GoldenPython, rounding_means_whole_numbers_and_case_are_pythons) {
  for (const Json& row : golden_lines("python.jsonl")) {
    const auto what = row[0].get<std::string>();
    if (what == "round") {
      const double value = row[1].get<double>();
      expect_exactly(python::round_decimals(value, 2), row[2], row);
      expect_exactly(python::round_decimals(value, 1), row[3], row);
      expect_exactly(python::numpy_round(value, 2), row[4], row);
    } else if (what == "mean") {
      const auto values = row[1].get<std::vector<double>>();
      expect_exactly(python::numpy_mean(values), row[2], row);
    } else if (what == "int") {
      const auto number = python::whole_number(text_at(row, 1));
      EXPECT_EQ(number ? Json(*number) : Json(), row[2]) << row.dump();
    } else {
      ASSERT_EQ(what, "case");
      const python::Text text = text_at(row, 1);
      expect_exactly(python::encode(python::lower(text)), row[2], row);
      expect_exactly(python::encode(python::upper(text)), row[3], row);
      std::vector<std::string> words;
      for (const python::Text& word : python::split(text)) words.push_back(python::encode(word));
      expect_exactly(words, row[4], row);
      expect_exactly(python::encode(python::strip(text)), row[5], row);
    }
  }
}

}  // namespace
}  // namespace tome::testing
