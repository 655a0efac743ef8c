#include "evaluation/ruler_source.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <regex>
#include <set>

#include "evaluation/ruler_haystack.h"
#include "evaluation/ruler_tasks.h"
#include "evaluation/source_cases.h"
#include "formats/temporary_folder.h"
#include "tokenizer/packaged_models.h"

namespace tome {
namespace {

using testing::all_samples;
using testing::error_of;
using testing::FakeTokenizer;
using testing::occurrences;
using testing::options_for;
using testing::prompt_text;

constexpr std::uint64_t byte_length = 16384;  // bytes are tokens of the fake: the longest least prompt is cwe's

SampleOptions ruler_options(const Tokenizer& tokenizer, std::vector<std::string> tasks, std::uint64_t length,
                            std::uint64_t samples) {
  SampleOptions options = options_for(tokenizer);
  options.tasks = std::move(tasks);
  options.lengths = {length};
  options.samples = samples;
  return options;
}

std::vector<Sample> ruler_samples_of(const SampleOptions& options) {
  const auto source = make_ruler_source(options);
  if (!source) throw std::runtime_error(source.error().message);
  return all_samples(**source);
}

/// Between the first and the last appearance of the task's own words around the context.
std::string middle(const std::string& text) {
  const std::size_t begin = text.find("\n\n") + 2;
  return text.substr(begin, text.rfind("\n\n") - begin);
}

TEST(RulerTasks, thirteen_with_the_papers_parameters) {
  using H = RulerHaystackKind;
  using W = RulerWordKind;
  const std::map<std::string_view, std::tuple<std::uint64_t, H, W, W, std::size_t, std::size_t, std::size_t>> expected =
      {{"niah_single_1", {128, H::noise, W::words, W::numbers, 1, 1, 1}},
       {"niah_single_2", {128, H::essay, W::words, W::numbers, 1, 1, 1}},
       {"niah_single_3", {128, H::essay, W::words, W::uuids, 1, 1, 1}},
       {"niah_multikey_1", {128, H::essay, W::words, W::numbers, 4, 1, 1}},
       {"niah_multikey_2", {128, H::needles, W::words, W::numbers, 1, 1, 1}},
       {"niah_multikey_3", {128, H::needles, W::uuids, W::uuids, 1, 1, 1}},
       {"niah_multivalue", {128, H::essay, W::words, W::numbers, 1, 4, 1}},
       {"niah_multiquery", {128, H::essay, W::words, W::numbers, 4, 1, 4}},
       {"vt", {30, H::noise, W::words, W::numbers, 1, 1, 1}},
       {"cwe", {120, H::noise, W::words, W::numbers, 1, 1, 1}},
       {"fwe", {50, H::noise, W::words, W::numbers, 1, 1, 1}},
       {"qa_1", {32, H::noise, W::words, W::numbers, 1, 1, 1}},
       {"qa_2", {32, H::noise, W::words, W::numbers, 1, 1, 1}}};
  EXPECT_EQ(ruler_tasks().size(), 13u);
  for (const RulerTask& task : ruler_tasks())
    EXPECT_EQ(std::tuple(task.max_new_tokens, task.haystack, task.key_kind, task.value_kind, task.keys, task.values,
                         task.queries),
              expected.at(task.name))
        << task.name;
}

/// Tokens that one more unit of filler may take, of the packaged models' tokenizers.
std::uint64_t largest_unit(std::string_view task) {
  static const std::map<std::string_view, std::uint64_t> units = {{"niah_single_1", 32},
                                                                  {"niah_single_2", 10},
                                                                  {"niah_single_3", 10},
                                                                  {"niah_multikey_1", 10},
                                                                  {"niah_multikey_2", 36},
                                                                  {"niah_multikey_3", 110},
                                                                  {"niah_multivalue", 10},
                                                                  {"niah_multiquery", 10},
                                                                  {"vt", 32},
                                                                  {"cwe", 50},
                                                                  {"fwe", 40},
                                                                  {"qa_1", 300},
                                                                  {"qa_2", 300}};
  return units.at(task);
}

void expect_lengths_kept(const Tokenizer& tokenizer, std::uint64_t length) {
  SampleOptions options = ruler_options(tokenizer, {}, length, 3);
  for (const Sample& sample : ruler_samples_of(options)) {
    const std::uint64_t used = sample.prompt.size() + sample.max_new_tokens;
    EXPECT_LE(used, length) << sample.id;
    EXPECT_GT(used + largest_unit(sample.task), length) << sample.id;
  }
}

TEST(RulerSource, prompts_of_smollm2_are_never_above_the_length_and_within_one_unit_of_it) {
  TOME_NEED_MODEL("smollm2");
  for (const std::uint64_t length : {4096, 8192}) expect_lengths_kept(test::tokenizer_of("smollm2"), length);
}

TEST(RulerSource, prompts_of_gemma3_are_never_above_the_length_and_within_one_unit_of_it) {
  TOME_NEED_MODEL("gemma3");
  for (const std::uint64_t length : {2048, 32768}) expect_lengths_kept(test::tokenizer_of("gemma3"), length);
}

TEST(RulerSource, one_more_unit_of_noise_would_not_fit) {
  const FakeTokenizer tokenizer(testing::chat_ml);
  SampleOptions options = ruler_options(tokenizer, {"niah_single_1", "vt"}, 3000, 4);
  const test::TemporaryFolder folder;
  const std::string noise = "Some line of noise that is all its own.";
  options.prompts = folder.write("p.json", Json({{"noise", noise}}).dump());
  for (const Sample& sample : ruler_samples_of(options)) {
    const std::uint64_t used = sample.prompt.size() + sample.max_new_tokens;
    EXPECT_LE(used, 3000u);
    EXPECT_GT(used + noise.size() + 1, 3000u) << sample.id;
    const std::size_t example_lines = sample.task == "vt" ? 5 : 0;
    EXPECT_EQ(occurrences(prompt_text(tokenizer, sample), noise),
              sample.recipe["units"].get<std::size_t>() + example_lines);
  }
}

TEST(RulerSource, the_prompt_ends_with_the_beginning_of_the_answer_after_the_template) {
  const FakeTokenizer chat(testing::chat_ml), base;
  const auto in_chat = ruler_samples_of(ruler_options(chat, {"niah_single_1"}, 3000, 1));
  const auto plain = ruler_samples_of(ruler_options(base, {"niah_single_1"}, 3000, 1));
  const std::string key = in_chat[0].recipe["facts"]["keys"][0];
  EXPECT_TRUE(prompt_text(chat, in_chat[0])
                  .ends_with("<end><turn>assistant\nIn the text above the secret number of " + key + " is"));
  EXPECT_TRUE(prompt_text(base, plain[0]).ends_with("?\nIn the text above the secret number of " + key + " is"));
  EXPECT_TRUE(prompt_text(base, plain[0]).starts_with("<bos>The text"));
}

TEST(RulerSource, every_answer_of_a_needle_task_stands_in_the_prompt_exactly_once) {
  const FakeTokenizer tokenizer;
  for (const char* task : {"niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2",
                           "niah_multikey_3", "niah_multivalue", "niah_multiquery"}) {
    const std::string name = task;
    const std::size_t answers = name == "niah_multivalue" || name == "niah_multiquery" ? 4 : 1;
    for (const Sample& sample : ruler_samples_of(ruler_options(tokenizer, {name}, 8192, 20))) {
      const std::string text = prompt_text(tokenizer, sample);
      ASSERT_EQ(sample.gold.answers.size(), answers) << sample.id;
      for (const std::string& answer : sample.gold.answers) EXPECT_EQ(occurrences(text, answer), 1u) << sample.id;
      const bool uuids = name == "niah_single_3" || name == "niah_multikey_3";
      const std::regex form(uuids ? "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
                                  : "[1-9][0-9]{6}");
      EXPECT_TRUE(std::regex_match(sample.gold.answers[0], form)) << sample.gold.answers[0];
      // Keys: asked for in the question and in the answer's beginning, and once in each of their needles.
      const std::size_t needles = name == "niah_multivalue" ? 4 : 1;
      for (std::size_t key = 0; key < (name == "niah_multiquery" ? 4u : 1u); ++key)
        EXPECT_EQ(occurrences(text, sample.recipe["facts"]["keys"][key].get<std::string>() + " is "), needles)
            << sample.id;
      if (name == "niah_multikey_1") {
        EXPECT_EQ(occurrences(text, "Take note: the secret number of "), 4u);
      }
    }
  }
}

TEST(RulerSource, needles_in_essays_stand_at_sentence_starts_near_their_depths) {
  const FakeTokenizer tokenizer;
  std::set<double> depths;
  for (const Sample& sample : ruler_samples_of(ruler_options(tokenizer, {"niah_single_2"}, 16384, 40))) {
    const double depth = sample.recipe["facts"]["depths"][0];
    depths.insert(depth);
    const std::string context = middle(prompt_text(tokenizer, sample));
    const std::size_t at = context.find("Take note: the secret");
    ASSERT_NE(at, std::string::npos);
    EXPECT_NEAR(100.0 * static_cast<double>(at) / static_cast<double>(context.size()), depth, 5) << sample.id;
    const bool at_the_end = at + 80 > context.size();  // of a text whose last sentence is cut
    if (at > 0 && !at_the_end) {
      EXPECT_NE(std::string(".!?\"").find(context[at - 2]), std::string::npos) << context.substr(at - 10, 20);
    }
  }
  EXPECT_GT(depths.size(), 15u);  // of a grid of 40
}

TEST(RulerSource, needles_in_noise_stand_anywhere) {
  const FakeTokenizer tokenizer;
  std::size_t early = 0, late = 0;
  for (const Sample& sample : ruler_samples_of(ruler_options(tokenizer, {"niah_single_1"}, 8192, 60))) {
    const std::string context = middle(prompt_text(tokenizer, sample));
    const double depth = static_cast<double>(context.find("Take note")) / static_cast<double>(context.size());
    early += depth < 0.3;
    late += depth > 0.7;
  }
  EXPECT_GT(early, 6u);
  EXPECT_GT(late, 6u);
}

TEST(RulerSource, a_chain_of_four_hops_is_hidden_in_order_among_noise_after_a_solved_example) {
  const FakeTokenizer tokenizer;
  std::string shared;
  for (const Sample& sample : ruler_samples_of(ruler_options(tokenizer, {"vt"}, 6000, 10))) {
    const std::string text = prompt_text(tokenizer, sample);
    ASSERT_EQ(sample.gold.answers.size(), 5u);
    const auto& names = sample.gold.answers;
    std::string statement = "LET " + names[0] + " = " + sample.recipe["facts"]["value"].get<std::string>() + "\n";
    std::size_t at = 0;
    for (std::size_t hop = 0; hop < 5; ++hop) {
      if (hop > 0) statement = "LET " + names[hop] + " = " + names[hop - 1] + "\n";
      const std::size_t found = text.find(statement);
      ASSERT_NE(found, std::string::npos) << statement;
      EXPECT_GT(found, at);
      at = found;
      EXPECT_EQ(names[hop].size(), 5u);
      EXPECT_EQ(occurrences(text, names[hop]), hop < 4 ? 2u : 1u) << sample.id;
    }
    EXPECT_EQ(occurrences(text, "LET "), 10u);  // five of the example
    const std::string example = text.substr(0, text.find("\n\nThe text below", 20));
    if (shared.empty()) shared = example;
    EXPECT_EQ(example, shared);  // one example for all, read once
  }
}

TEST(RulerSource, ten_common_words_occur_thirty_times_and_the_others_three_times) {
  const FakeTokenizer tokenizer;
  for (const Sample& sample : ruler_samples_of(ruler_options(tokenizer, {"cwe"}, byte_length, 5))) {
    const std::string text = prompt_text(tokenizer, sample);
    ASSERT_EQ(sample.gold.answers.size(), 10u);
    for (const std::string& word : sample.gold.answers) EXPECT_EQ(occurrences(text, word), 30u) << word;
    std::map<std::string, int> counts;
    const std::string list = text.substr(text.find("Some words", 20));
    const std::regex entry("\\d+\\. ([a-z]+)");
    for (std::sregex_iterator at(list.begin(), list.end(), entry), end; at != end; ++at) ++counts[(*at)[1]];
    std::map<int, int> frequencies;
    for (const auto& [word, count] : counts) ++frequencies[count];
    EXPECT_EQ(frequencies[30], 10);
    EXPECT_EQ(frequencies[3], static_cast<int>(counts.size()) - 10);
    EXPECT_EQ(counts.size(), sample.recipe["units"].get<std::size_t>());
  }
}

TEST(RulerSource, below_4096_tokens_common_words_occur_six_times_and_the_others_once) {
  const FakeTokenizer tokenizer;
  for (const Sample& sample : ruler_samples_of(ruler_options(tokenizer, {"cwe"}, 4095, 3))) {
    const std::string text = prompt_text(tokenizer, sample);
    for (const std::string& word : sample.gold.answers) EXPECT_EQ(occurrences(text, word), 6u) << word;
  }
}

TEST(RulerSource, coded_words_occur_as_the_zeta_distribution_says) {
  const FakeTokenizer tokenizer;
  for (const Sample& sample : ruler_samples_of(ruler_options(tokenizer, {"fwe"}, byte_length, 5))) {
    const std::string text = prompt_text(tokenizer, sample);
    const double words = sample.recipe["units"].get<double>();
    ASSERT_EQ(sample.gold.answers.size(), 3u);
    EXPECT_EQ(sample.recipe["facts"]["vocabulary"], (byte_length - 50) / 50);
    for (std::size_t rank = 2; rank <= 4; ++rank) {
      const auto expected = static_cast<std::size_t>(words / static_cast<double>(rank * rank) / (M_PI * M_PI / 6));
      EXPECT_EQ(occurrences(text, sample.gold.answers[rank - 2]), expected);
    }
    EXPECT_GE(occurrences(text, "... ") + 1, static_cast<std::size_t>(words / (M_PI * M_PI / 6)));
  }
}

TEST(RulerSource, generated_questions_have_their_answer_in_one_document) {
  const FakeTokenizer tokenizer;
  for (const char* task : {"qa_1", "qa_2"}) {
    std::set<std::string> questions;
    for (const Sample& sample : ruler_samples_of(ruler_options(tokenizer, {task}, 8192, 20))) {
      const std::string text = prompt_text(tokenizer, sample);
      EXPECT_EQ(occurrences(text, sample.gold.answers.at(0)), 1u) << sample.id;
      questions.insert(text.substr(text.rfind("Question:")));
      const std::size_t documents = sample.recipe["units"].get<std::size_t>() + (task[3] == '1' ? 1 : 2);
      EXPECT_NE(text.find(fmt::format("\n\nDocument {}:\n", documents)), std::string::npos);
      EXPECT_EQ(text.find(fmt::format("Document {}:\n", documents + 1)), std::string::npos);
    }
    EXPECT_EQ(questions.size(), 20u);
  }
}

constexpr const char* squad = R"({"data": [{"title": "t", "paragraphs": [
 {"context": "Rain falls in spring.", "qas": [
   {"question": "When?", "is_impossible": false, "answers": [{"text": "spring"}, {"text": "in spring"}, {"text": "spring"}]},
   {"question": "Why?", "is_impossible": true, "answers": []}]},
 {"context": "A second paragraph of it.", "qas": []}]},
 {"title": "u", "paragraphs": [{"context": "Of another article.", "qas": []}]}]})";

