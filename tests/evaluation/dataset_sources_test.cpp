#include "evaluation/dataset_sources.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "evaluation/source_cases.h"
#include "formats/temporary_folder.h"

namespace tome {
namespace {

using testing::all_samples;
using testing::error_of;
using testing::FakeTokenizer;
using testing::occurrences;
using testing::options_for;
using testing::prompt_text;

std::string longbench_line(const std::string& id, const std::string& context, int length = 10) {
  return Json({{"input", "Why?"},
               {"context", context},
               {"answers", {"because", "so"}},
               {"length", length},
               {"dataset", "x"},
               {"language", "en"},
               {"all_classes", nullptr},
               {"_id", id}})
             .dump() +
         "\n";
}

TEST(LongBenchSource, tasks_have_the_published_numbers_of_new_tokens_and_rules) {
  const test::TemporaryFolder folder;
  const std::map<std::string, std::tuple<std::uint64_t, bool>> expected = {{"narrativeqa", {128, false}},
                                                                           {"qasper", {128, false}},
                                                                           {"multifieldqa_en", {64, false}},
                                                                           {"multifieldqa_zh", {64, false}},
                                                                           {"hotpotqa", {32, false}},
                                                                           {"2wikimqa", {32, false}},
                                                                           {"musique", {32, false}},
                                                                           {"dureader", {128, false}},
                                                                           {"gov_report", {512, false}},
                                                                           {"qmsum", {512, false}},
                                                                           {"multi_news", {512, false}},
                                                                           {"vcsum", {512, false}},
                                                                           {"trec", {64, true}},
                                                                           {"triviaqa", {32, true}},
                                                                           {"samsum", {128, true}},
                                                                           {"lsht", {64, true}},
                                                                           {"passage_count", {32, false}},
                                                                           {"passage_retrieval_en", {32, false}},
                                                                           {"passage_retrieval_zh", {32, false}},
                                                                           {"lcc", {64, false}},
                                                                           {"repobench-p", {64, false}}};
  const std::set<std::string> plain = {"trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"};
  for (const auto& [task, facts] : expected) folder.write(task + ".jsonl", longbench_line("1", "A text."));
  const FakeTokenizer tokenizer(testing::chat_ml);
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  const auto source = make_longbench_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  ASSERT_EQ((*source)->count(), expected.size());
  for (const Sample& sample : all_samples(**source)) {
    const auto& [new_tokens, first_line] = expected.at(sample.task);
    EXPECT_EQ(sample.max_new_tokens, new_tokens) << sample.task;
    EXPECT_EQ(sample.first_line_only, first_line) << sample.task;
    const std::string text = prompt_text(tokenizer, sample);
    EXPECT_EQ(text.find("<turn>user") == std::string::npos, plain.contains(sample.task)) << sample.task;
    EXPECT_EQ(occurrences(text, "A text."), 1u);
    EXPECT_EQ(sample.gold.answers, (std::vector<std::string>{"because", "so"}));
  }
}

TEST(LongBenchSource, e_files_are_read_when_asked_for_and_tell_their_bucket) {
  const test::TemporaryFolder folder;
  folder.write("qasper.jsonl", longbench_line("1", "A text."));
  folder.write("qasper_e.jsonl", longbench_line("1", "A text.", 3999) + longbench_line("2", "B text.", 4000) +
                                     longbench_line("3", "C text.", 8000));
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  options.tasks = {"e"};
  const auto source = make_longbench_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const auto samples = all_samples(**source);
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].task, "qasper");  // as the scorer knows it
  EXPECT_EQ(samples[0].id, "qasper_e/full/1");
  EXPECT_EQ(samples[0].recipe["data"]["bucket"], "0-4k");
  EXPECT_EQ(samples[1].recipe["data"]["bucket"], "4-8k");
  EXPECT_EQ(samples[2].recipe["data"]["bucket"], "8k+");
}

TEST(LongBenchSource, tasks_of_v1_and_of_e_are_not_mixed_in_a_run) {
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.tasks = {"qasper", "qasper_e"};
  EXPECT_NE(error_of(make_longbench_source(options)).find("expected those of one in a run"), std::string::npos);
}

