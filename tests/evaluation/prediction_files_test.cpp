#include "evaluation/prediction_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "evaluation/intervals.h"
#include "evaluation/score_report.h"

namespace tome {
namespace {

class PredictionFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("tome_predictions_" + std::to_string(getpid()) + "_" +
                                                  ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  PredictionFile read(const std::string& path, const PredictionOptions& options, const GoldRecords& gold = {}) {
    reports_.clear();
    auto file = read_predictions(path, options, gold, [&](const std::string& line) { reports_.push_back(line); });
    EXPECT_TRUE(file) << file.error().message;
    return file ? std::move(*file) : PredictionFile{};
  }

  /// The report of a file with this one line.
  std::string problem(Suite suite, const std::string& line, const std::string& task = "") {
    const PredictionFile file = read(write("p.jsonl", line + "\n"), {.suite = suite, .task = task});
    EXPECT_EQ(file.skipped, 1u) << line;
    EXPECT_TRUE(file.predictions.empty());
    if (reports_.size() != 1) return "no report";
    const std::string start = (folder_ / "p.jsonl").string() + ":1: ";
    EXPECT_EQ(reports_[0].substr(0, start.size()), start);
    return reports_[0].substr(start.size());
  }

  ScoreReport report(const PredictionFile& file, const ScoreReportOptions& options) {
    const auto made =
        score_predictions(file.predictions, options, [&](const std::string& l) { reports_.push_back(l); });
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : ScoreReport{};
  }

  std::filesystem::path folder_;
  std::vector<std::string> reports_;
};

TEST_F(PredictionFiles, each_wrong_line_is_told_with_what_was_found_and_expected) {
  const auto longbench = [&](const std::string& line) { return problem(Suite::longbench, line, "qasper"); };
  EXPECT_EQ(longbench("{\"pred\": \"x\", \"answers\": [\"x\"]"),
            "the line: not JSON at byte 31, near '\"x\"]', expected one JSON object");
  EXPECT_EQ(longbench("[1, 2]"), "found array, expected a JSON object");
  EXPECT_EQ(longbench("{\"pred\": \"caf\xe9\", \"answers\": []}"),
            "byte 13 (0xe9) is no UTF-8, expected JSON in UTF-8");
  EXPECT_EQ(longbench("{\"answers\": [\"x\"]}"), "pred: not there, expected text");
  EXPECT_EQ(longbench("{\"pred\": null, \"answers\": [\"x\"]}"), "pred: found null, expected text");
  EXPECT_EQ(longbench("{\"pred\": \"x\"}"), "answers: not there, expected the right answers");
  EXPECT_EQ(longbench("{\"pred\": \"x\", \"answers\": \"x\"}"), "answers: found string, expected a list of texts");
  EXPECT_EQ(longbench("{\"pred\": \"x\", \"answers\": [1]}"), "answers: found number in the list, expected text");
  EXPECT_EQ(problem(Suite::longbench, "{\"pred\": \"x\", \"answers\": [\"x\"], \"all_classes\": null}", "trec"),
            "all_classes: found none, expected a list of texts");
  EXPECT_EQ(longbench("{\"pred\": \"x\", \"pred\": \"y\", \"answers\": []}"),
            "the line: duplicate key 'pred', expected one JSON object");
  EXPECT_EQ(problem(Suite::longbench, "{\"pred\": \"x\", \"answers\": [\"x\"]}"),
            "task: not there, expected it, or a file named after its task, or --task");
  EXPECT_EQ(problem(Suite::longbench, "{\"pred\": \"x\", \"answers\": [\"x\"], \"task\": \"nq\"}"),
            "task: found 'nq', expected one of longbench's");
  EXPECT_EQ(problem(Suite::longbench_v2, "{\"judge\": \"yes\"}"), "judge: found string, expected true or false");
  EXPECT_EQ(problem(Suite::longbench_v2, "{\"pred\": \"A\"}"), "answer: not there, expected the right answers");
  EXPECT_EQ(problem(Suite::longbench_v2, "{\"answer\": \"A\"}"), "judge or pred or response: not there, expected text");
  EXPECT_EQ(problem(Suite::infinitebench, "{\"prediction\": \"x\", \"ground_truth\": [{}]}", "passkey"),
            "ground_truth: found object in the list, expected text or numbers");
  EXPECT_EQ(problem(Suite::ruler, "{\"pred\": 7, \"outputs\": [\"7\"]}", "vt"), "pred: found number, expected text");
}

TEST_F(PredictionFiles, a_line_of_more_than_64_mb_is_told_and_the_next_one_read) {
  const std::string longer = "{\"pred\": \"" + std::string(longest_prediction_line, 'x') + "\", \"outputs\": [\"x\"]}";
  const PredictionFile file =
      read(write("vt.jsonl", longer + "\n{\"pred\": \"7\", \"outputs\": [\"7\"]}"), {.suite = Suite::ruler});
  EXPECT_EQ(file.skipped, 1u);
  EXPECT_EQ(file.predictions.size(), 1u);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_NE(reports_[0].find(fmt::format("vt.jsonl:1: a line of {} bytes, expected at most 67108864", longer.size())),
            std::string::npos)
      << reports_[0];
}

TEST_F(PredictionFiles, gold_that_the_rule_cannot_use_is_told_while_scoring) {
  const PredictionFile file = read(write("passage_retrieval_en.jsonl",
                                         "{\"pred\": \"3\", \"answers\": [\"Paragraph 3\"], \"all_classes\": null}\n"
                                         "{\"pred\": \"3\", \"answers\": [\"three\"], \"all_classes\": null}\n"),
                                   {.suite = Suite::longbench});
  const ScoreReport made = report(file, {.suite = Suite::longbench});
  EXPECT_EQ(made.total.score, 100.0);
  EXPECT_EQ(made.total.n, 1u);
  EXPECT_EQ(made.skipped, 1u);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_NE(reports_[0].find(".jsonl:2: answers: found 'three'"), std::string::npos) << reports_[0];
}

TEST_F(PredictionFiles, the_task_is_the_files_name_in_each_benchmarks_manner) {
  const std::string line = "{\"prediction\": \"7\", \"ground_truth\": \"7\"}\r\n\n";
  EXPECT_EQ(read(write("preds_passkey.jsonl", line), {.suite = Suite::infinitebench}).predictions[0].task, "passkey");
  const std::string other = "{\"pred\": \"7\", \"answers\": [\"7\"], \"all_classes\": null, \"length\": 1}";
  EXPECT_EQ(read(write("hotpotqa_e.jsonl", other), {.suite = Suite::longbench}).predictions[0].task, "hotpotqa");
  EXPECT_EQ(read(write("niah_single_1.jsonl", "{\"pred\": \"7\", \"outputs\": [\"7\"]}"), {.suite = Suite::ruler})
                .predictions[0]
                .task,
            "niah_single_1");
}

TEST_F(PredictionFiles, lines_of_several_tasks_give_the_mean_of_the_tasks) {
  const PredictionFile file = read(write("all.jsonl",
                                         "{\"pred\": \"7\", \"outputs\": [\"7\"], \"task\": \"vt\"}\n"
                                         "{\"pred\": \"7\", \"outputs\": [\"7\"], \"task\": \"vt\"}\n"
                                         "{\"pred\": \"7\", \"outputs\": [\"7\"], \"task\": \"vt\"}\n"
                                         "{\"pred\": \"7\", \"outputs\": [\"8\"], \"task\": \"cwe\"}\n"),
                                   {.suite = Suite::ruler});
  const ScoreReport made = report(file, {.suite = Suite::ruler});
  EXPECT_EQ(made.total.score, 50.0);
  EXPECT_EQ(made.total.n, 4u);
  ASSERT_EQ(made.by_task.size(), 2u);
  EXPECT_EQ(made.by_task[0].score, 100.0);
  EXPECT_LE(made.total.interval.low, 50.0);
  EXPECT_GE(made.total.interval.high, 50.0);
}

TEST_F(PredictionFiles, the_last_lines_classes_count_for_all_lines) {
  const PredictionFile file =
      read(write("trec.jsonl",
                 "{\"pred\": \"City\", \"answers\": [\"City\"], \"all_classes\": [\"City\"]}\n"
                 "{\"pred\": \"Food\", \"answers\": [\"Food\"], \"all_classes\": [\"Food\", \"Animal\"]}\n"),
           {.suite = Suite::longbench});
  EXPECT_EQ(report(file, {.suite = Suite::longbench}).total.score, 50.0);
}

TEST_F(PredictionFiles, longbench_e_has_buckets_by_length) {
  std::string lines;
  for (const int length : {100, 3999, 4000, 7999, 8000})
    lines += fmt::format("{{\"pred\": \"{}\", \"answers\": [\"x\"], \"all_classes\": null, \"length\": {}}}\n",
                         length < 4000 ? "x" : "y", length);
  const PredictionOptions options{.suite = Suite::longbench, .need_length = true};
  const ScoreReport made =
      report(read(write("qasper.jsonl", lines), options), {.suite = Suite::longbench, .longbench_e = true});
  ASSERT_EQ(made.by_length.size(), 3u);
  EXPECT_EQ(made.by_length[0].score, 100.0);
  EXPECT_EQ(made.by_length[1].n, 2u);
  EXPECT_EQ(made.by_length[2].n, 1u);
  EXPECT_EQ(made.total.score, 40.0);
}

TEST_F(PredictionFiles, longbench_v2_believes_the_judge_else_the_letter_else_the_response) {
  const std::string tail = ", \"answer\": \"A\", \"difficulty\": \"easy\", \"length\": \"short\"";
  const std::string lines = "{\"judge\": true, \"pred\": \"B\"" + tail + "}\n{\"pred\": \"A\"" + tail +
                            "}\n{\"response\": \"The correct answer is (A)\"" + tail + "}\n{\"pred\": null" + tail +
                            "}\n{\"pred\": \"B\", \"answer\": \"A\", \"difficulty\": \"hard\", \"length\": \"long\"}\n";
  const ScoreReport made =
      report(read(write("v2.jsonl", lines), {.suite = Suite::longbench_v2}), {.suite = Suite::longbench_v2});
  EXPECT_EQ(made.total.score, 60.0);
  ASSERT_EQ(made.by_difficulty.size(), 2u);
  EXPECT_EQ(made.by_difficulty[0].score, 75.0);
  EXPECT_EQ(made.by_difficulty[1].score, 0.0);
  ASSERT_EQ(made.by_length.size(), 2u);
  EXPECT_EQ(made.by_length[1].name, "long");
}

TEST_F(PredictionFiles, an_array_of_records_is_read_too) {
  const PredictionFile file =
      read(write("v2.json", "[{\"judge\": true},\n {\"judge\": false}, 3]"), {.suite = Suite::longbench_v2});
  EXPECT_EQ(file.predictions.size(), 2u);
  EXPECT_EQ(file.skipped, 1u);
}

TEST_F(PredictionFiles, gold_comes_from_the_dataset_by_id_or_by_line) {
  GoldRecords by_id, by_line;
  ASSERT_TRUE(by_id.add(
      write("a.jsonl", "{\"_id\": \"q2\", \"answers\": [\"two\"]}\n{\"_id\": \"q1\", \"answers\": [\"one\"]}")));
  ASSERT_TRUE(by_line.add(write("b.jsonl", "{\"answers\": [\"one\"]}\n\n{\"answers\": [\"two\"]}")));
  const std::string with_ids =
      "{\"_id\": \"q1\", \"pred\": \"one\"}\n{\"_id\": \"q2\", \"pred\": \"two\"}\n{\"_id\": \"q3\", \"pred\": "
      "\"two\"}";
  const PredictionFile first = read(write("qasper.jsonl", with_ids), {.suite = Suite::longbench}, by_id);
  EXPECT_EQ(report(first, {.suite = Suite::longbench}).total.score, 100.0);
  EXPECT_EQ(first.skipped, 1u);
  const PredictionFile second =
      read(write("qasper.jsonl", "{\"pred\": \"one\"}\n{\"pred\": \"two\"}"), {.suite = Suite::longbench}, by_line);
  EXPECT_EQ(report(second, {.suite = Suite::longbench}).total.score, 100.0);
  EXPECT_EQ(second.skipped, 0u);
}

TEST_F(PredictionFiles, a_dataset_may_be_one_array) {
  GoldRecords gold;
  ASSERT_TRUE(
      gold.add(write("data.json", "[{\"_id\": \"a\", \"answer\": \"C\"},\n {\"_id\": \"b\", \"answer\": \"D\"}]")));
  const PredictionFile file =
      read(write("v2.jsonl", "{\"_id\": \"b\", \"pred\": \"D\"}"), {.suite = Suite::longbench_v2}, gold);
  EXPECT_EQ(report(file, {.suite = Suite::longbench_v2}).total.score, 100.0);
}

TEST_F(PredictionFiles, numbers_of_infinitebench_keep_their_kind) {
  const PredictionFile file = read(write("math_find.jsonl",
                                         "{\"prediction\": \"12\", \"ground_truth\": [12.0]}\n"
                                         "{\"prediction\": \"12.0\", \"ground_truth\": 12}\n"),
                                   {.suite = Suite::infinitebench});
  ASSERT_EQ(file.predictions.size(), 2u);
  EXPECT_EQ(file.predictions[0].gold.answers[0], "12.0");
  EXPECT_EQ(report(file, {.suite = Suite::infinitebench}).total.score, 0.5);
}

TEST_F(PredictionFiles, a_score_that_differs_under_the_newer_rules_says_so) {
  const PredictionFile file =
      read(write("longdialogue_qa_eng.jsonl", "{\"prediction\": \"Stamp Paid\", \"ground_truth\": [\"STAMP PAID\"]}"),
           {.suite = Suite::infinitebench});
  const ScoreReport made = report(file, {.suite = Suite::infinitebench});
  EXPECT_EQ(made.total.score, 0.0);
  ASSERT_EQ(made.others.size(), 1u);
  EXPECT_EQ(made.others[0].second, 1.0);
  EXPECT_EQ(made.notices.size(), 1u);
}

TEST_F(PredictionFiles, chinese_without_a_dictionary_says_what_is_lost) {
  const PredictionFile file =
      read(write("multifieldqa_zh.jsonl", "{\"pred\": \"北京大学\", \"answers\": [\"北京\"], \"all_classes\": null}"),
           {.suite = Suite::longbench});
  const ScoreReport made = report(file, {.suite = Suite::longbench});
  EXPECT_EQ(made.total.score, 66.67);
  ASSERT_EQ(made.notices.size(), 1u);
  EXPECT_NE(made.notices[0].find("not the official score"), std::string::npos);
}

TEST_F(PredictionFiles, samples_of_one_document_share_a_cluster) {
  std::string lines;
  for (int i = 0; i < 8; ++i)
    lines += fmt::format("{{\"pred\": \"{}\", \"outputs\": [\"7\"], \"document\": \"{}\"}}\n", i < 4 ? 7 : 8, i / 4);
  const ScoreReport made = report(read(write("vt.jsonl", lines), {.suite = Suite::ruler}), {.suite = Suite::ruler});
  EXPECT_NEAR(made.total.interval.low, 100 * wilson_interval(1, 2).low, 1e-9);  // two documents, not eight answers
  EXPECT_NEAR(made.total.interval.high, 100 * wilson_interval(1, 2).high, 1e-9);
}

}  // namespace
}  // namespace tome