TEST(RulerSource, squad_questions_are_asked_with_paragraphs_of_the_same_article_first) {
  const test::TemporaryFolder folder;
  folder.write("squad.json", squad);
  const FakeTokenizer tokenizer;
  SampleOptions options = ruler_options(tokenizer, {"qa_1"}, 1500, 10);
  options.data = {folder.path("")};
  const auto source = make_ruler_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  ASSERT_EQ((*source)->count(), 1u);  // one answerable question
  const Sample sample = *(*source)->make(0);
  EXPECT_EQ(sample.gold.answers, (std::vector<std::string>{"spring", "in spring"}));
  const std::string text = prompt_text(tokenizer, sample);
  EXPECT_EQ(occurrences(text, "Rain falls in spring."), 1u);
  EXPECT_GE(occurrences(text, "A second paragraph"), occurrences(text, "Of another article"));
  const std::string notices = fmt::format("{}", fmt::join((*source)->notices(), "\n"));
  EXPECT_NE(notices.find("squad.json has 1 questions, fewer than the 10"), std::string::npos) << notices;
}

TEST(RulerSource, hotpotqa_questions_have_their_supporting_documents_and_bad_records_are_told) {
  const test::TemporaryFolder folder;
  folder.write("hotpotqa.json", R"([{"question": "Who?", "answer": "Ann", "supporting_facts": [["X", 0], ["Y", 0]],
    "context": [["X", ["X knows Y."]], ["Y", ["Y is Ann.", " Yes."]], ["Z", ["Nothing."]]]},
    {"question": "Who?", "answer": "Ann", "supporting_facts": [], "context": []}])");
  const FakeTokenizer tokenizer;
  SampleOptions options = ruler_options(tokenizer, {"qa_2"}, 1500, 1);
  options.baselines = true;
  options.data = {folder.path("")};
  const auto source = make_ruler_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  ASSERT_EQ((*source)->count(), 3u);
  EXPECT_NE(prompt_text(tokenizer, *(*source)->make(0)).find(":\nY\nY is Ann. Yes."), std::string::npos);
  const std::string evidence = prompt_text(tokenizer, *(*source)->make(1));
  EXPECT_NE(evidence.find("Document 1:\nX\nX knows Y.\n\nDocument 2:\nY\nY is Ann. Yes.\n\n"), std::string::npos);
  EXPECT_EQ(occurrences(evidence, "Nothing."), 0u);
  EXPECT_EQ(occurrences(prompt_text(tokenizer, *(*source)->make(2)), "Document"), 0u);
  const std::string notices = fmt::format("{}", fmt::join((*source)->notices(), "\n"));
  EXPECT_NE(notices.find("hotpotqa.json:3: 'supporting_facts' names no title"), std::string::npos) << notices;
}