TEST(LongBenchSource, the_official_file_of_prompts_takes_the_place_of_ours) {
  const test::TemporaryFolder folder;
  folder.write("qasper.jsonl", longbench_line("1", "A text."));
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  options.tasks = {"qasper"};
  options.prompts = folder.write("dataset2prompt.json", R"({"qasper": "C: {context} Q: {input} A:"})");
  const auto source = make_longbench_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const Sample sample = *(*source)->make(0);
  EXPECT_EQ(prompt_text(tokenizer, sample), "<bos>C: A text. Q: Why? A:");
  EXPECT_TRUE(sample.recipe["wording"].get<std::string>().starts_with("dataset2prompt.json sha256"));
}

TEST(LongBenchSource, a_long_prompt_loses_its_middle_by_tokens) {
  const test::TemporaryFolder folder;
  folder.write("qasper.jsonl", longbench_line("1", "0123456789"));
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  options.prompts = folder.write("prompts.json", R"({"qasper": "{context}"})");
  options.max_input = 7;
  const auto source = make_longbench_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const Sample sample = *(*source)->make(0);
  EXPECT_EQ(prompt_text(tokenizer, sample), "<bos>01789");
  EXPECT_EQ(sample.recipe["cut_from_tokens"], 11);
}

TEST(LongBenchSource, files_that_are_not_there_are_told) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  EXPECT_NE(error_of(make_longbench_source(options)).find("--data is missing"), std::string::npos);
  options.data = {folder.path("")};
  EXPECT_NE(error_of(make_longbench_source(options)).find("{task}.jsonl"), std::string::npos);
  options.tasks = {"hotpot"};
  EXPECT_NE(error_of(make_longbench_source(options)).find("no task 'hotpot', expected narrativeqa"), std::string::npos);
  options.tasks = {"hotpotqa"};
  EXPECT_NE(error_of(make_longbench_source(options)).find("expected hotpotqa.jsonl"), std::string::npos);
  folder.write("hotpotqa.jsonl", longbench_line("1", "A text."));
  options.tasks = {};
  const auto source = make_longbench_source(options);
  ASSERT_TRUE(source.has_value());
  ASSERT_EQ((*source)->notices().size(), 1u);
  EXPECT_NE((*source)->notices()[0].find("narrativeqa, qasper"), std::string::npos);
}

TEST(DatasetSource, samples_of_one_document_stand_side_by_side_at_the_first_ones_place) {
  const test::TemporaryFolder folder;
  folder.write("qasper.jsonl", longbench_line("1", "A.") + longbench_line("2", "B.") + longbench_line("3", "A.") +
                                   longbench_line("4", "C.") + longbench_line("5", "B."));
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  const auto source = make_longbench_source(options);
  ASSERT_TRUE(source.has_value());
  std::string order;
  for (const Sample& sample : all_samples(**source)) order += sample.recipe["data"]["_id"].get<std::string>();
  EXPECT_EQ(order, "13254");
  EXPECT_EQ((*source)->make(0)->cluster, (*source)->make(1)->cluster);
  EXPECT_NE((*source)->make(0)->cluster, (*source)->make(2)->cluster);
}

TEST(DatasetSource, a_seed_draws_the_same_samples_each_time_and_another_seed_others) {
  const test::TemporaryFolder folder;
  std::string lines;
  for (int line = 0; line < 200; ++line) lines += longbench_line(std::to_string(line), "Text " + std::to_string(line));
  folder.write("qasper.jsonl", lines);
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  options.samples = 20;
  const auto lines_of = [&](std::uint64_t seed) {
    options.seed = seed;
    const auto source = make_longbench_source(options);
    std::vector<std::uint64_t> result;
    for (const Sample& sample : all_samples(**source)) result.push_back(sample.recipe["line"]);
    return result;
  };
  const auto first = lines_of(1);
  EXPECT_EQ(first.size(), 20u);
  EXPECT_TRUE(std::is_sorted(first.begin(), first.end()));
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 20u);
  EXPECT_EQ(first, lines_of(1));
  EXPECT_NE(first, lines_of(2));
}

TEST(DatasetSource, the_same_settings_make_the_same_prompts) {
  const test::TemporaryFolder folder;
  folder.write("qasper.jsonl", longbench_line("1", "A.") + longbench_line("2", "B."));
  const FakeTokenizer tokenizer(testing::chat_ml);
  SampleOptions options = options_for(tokenizer);
  options.baselines = true;
  options.data = {folder.path("")};
  const auto one = all_samples(**make_longbench_source(options)), two = all_samples(**make_longbench_source(options));
  ASSERT_EQ(one.size(), 4u);  // full and no_context
  std::set<std::string> ids;
  for (std::size_t index = 0; index < one.size(); ++index) {
    EXPECT_EQ(one[index].prompt, two[index].prompt);
    EXPECT_EQ(one[index].recipe, two[index].recipe);
    ids.insert(one[index].id);
  }
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(one[2].condition, Condition::no_context);
  EXPECT_EQ(occurrences(prompt_text(tokenizer, one[2]), "A."), 0u);
}

