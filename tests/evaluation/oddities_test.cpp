// What the official scorers do against expectation, each by name.
#include <gtest/gtest.h>

#include "evaluation/choice_letter.h"
#include "evaluation/classification.h"
#include "evaluation/code_similarity.h"
#include "evaluation/counting.h"
#include "evaluation/infinitebench_scores.h"
#include "evaluation/longbench_scores.h"
#include "evaluation/python_number.h"
#include "evaluation/rouge_google.h"
#include "evaluation/rouge_l.h"
#include "evaluation/ruler_scores.h"
#include "evaluation/score_report.h"
#include "evaluation/text_normal.h"
#include "evaluation/token_f1.h"

namespace tome {
namespace {

python::Text numbered_words(std::size_t count) {
  python::Text text;
  for (std::size_t i = 0; i < count; ++i) text += python::decode(fmt::format("{}w{}", i == 0 ? "" : " ", i));
  return text;
}

std::vector<std::string> normal(std::string_view text) {
  std::vector<std::string> words;
  for (const python::Text& word : normal_words(python::decode(text))) words.push_back(python::encode(word));
  return words;
}

double infinitebench(std::string_view task, std::string_view prediction, std::vector<std::string> answers,
                     InfiniteBenchRules rules = InfiniteBenchRules::cascades) {
  Gold gold;
  gold.answers = std::move(answers);
  const auto score = infinitebench_score(task, prediction, gold, {.rules = rules});
  EXPECT_TRUE(score) << score.error().message;
  return score.value_or(-1);
}

double longbench(std::string_view task, std::string_view prediction, std::vector<std::string> answers) {
  Gold gold;
  gold.answers = std::move(answers);
  const auto score = longbench_score(task, prediction, gold);
  EXPECT_TRUE(score) << score.error().message;
  return score.value_or(-1);
}

TEST(Normaliser, punctuation_goes_before_articles_so_that_a_dash_joins) {
  EXPECT_EQ(normal("the well-known A-team"), (std::vector<std::string>{"wellknown", "ateam"}));
}

TEST(Normaliser, an_article_is_a_whole_word_of_unicode) {
  EXPECT_EQ(normal("éa aé a"), (std::vector<std::string>{"éa", "aé"}));
  EXPECT_EQ(normal("a\u0301 la"), (std::vector<std::string>{"\u0301", "la"}));  // the accent is no word character
}

TEST(Normaliser, only_ascii_punctuation_is_deleted) {
  EXPECT_EQ(normal("“the” cat…"), (std::vector<std::string>{"“", "”", "cat…"}));
}

TEST(Normaliser, white_space_is_pythons) {
  EXPECT_EQ(normal("x\x1cy\u00a0z\u3000w\u200bv"), (std::vector<std::string>{"x", "y", "z", "w\u200bv"}));
}

TEST(ChineseNormaliser, the_closing_title_mark_is_deleted_and_the_opening_one_is_not) {
  EXPECT_EQ(python::encode(normal_chinese(U"《红楼梦》 ABC。")), "《红楼梦abc");
}

TEST(F1, two_empty_answers_score_0) { EXPECT_EQ(english_f1(U"", U"the"), 0.0); }

TEST(RougeL, a_piece_of_white_space_after_the_last_full_stop_is_an_empty_word) {
  // Words of "the cat sat.\n": the, cat, sat and "": precision 3/4.
  const double expected = 2.0 * ((0.75 * 1.0) / (0.75 + 1.0 + 1e-8));
  EXPECT_EQ(rouge_l(U"the cat sat.\n", U"the cat sat"), expected);
}

TEST(RougeL, equal_texts_stay_below_1) { EXPECT_EQ(rouge_l(U"x", U"x"), 2.0 * (1.0 / (2.0 + 1e-8))); }

TEST(RougeL, words_are_sets_so_that_repetition_costs_nothing) {
  EXPECT_EQ(*rouge_l(U"cat cat cat cat", U"cat"), *rouge_l(U"cat", U"cat"));
}

TEST(RougeL, a_full_stop_inside_a_number_ends_a_sentence) {
  EXPECT_EQ(*rouge_l(U"3.14", U"14 3"), *rouge_l(U"3 14", U"3 14"));
}

TEST(RougeL, an_empty_prediction_or_one_of_full_stops_scores_0) {
  EXPECT_EQ(rouge_l(U"", U"x"), 0.0);
  EXPECT_EQ(rouge_l(U"...", U"..."), 0.0);
}

TEST(RougeL, a_backtrack_beyond_pythons_recursion_limit_scores_0) {
  EXPECT_GT(*rouge_l(numbered_words(990), numbered_words(990)), 0.9);
  EXPECT_EQ(rouge_l(numbered_words(991), numbered_words(991)), 0.0);
}

TEST(ChineseRougeL, its_recursion_limit_comes_one_step_earlier) {
  EXPECT_GT(*chinese_rouge_l(numbered_words(989), numbered_words(989)), 0.9);
  EXPECT_EQ(chinese_rouge_l(numbered_words(990), numbered_words(990)), 0.0);
}

TEST(RougeLSum, a_word_is_hit_as_often_as_both_texts_have_it) {
  EXPECT_EQ(rouge_l_sum(U"cat\ncat", U"cat"), 2 * 0.5 * 1.0 / 1.5);
}

TEST(RougeGoogle, words_are_ascii_only) {
  EXPECT_EQ(rouge_l_sum(U"naïve", U"na ve"), 1.0);
  EXPECT_EQ(rouge_l_sum(U"東京", U"東京"), 0.0);
  EXPECT_EQ(rouge_n(U"\u212aelvin", U"kelvin", 1), 1.0);  // the Kelvin sign's lower case is k
}

TEST(Classification, removing_while_walking_spares_the_next_entry) {
  // "Food" is removed, whereby "drink" moves into its place and is never looked at: two are left.
  EXPECT_EQ(classification_score(U"Food and drink", U"Food and drink", {"Food", "drink", "Food and drink"}), 0.5);
  EXPECT_EQ(classification_score(U"Food and drink", U"Food and drink", {"Food", "Food and drink", "drink"}), 1.0);
}

TEST(Classification, gold_that_is_no_class_scores_0) {
  EXPECT_EQ(classification_score(U"City", U"City", {"City"}), 1.0);
  EXPECT_EQ(classification_score(U"City", U"City", {"Food"}), 0.0);
}

TEST(Counting, numbers_are_compared_as_text) {
  EXPECT_EQ(share_of_number(U"07 or 7", U"7"), 0.5);
  EXPECT_EQ(share_of_number(U"７", U"7"), 0.0);
  EXPECT_EQ(share_of_number(U"７ 7", U"7"), 0.5);  // full-width digits count as numbers
  EXPECT_EQ(share_of_number(U"12.7", U"7"), 0.5);
}

TEST(Retrieval, gold_without_a_number_is_told) {
  const auto score = retrieval_score(U"3", U"section 3", U"Paragraph ");
  ASSERT_FALSE(score);
  EXPECT_EQ(score.error().message, "answers: found 'section 3', expected 'Paragraph ' and a number");
}

TEST(CodeSimilarity, equal_strings_are_100_before_any_matching) {
  const python::Text line(300, U'x');  // autojunk would leave nothing to match
  EXPECT_EQ(string_ratio(line, line), 100);
  EXPECT_EQ(string_ratio(U"", U""), 100);
}

TEST(CodeSimilarity, popular_characters_of_200_and_more_start_no_block) {
  const python::Text gold(200, U'x'), shorter(199, U'x');
  EXPECT_EQ(matching_characters(U"yx", gold), 0u);
  EXPECT_EQ(matching_characters(U"yx", shorter), 1u);
  EXPECT_EQ(matching_characters(U"xy", gold), 1u);  // but a block is stretched over them from the range's start
}

TEST(CodeSimilarity, autojunk_looks_at_the_gold_line_only) {
  const python::Text longer(200, U'x');
  EXPECT_EQ(matching_characters(longer, U"yx"), 1u);
  EXPECT_EQ(matching_characters(U"yx", longer), 0u);
}

TEST(CodeSimilarity, halves_are_rounded_to_even) {
  EXPECT_EQ(string_ratio(U"abbbbbbbbbbbbbbb", U"a"), 12);  // 2/17 = 11.76
  // 2·1/16 = 12.5 is rounded to 12, 2·3/16 = 37.5 to 38.
  EXPECT_EQ(string_ratio(U"abbbbbbb", U"accccccc"), 12);
  EXPECT_EQ(string_ratio(U"abcddddd", U"abcfffff"), 38);
}

TEST(CodeSimilarity, an_empty_line_is_the_first_line_without_marks) {
  EXPECT_EQ(code_similarity(U"# note\n\nx = 1", U"x = 1"), 0.0);
  EXPECT_EQ(code_similarity(U"\n\nx = 1", U"x = 1"), 1.0);
  EXPECT_EQ(code_similarity(U"u = 'http://a'\nx = 1", U"x = 1"), 1.0);
}

TEST(ChoiceLetter, the_form_with_parentheses_wins_wherever_it_stands) {
  EXPECT_EQ(choice_letter(U"The correct answer is A. No: The correct answer is (B)"), 'B');
}

TEST(ChoiceLetter, any_word_that_begins_with_a_to_d_is_a_letter) {
  EXPECT_EQ(choice_letter(U"The correct answer is Because"), 'B');
  EXPECT_EQ(choice_letter(U"The **correct answer is *(C)"), 'C');
  EXPECT_EQ(choice_letter(U"(C)"), std::nullopt);
}

TEST(Ruler, a_reference_inside_a_longer_number_counts) { EXPECT_EQ(match_all(U"81239", {"123"}), 1.0); }

TEST(Ruler, an_answer_across_a_control_character_is_lost) {
  EXPECT_EQ(match_all(U"lazy\x01stone", {"lazy\x01stone"}), 0.0);  // it has become a newline
}

TEST(LongBench, only_the_first_line_counts_for_four_tasks) {
  EXPECT_EQ(longbench("triviaqa", "\n\nParis\nLondon", {"Paris"}), 1.0);
  EXPECT_LT(longbench("hotpotqa", "Paris\nLondon", {"Paris"}), 1.0);
  EXPECT_EQ(longbench("triviaqa", " \nParis", {"Paris"}), 0.0);  // a line of one space is a first line
}

TEST(LongBench, no_answer_scores_0) { EXPECT_EQ(longbench("qasper", "x", {}), 0.0); }

TEST(InfiniteBench, the_first_run_of_digits_is_compared_as_text) {
  EXPECT_EQ(infinitebench("passkey", "71432.", {"71432"}), 1.0);
  EXPECT_EQ(infinitebench("passkey", "071432", {"71432"}), 0.0);
  EXPECT_EQ(infinitebench("passkey", "1. 71432", {"71432"}), 0.0);
}

TEST(InfiniteBench, a_key_keeps_its_hyphens_and_loses_nothing_to_other_marks) {
  EXPECT_EQ(infinitebench("kv_retrieval", "{\"a\": \"b-1\"}", {"b-1"}), 1.0);
  EXPECT_EQ(infinitebench("kv_retrieval", "(b-1)", {"b-1"}), 0.0);
}

TEST(InfiniteBench, code_runs_answer_is_the_last_word_after_full_stops_are_gone) {
  EXPECT_EQ(infinitebench("code_run", "the value is -7.", {"-7"}), 1.0);
  EXPECT_EQ(infinitebench("code_run", "-7.0", {"-7"}), 0.0);
  EXPECT_EQ(infinitebench("code_run", "1_0", {"10"}), 1.0);
}

TEST(InfiniteBench, a_whole_label_does_not_accept_decimals) {
  EXPECT_EQ(infinitebench("math_find", "12.0", {"12"}), 0.0);
  EXPECT_EQ(infinitebench("math_find", "12", {"12.0"}), 1.0);
  EXPECT_EQ(infinitebench("math_find", "-12", {"-12"}), 0.0);  // the sign is not read
}

TEST(InfiniteBench, math_calc_stops_at_the_first_wrong_number) {
  EXPECT_EQ(infinitebench("math_calc", "1 2 9 4", {"1", "2", "3", "4"}), 0.5);
}

TEST(InfiniteBench, a_choice_is_its_first_letter_even_of_a_word) {
  EXPECT_EQ(infinitebench("longbook_choice_eng", "All of it, so B", {"x", "A"}), 1.0);
  EXPECT_EQ(infinitebench("longbook_choice_eng", "So BC", {"x", "B"}), 0.0);  // "BC" is a part of "ABCD"
  EXPECT_EQ(infinitebench("longbook_choice_eng", "the answer is B", {"x", "B"}), 1.0);
  EXPECT_EQ(infinitebench("longbook_choice_eng", "the answer is", {"x", "B"}), 0.0);
}

TEST(InfiniteBench, the_newer_rules_take_the_last_lone_letter_of_a_line) {
  EXPECT_EQ(infinitebench("longbook_choice_eng", "A or rather B", {"x", "B"}), 0.0);
  EXPECT_EQ(infinitebench("longbook_choice_eng", "A or rather B", {"x", "B"}, InfiniteBenchRules::last_letter), 1.0);
}

TEST(InfiniteBench, a_dialogue_name_of_two_words_is_never_right_as_published) {
  EXPECT_EQ(infinitebench("longdialogue_qa_eng", "Stamp Paid", {"STAMP PAID"}), 0.0);
  EXPECT_EQ(infinitebench("longdialogue_qa_eng", "Stamp Paid", {"STAMP PAID"}, InfiniteBenchRules::last_letter), 1.0);
}

TEST(InfiniteBench, a_choice_of_the_dataset_gets_its_letter_from_the_options) {
  const Gold gold{.answers = {"blue"}, .all_classes = {}, .options = {"red", "blue", "green", "grey"}};
  EXPECT_EQ(infinitebench_score("longbook_choice_eng", "B", gold), 1.0);
  EXPECT_EQ(chance_score(Suite::infinitebench, "longbook_choice_eng", gold), 0.25);
}

TEST(Rounding, python_and_numpy_round_differently) {
  EXPECT_EQ(python::round_decimals(2.675, 2), 2.67);
  EXPECT_EQ(python::numpy_round(2.675, 2), 2.68);
  EXPECT_EQ(python::round_decimals(0.125, 2), 0.12);
  EXPECT_EQ(python::round_decimals(0.375, 2), 0.38);
}

TEST(BenchmarkScore, each_suite_has_its_scale_and_decimals) {
  const std::vector<double> thirds = {1, 0, 0};
  EXPECT_EQ(benchmark_score(Suite::longbench, thirds), 33.33);
  EXPECT_EQ(benchmark_score(Suite::longbench_v2, thirds), 33.3);
  EXPECT_EQ(benchmark_score(Suite::ruler, thirds), 33.33);
  EXPECT_EQ(benchmark_score(Suite::infinitebench, thirds), 1.0 / 3);
}

TEST(Scorers, an_unknown_task_is_a_usage_error_that_names_the_others) {
  const auto score =
      score_prediction(Suite::ruler, "niah_single_9", "x", {.answers = {"x"}, .all_classes = {}, .options = {}});
  ASSERT_FALSE(score);
  EXPECT_EQ(score.error().kind, ErrorKind::usage);
  EXPECT_NE(score.error().message.find("niah_single_1"), std::string::npos);
}

TEST(Scorers, rulers_qa_takes_any_reference_and_the_rest_all) {
  const Gold gold{.answers = {"x", "y"}, .all_classes = {}, .options = {}};
  EXPECT_EQ(score_prediction(Suite::ruler, "qa_1", "X", gold), 1.0);
  EXPECT_EQ(score_prediction(Suite::ruler, "vt", "X", gold), 0.5);
  EXPECT_EQ(score_prediction(Suite::niah, "", "X", gold), 0.5);
}

TEST(Scorers, a_value_of_the_key_value_task_is_found_in_lower_case) {
  const Gold gold{.answers = {"AB-1"}, .all_classes = {}, .options = {}};
  EXPECT_EQ(score_prediction(Suite::kv_retrieval, "", "it is ab-1.", gold), 1.0);
}

TEST(Scorers, perplexity_has_nothing_to_score) { EXPECT_FALSE(score_prediction(Suite::perplexity, "", "x", {})); }

}  // namespace
}  // namespace tome