TEST(RulerSource, a_squad_file_with_a_wrong_field_is_refused_with_its_place) {
  const test::TemporaryFolder folder;
  std::string text = squad;
  text.replace(text.find("\"When?\""), 7, "12");
  folder.write("squad.json", text);
  const FakeTokenizer tokenizer;
  SampleOptions options = ruler_options(tokenizer, {"qa_1"}, 1500, 1);
  options.data = {folder.path("")};
  const std::string error = error_of(make_ruler_source(options));
  EXPECT_NE(error.find("squad.json: 'data[0].paragraphs[0].qas[0].question' is 12, expected a string"),
            std::string::npos)
      << error;
}

TEST(RulerSource, evidence_alone_is_the_needles_without_filler) {
  const FakeTokenizer tokenizer;
  SampleOptions options = ruler_options(tokenizer, {"niah_multikey_1", "vt", "cwe"}, byte_length, 2);
  options.baselines = true;
  std::map<std::pair<std::string, Condition>, std::size_t> counts;
  for (const Sample& sample : ruler_samples_of(options)) {
    ++counts[{sample.task, sample.condition}];
    if (sample.condition == Condition::full) continue;
    const std::string text = prompt_text(tokenizer, sample);
    for (const std::string& answer : sample.gold.answers) EXPECT_GE(occurrences(text, answer), 1u);
    if (sample.task == "niah_multikey_1") {
      EXPECT_LT(text.size(), 900u);
    }
  }
  EXPECT_EQ((counts[{"niah_multikey_1", Condition::evidence_only}]), 2u);
  EXPECT_EQ((counts[{"vt", Condition::evidence_only}]), 2u);
  EXPECT_EQ((counts[{"cwe", Condition::evidence_only}]), 0u);
  EXPECT_EQ((counts[{"cwe", Condition::full}]), 2u);
}