TEST(DatasetSource, every_malformed_line_is_told_with_its_field_and_the_rest_is_asked) {
  const test::TemporaryFolder folder;
  const std::string path =
      folder.write("qasper.jsonl", longbench_line("1", "A.") + "{\"input\": 1}\n" + R"({"context": "c", "input": 2})" +
                                       "\n" + R"({"context": "c", "input": "i", "answers": []})" + "\n" +
                                       R"({"context": "c", "input": "i", "answers": [{}]})" + "\nnot json\n" +
                                       R"({"context": "c", "input": "i", "answers": "a", "all_classes": [1]})" + "\n");
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.tasks = {"qasper"};
  options.data = {path};
  const auto source = make_longbench_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  EXPECT_EQ((*source)->count(), 1u);
  const auto notices = (*source)->notices();
  ASSERT_EQ(notices.size(), 6u);
  EXPECT_EQ((*source)->skipped_lines(), 6u);
  EXPECT_EQ(notices[0], "[eval] " + path + ":2: 'context' is missing, expected a string; left out");
  EXPECT_EQ(notices[1], "[eval] " + path + ":3: 'input' is 2, expected a string; left out");
  EXPECT_EQ(notices[2], "[eval] " + path + ":4: 'answers' is an array of 0, expected at least one answer; left out");
  EXPECT_EQ(
      notices[3],
      "[eval] " + path + ":5: 'answers' is an array of 1, expected a string, a number or an array of these; left out");
  EXPECT_TRUE(notices[4].starts_with("[eval] " + path + ":6: not JSON")) << notices[4];
  EXPECT_EQ(notices[5],
            "[eval] " + path + ":7: 'all_classes' is an array of 1, expected an array of strings; left out");
  EXPECT_NE(error_of(make_longbench_source(options, BadRecords::refuse)).find(":2: 'context' is missing"),
            std::string::npos);
}

TEST(DatasetSource, ten_megabytes_of_malformed_lines_are_each_told) {
  const test::TemporaryFolder folder;
  std::string lines;
  std::size_t bad = 0;
  const std::string kinds[] = {R"({"context": "half a line)",
                               "[[[[",
                               "\xff\xfe\x00\x01",
                               "null",
                               R"({"context": 7, "input": "i", "answers": ["a"]})",
                               R"({"\ud800": 1})"};
  while (lines.size() < (10u << 20)) {
    std::string line = kinds[bad++ % 6];
    line.resize(std::max<std::size_t>(line.size(), 100), ' ');
    lines += line + "\n";
  }
  lines += longbench_line("1", "A.");
  folder.write("qasper.jsonl", lines);
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  const auto source = make_longbench_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  EXPECT_EQ((*source)->count(), 1u);
  const auto notices = (*source)->notices();
  ASSERT_EQ(notices.size(), bad + 1);  // and the tasks without a file
  for (std::size_t line = 0; line < bad; ++line)
    ASSERT_NE(notices[line + 1].find(fmt::format("qasper.jsonl:{}: ", line + 1)), std::string::npos)
        << notices[line + 1];
}

TEST(DatasetSource, a_file_without_a_usable_line_is_an_error_with_the_last_reason) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.write("report.jsonl", "{}\n{\"report\": \"r\"}\n")};
  const std::string error = error_of(make_govreport_source(options));
  EXPECT_NE(error.find("2 records, none of them usable; the last: "), std::string::npos) << error;
  EXPECT_NE(error.find(":2: 'summary' is missing"), std::string::npos) << error;
}