TEST(RulerSource, the_same_settings_make_the_same_prompts_one_by_one_in_any_order) {
  const FakeTokenizer tokenizer;
  SampleOptions options = ruler_options(tokenizer, {}, byte_length, 2);
  options.baselines = true;
  const auto one = make_ruler_source(options), two = make_ruler_source(options);
  ASSERT_TRUE(one && two);
  std::set<std::string> ids;
  for (std::size_t at = (*one)->count(); at-- > 0;) {
    const Sample a = *(*one)->make(at), b = *(*two)->make((*one)->count() - 1 - at), c = *(*two)->make(at);
    EXPECT_EQ(a.prompt, c.prompt) << a.id;
    EXPECT_EQ(a.recipe, c.recipe) << a.id;
    ids.insert(a.id);
  }
  EXPECT_EQ(ids.size(), (*one)->count());
}

TEST(RulerSource, a_recipe_names_the_sample_that_makes_its_prompt_again) {
  const FakeTokenizer tokenizer;
  const Sample sample = ruler_samples_of(ruler_options(tokenizer, {"niah_multikey_2", "fwe"}, 4096, 3)).at(4);
  SampleOptions again = ruler_options(tokenizer, {sample.task}, sample.length, sample.recipe["index"].get<int>() + 1);
  again.seed = sample.recipe["seed"];
  EXPECT_EQ(ruler_samples_of(again).back().prompt, sample.prompt);
  again.seed += 1;
  EXPECT_NE(ruler_samples_of(again).back().prompt, sample.prompt);
}

TEST(RulerSource, the_official_wording_can_be_put_in_place_of_ours) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  SampleOptions options = ruler_options(tokenizer, {"niah_single_1"}, 2000, 1);
  options.prompts = folder.write(
      "p.json",
      R"({"niah_single_1": {"template": "S {type_needle_v}: {context} Q {query}", "answer_prefix": " P {query}"},
                    "needle": "<{key}={value}>"})");
  const Sample sample = ruler_samples_of(options).at(0);
  const std::string key = sample.recipe["facts"]["keys"][0], text = prompt_text(tokenizer, sample);
  EXPECT_TRUE(text.starts_with("<bos>S number: ")) << text.substr(0, 40);
  EXPECT_TRUE(text.ends_with(" Q " + key + " P " + key));
  EXPECT_EQ(occurrences(text, "<" + key + "=" + sample.gold.answers[0] + ">"), 1u);
  EXPECT_TRUE(sample.recipe["wording"].get<std::string>().starts_with("p.json sha256"));
}

TEST(RulerSource, a_task_or_length_that_is_named_twice_is_asked_once) {
  const FakeTokenizer tokenizer;
  SampleOptions options = ruler_options(tokenizer, {"vt", "niah_single_1", "vt"}, 4096, 2);
  options.lengths = {4096, 5000, 4096};
  const auto source = make_ruler_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  EXPECT_EQ((*source)->count(), 2u * 2u * 2u);
}