TEST(LongBenchV2Source, an_array_of_questions_with_four_choices) {
  const test::TemporaryFolder folder;
  const Json good = {{"_id", "x"},       {"question", "Which?"}, {"choice_A", "red"},   {"choice_B", "blue"},
                     {"choice_C", "c"},  {"choice_D", "d"},      {"answer", "B"},       {"context", "Sky."},
                     {"domain", "Code"}, {"length", "short"},    {"difficulty", "easy"}};
  Json bad = good;
  bad["answer"] = "E";
  folder.write("data.json", Json({good, bad}).dump(2));
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  const auto source = make_longbench_v2_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  ASSERT_EQ((*source)->count(), 1u);
  const Sample sample = *(*source)->make(0);
  EXPECT_EQ(sample.gold.answers, std::vector<std::string>{"B"});
  EXPECT_EQ(sample.gold.options, (std::vector<std::string>{"red", "blue", "c", "d"}));
  EXPECT_NE(prompt_text(tokenizer, sample).find("(A) red\n(B) blue\n"), std::string::npos);
  EXPECT_EQ(sample.recipe["data"]["difficulty"], "easy");
  ASSERT_EQ((*source)->notices().size(), 1u);
  EXPECT_NE((*source)->notices()[0].find("'answer' is \"E\", expected A, B, C or D"), std::string::npos);
}

TEST(InfiniteBenchSource, twelve_tasks_with_their_answers_and_numbers_of_new_tokens) {
  const std::map<std::string, std::uint64_t> expected = {{"passkey", 6},
                                                         {"number_string", 12},
                                                         {"kv_retrieval", 50},
                                                         {"longbook_sum_eng", 1200},
                                                         {"longbook_choice_eng", 40},
                                                         {"longbook_qa_eng", 40},
                                                         {"longbook_qa_chn", 40},
                                                         {"longdialogue_qa_eng", 40},
                                                         {"math_find", 3},
                                                         {"math_calc", 30000},
                                                         {"code_run", 5},
                                                         {"code_debug", 5}};
  const test::TemporaryFolder folder;
  const Json line = {{"id", 3},
                     {"context", "A long text."},
                     {"input", "Which one?"},
                     {"answer", {1, 2.5, "x"}},
                     {"options", {"one", "two", "three", "four"}}};
  for (const auto& [task, tokens] : expected) folder.write(task + ".jsonl", line.dump() + "\n");
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  const auto source = make_infinitebench_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  ASSERT_EQ((*source)->count(), 12u);
  for (const Sample& sample : all_samples(**source)) {
    EXPECT_EQ(sample.max_new_tokens, expected.at(sample.task));
    EXPECT_EQ(sample.gold.answers, (std::vector<std::string>{"1", "2.5", "x"}));
    const std::string text = prompt_text(tokenizer, sample);
    EXPECT_EQ(occurrences(text, "A long text."), 1u) << sample.task;
    const bool choices = sample.task == "longbook_choice_eng" || sample.task == "code_debug";
    EXPECT_EQ(occurrences(text, "(C) three"), choices ? 1u : 0u) << sample.task;
  }
}

TEST(InfiniteBenchSource, a_choice_without_four_options_is_told) {
  const test::TemporaryFolder folder;
  folder.write("code_debug.jsonl", R"({"context":"c","input":"","answer":["f"],"options":["f"]})");
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  EXPECT_NE(
      error_of(make_infinitebench_source(options, BadRecords::refuse)).find("'options' has 1 entries, expected 4"),
      std::string::npos);
}

std::string kv_line(std::size_t keys, std::size_t gold) {
  Json records = Json::array();
  for (std::size_t key = 0; key < keys; ++key)
    records.push_back({fmt::format("key-{}", key), fmt::format("0a1b2c3d-0000-4000-8000-{:012}", key)});
  const Json line = {{"ordered_kv_records", records}, {"key", records[gold][0]}, {"value", records[gold][1]}};
  return line.dump() + "\n";
}

TEST(KvRetrievalSource, the_object_is_shown_once_and_the_evidence_is_one_record) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer(testing::chat_ml);
  SampleOptions options = options_for(tokenizer);
  options.baselines = true;
  options.data = {folder.write("kv.jsonl", kv_line(5, 1))};
  const auto source = make_kv_retrieval_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const auto samples = all_samples(**source);
  ASSERT_EQ(samples.size(), 3u);
  const std::string value = "0a1b2c3d-0000-4000-8000-000000000001";
  EXPECT_EQ(samples[0].gold.answers, std::vector<std::string>{value});
  EXPECT_EQ(samples[0].bits, 122);
  EXPECT_DOUBLE_EQ(*samples[0].depth, 25);
  const std::string text = prompt_text(tokenizer, samples[0]);
  EXPECT_EQ(occurrences(text, value), 1u);
  EXPECT_NE(text.find("{\"key-0\": \"0a1b2c3d-0000-4000-8000-000000000000\",\n \"key-1\": \""), std::string::npos)
      << text;
  EXPECT_EQ(samples[1].condition, Condition::evidence_only);
  const std::string evidence = prompt_text(tokenizer, samples[1]);
  EXPECT_NE(evidence.find("{\"key-1\": \"" + value + "\"}"), std::string::npos);
  EXPECT_EQ(occurrences(evidence, "key-0"), 0u);
  EXPECT_EQ(occurrences(prompt_text(tokenizer, samples[2]), value), 0u);
}

TEST(KvRetrievalSource, depths_move_the_record_that_is_asked_for) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.depths = {0, 50, 100};
  options.samples = 1;
  options.data = {folder.write("kv.jsonl", kv_line(5, 1) + kv_line(5, 3))};
  const auto source = make_kv_retrieval_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const auto samples = all_samples(**source);
  ASSERT_EQ(samples.size(), 3u);  // one record, three depths
  for (std::size_t index = 0; index < 3; ++index) {
    const std::string text = prompt_text(tokenizer, samples[index]);
    const std::string before = text.substr(0, text.find(samples[index].gold.answers[0]));
    EXPECT_EQ(occurrences(before, "\": \""), 1 + 2 * index);  // records up to the one
    for (int key = 0; key < 5; ++key) EXPECT_GE(occurrences(text, fmt::format("\"key-{}\": ", key)), 1u);
  }
  options.depths = {101};
  EXPECT_NE(error_of(make_kv_retrieval_source(options)).find("depth 101, expected 0 … 100"), std::string::npos);
}

TEST(KvRetrievalSource, a_key_that_is_not_in_the_object_is_told) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.write("kv.jsonl", R"({"ordered_kv_records":[["a","b"]],"key":"x","value":"b"})"
                                           "\n"
                                           R"({"ordered_kv_records":[["a"]],"key":"x","value":"b"})"
                                           "\n" +
                                               kv_line(2, 0))};
  const auto source = make_kv_retrieval_source(options);
  ASSERT_TRUE(source.has_value());
  ASSERT_EQ((*source)->notices().size(), 2u);
  EXPECT_NE((*source)->notices()[0].find(":1: 'key' is \"x\", expected one of the 1"), std::string::npos);
  EXPECT_NE((*source)->notices()[1].find(":2: 'ordered_kv_records[0]' is an array of 1"), std::string::npos);
}

TEST(BookQaSource, books_stand_in_the_line_in_an_object_or_in_a_file_beside_it) {
  const test::TemporaryFolder folder;
  folder.write("moby.txt", "Call me somebody.");
  folder.write(
      "questions.jsonl",
      R"({"document": "In the line.", "question": "Q1?", "answers": ["a"]})"
      "\n"
      R"({"document": {"id": "d", "text": "In an object."}, "question": {"text": "Q2?"}, "answers": [{"text": "b"}, {"text": "c"}]})"
      "\n"
      R"({"file": "moby.txt", "question": "Q3?", "answers": "d"})"
      "\n"
      R"({"file": "moby.txt", "question": "Q4?", "answers": ["e"]})"
      "\n"
      R"({"file": "../moby.txt", "question": "Q5?", "answers": ["e"]})"
      "\n"
      R"({"file": "none.txt", "question": "Q6?", "answers": ["e"]})"
      "\n"
      R"({"question": "Q7?", "answers": ["e"]})"
      "\n");
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  const auto source = make_bookqa_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const auto samples = all_samples(**source);
  ASSERT_EQ(samples.size(), 4u);
  EXPECT_NE(prompt_text(tokenizer, samples[0]).find("In the line."), std::string::npos);
  EXPECT_NE(prompt_text(tokenizer, samples[1]).find("In an object.\n\nQuestion: Q2?"), std::string::npos);
  EXPECT_EQ(samples[1].gold.answers, (std::vector<std::string>{"b", "c"}));
  EXPECT_NE(prompt_text(tokenizer, samples[2]).find("Call me somebody."), std::string::npos);
  EXPECT_EQ(samples[2].cluster, "moby.txt");
  const auto notices = (*source)->notices();
  ASSERT_EQ(notices.size(), 3u);
  EXPECT_NE(notices[0].find(":5: 'file' is \"../moby.txt\", expected a path below"), std::string::npos) << notices[0];
  EXPECT_NE(notices[1].find(":6: 'file' is \"none.txt\", expected a file in"), std::string::npos) << notices[1];
  EXPECT_NE(notices[2].find(":7: none of 'file', 'document' and 'context'"), std::string::npos) << notices[2];
}