TEST(RulerSource, what_stands_in_for_data_is_told_once) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  SampleOptions options = ruler_options(tokenizer, {}, byte_length, 1);
  const auto generated = make_ruler_source(options);
  ASSERT_TRUE(generated.has_value());
  EXPECT_EQ((*generated)->notices().size(), 4u);  // essays, two kinds of questions, the wording
  options.tasks = {"niah_single_2"};
  options.haystack = {folder.write("b.txt", "Second file. It ends."), folder.write("a.txt", "First\n file.")};
  const auto given = make_ruler_source(options);
  ASSERT_TRUE(given.has_value()) << error_of(given);
  EXPECT_EQ((*given)->notices().size(), 1u);
  const Sample sample = *(*given)->make(0);
  EXPECT_EQ(sample.recipe["haystack"], Json({"a.txt", "b.txt"}));
  EXPECT_GE(occurrences(prompt_text(tokenizer, sample), "First file. Second file. It ends. First file."), 1u);
}

TEST(RulerSource, lengths_and_tasks_that_make_no_sense_are_refused_with_what_is_needed) {
  const FakeTokenizer tokenizer;
  EXPECT_NE(error_of(make_ruler_source(options_for(tokenizer))).find("--lengths is missing"), std::string::npos);
  EXPECT_NE(error_of(make_ruler_source(ruler_options(tokenizer, {"niah"}, 4096, 1))).find("no task 'niah', expected"),
            std::string::npos);
  EXPECT_NE(error_of(make_ruler_source(ruler_options(tokenizer, {"vt"}, 0, 1))).find("length 0"), std::string::npos);
  for (const std::uint64_t length : {1, 100, 500}) {
    const std::string error = error_of(make_ruler_source(ruler_options(tokenizer, {"vt"}, length, 1)));
    EXPECT_NE(error.find(fmt::format("ruler vt: length {}, expected at least ", length)), std::string::npos) << error;
  }
}

TEST(RulerHaystack, words_count_as_their_tokens_and_start_again_at_the_end) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  const auto haystack = RulerHaystack::create(tokenizer, {folder.write("a", "One two.  Three\nfour! Five")}, 1000, 1);
  ASSERT_TRUE(haystack.has_value());
  EXPECT_EQ(haystack->text(0, 5), "One two. Three four! Five");
  EXPECT_EQ(haystack->text(3, 7), "four! Five One two.");
  EXPECT_EQ(haystack->tokens(2), 8u);
  EXPECT_EQ(haystack->tokens(7), 25u + 8u);
  EXPECT_EQ(haystack->sentences(2), 1u);
  EXPECT_EQ(haystack->sentences(3), 2u);
  EXPECT_EQ(haystack->sentences(5), 3u);
  EXPECT_EQ(haystack->sentence_start(0, 5), 0u);
  EXPECT_EQ(haystack->sentence_start(1, 5), 2u);
  EXPECT_EQ(haystack->sentence_start(2, 5), 4u);
  EXPECT_EQ(haystack->sentence_start(3, 5), 5u);
  EXPECT_EQ(haystack->sentence_start(3, 9), 7u);  // "Five One two." is one sentence
}

}  // namespace
}  // namespace tome