TEST(BookQaSource, questions_about_one_book_share_all_tokens_up_to_the_question) {
  const test::TemporaryFolder folder;
  folder.write("moby.txt", std::string(5000, 'x') + ".");
  folder.write("questions.jsonl", R"({"file": "moby.txt", "question": "Who?", "answers": "d"})"
                                  "\n"
                                  R"({"file": "moby.txt", "question": "When?", "answers": ["e"]})"
                                  "\n");
  const FakeTokenizer tokenizer(testing::chat_ml);
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.path("")};
  const auto samples = all_samples(**make_bookqa_source(options));
  ASSERT_EQ(samples.size(), 2u);
  const auto [end, other] =
      std::mismatch(samples[0].prompt.begin(), samples[0].prompt.end(), samples[1].prompt.begin());
  EXPECT_GT(end - samples[0].prompt.begin(), 5000);
}

TEST(GovReportSource, a_report_and_its_summary) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.write("r.jsonl", R"({"report": "It rained.", "summary": "Rain."})")};
  const auto source = make_govreport_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const Sample sample = *(*source)->make(0);
  EXPECT_EQ(sample.max_new_tokens, 512u);
  EXPECT_EQ(sample.gold.answers, std::vector<std::string>{"Rain."});
  EXPECT_EQ(occurrences(prompt_text(tokenizer, sample), "It rained."), 1u);
}

constexpr const char* meeting =
    R"({"general_query_list": [{"query": "Sum up.", "answer": "All."}],)"
    R"( "specific_query_list": [{"query": "And B?", "answer": "Some.", "relevant_text_span": [["1","1"],["3","3"]]}],)"
    R"( "topic_list": [], "meeting_transcripts": [{"speaker": "A", "content": "one"}, {"speaker": "B", "content": "two"},)"
    R"( {"speaker": "A", "content": "three"}, {"speaker": "B", "content": "four"}]})"
    "\n";

TEST(QmsumSource, every_query_of_a_meeting_is_a_sample_of_its_cluster) {
  const test::TemporaryFolder folder;
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.baselines = true;
  options.data = {folder.write("m.jsonl", std::string(meeting) + meeting)};
  const auto source = make_qmsum_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const auto samples = all_samples(**source);
  ASSERT_EQ(samples.size(), 4u + 2u + 4u);  // full, evidence of the specific ones, no context
  EXPECT_EQ(samples[0].cluster, "meeting 1");
  EXPECT_EQ(samples[1].cluster, "meeting 1");
  EXPECT_EQ(samples[2].cluster, "meeting 2");
  EXPECT_EQ(samples[1].gold.answers, std::vector<std::string>{"Some."});
  EXPECT_NE(prompt_text(tokenizer, samples[1]).find("A: one\nB: two\nA: three\nB: four\n\nRequest: And B?"),
            std::string::npos);
  const std::string evidence = prompt_text(tokenizer, samples[4]);
  EXPECT_EQ(samples[4].condition, Condition::evidence_only);
  EXPECT_NE(evidence.find("B: two\nB: four\n\n"), std::string::npos) << evidence;
  EXPECT_EQ(occurrences(evidence, "three"), 0u);
}

TEST(QmsumSource, spans_outside_the_transcript_and_missing_fields_are_told) {
  const test::TemporaryFolder folder;
  std::string outside = meeting, reversed = meeting, nameless = meeting;
  outside.replace(outside.find("\"3\",\"3\""), 7, "\"3\",\"4\"");
  reversed.replace(reversed.find("\"3\",\"3\""), 7, "\"3\",\"2\"");
  nameless.replace(nameless.find("\"speaker\": \"B\""), 14, "\"speaker\": null");
  const FakeTokenizer tokenizer;
  SampleOptions options = options_for(tokenizer);
  options.data = {folder.write("m.jsonl", outside + reversed + nameless + meeting)};
  const auto source = make_qmsum_source(options);
  ASSERT_TRUE(source.has_value()) << error_of(source);
  const auto notices = (*source)->notices();
  ASSERT_EQ(notices.size(), 3u);
  EXPECT_NE(
      notices[0].find(":1: 'specific_query_list[0].relevant_text_span' has [\"3\",\"4\"], expected two turns among 4"),
      std::string::npos)
      << notices[0];
  EXPECT_NE(notices[1].find(":2: "), std::string::npos);
  EXPECT_NE(notices[2].find(":3: 'meeting_transcripts[1].speaker' is missing"), std::string::npos) << notices[2];
}

}  // namespace
}  // namespace tome
