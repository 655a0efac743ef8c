// `tome eval score` as a user runs it.
#include "base/rng.h"
#include "cli/run_tome.h"

namespace tome::testing {
namespace {

using EvalScore = TomeCommand;

TEST_F(EvalScore, json_is_one_line_that_begins_with_score_n_and_interval) {
  const std::string file =
      write("hotpotqa.jsonl",
            "{\"pred\": \"Paris\", \"answers\": [\"Paris\"], \"all_classes\": null, \"length\": 9}\n"
            "{\"pred\": \"no\", \"answers\": [\"Rome\"], \"all_classes\": null, \"length\": 9}\n"
            "{\"pred\": \"the Rome\", \"answers\": [\"Rome\"], \"all_classes\": null, \"length\": 9}\n");
  const Ran ran = run({"eval", "score", "longbench", file, "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(ran.out, "{\"score\":66.67,\"n\":3,\"interval\":[20.76596008020477,93.85080552796038]}\n");
}

TEST_F(EvalScore, the_table_names_the_task_and_its_interval) {
  const std::string file = write("p.jsonl", "{\"prediction\": \"7\", \"ground_truth\": [\"7\"]}\n");
  const Ran ran = run({"eval", "score", "infinitebench", file, "--task", "passkey"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("passkey"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("1.0000"), std::string::npos) << ran.out;
}

TEST_F(EvalScore, jiebas_folder_makes_the_chinese_score_official) {
  const std::string file = write("multifieldqa_zh.jsonl",
                                 "{\"pred\": \"北京大学\", \"answers\": [\"北京大学\"], \"all_classes\": null}\n"
                                 "{\"pred\": \"北京大学\", \"answers\": [\"北京\"], \"all_classes\": null}\n");
  const Ran without = run({"eval", "score", "longbench", file, "--json"});
  EXPECT_NE(without.out.find("\"notes\":[\"no jieba dictionary"), std::string::npos) << without.out;
  const std::string folder = std::string(TOME_TEST_DATA) + "/evaluation/jieba";
  const Ran with = run({"eval", "score", "longbench", file, "--json", "--jieba", folder});
  EXPECT_EQ(with.code, 0) << with.err;
  EXPECT_EQ(with.out.find("notes"), std::string::npos) << with.out;
  EXPECT_NE(with.out.find("{\"score\":50.0,\"n\":2,"), std::string::npos) << with.out;
}

TEST_F(EvalScore, ten_megabytes_of_malformed_lines_are_each_reported_and_the_rest_scored) {
  const std::vector<std::string> bad = {"{\"pred\": \"x\", \"outputs\": [\"x\"]",
                                        "not JSON at all",
                                        "{\"pred\": \"caf\xe9\", \"outputs\": [\"x\"]}",
                                        "{\"outputs\": [\"x\"]}",
                                        "{\"pred\": null, \"outputs\": [\"x\"]}",
                                        "{\"pred\": \"x\", \"outputs\": {\"a\": 1}}",
                                        "{\"pred\": \"x\", \"outputs\": [1, 2]}",
                                        "{\"pred\": \"x\", \"outputs\": []}",
                                        "[\"pred\"]",
                                        std::string("\x00\x01\x02", 3),
                                        std::string(200, '['),
                                        "{\"pred\": \"" + std::string(900, 'y') + "\"}"};
  Rng rng(7);
  std::string lines;
  std::size_t wrong = 0, good = 0, right = 0;
  while (lines.size() < 10'000'000) {
    if (rng.below(8) == 0) {
      const bool hit = rng.below(2) == 0;
      lines += fmt::format("{{\"index\": {}, \"pred\": \"{}\", \"outputs\": [\"x\"]}}\n", good, hit ? "x" : "y");
      ++good;
      right += hit ? 1 : 0;
    } else {
      lines += bad[rng.below(bad.size())] + "\n";
      ++wrong;
    }
  }
  const std::string file = write("vt.jsonl", lines);
  const Ran ran = run({"eval", "score", "ruler", "--json", file});
  EXPECT_EQ(ran.code, 1);
  const auto result = parse_json(ran.out, "the result");
  ASSERT_TRUE(result) << ran.out.substr(0, 500);
  EXPECT_EQ((*result)["n"], good);
  EXPECT_EQ((*result)["skipped"], wrong);
  EXPECT_NEAR((*result)["score"].get<double>(), 100.0 * static_cast<double>(right) / static_cast<double>(good), 0.005);
  std::size_t reported = 0;
  std::istringstream err(ran.err);
  std::string line, last;
  while (std::getline(err, line)) {
    reported += line.starts_with(file + ":") && line.find("expected") != std::string::npos ? 1 : 0;
    last = line;
  }
  EXPECT_EQ(reported, wrong);
  EXPECT_EQ(last,
            fmt::format("tome: [eval score] {} of {} lines were skipped, the rest was scored", wrong, wrong + good));
}

TEST_F(EvalScore, what_makes_no_sense_is_one_clear_line) {
  const std::string file = write("x.jsonl", "{\"pred\": \"x\", \"outputs\": [\"x\"]}\n");
  expect_failure(run({"eval", "score", "squad", file}), 2, "suite 'squad', expected one of niah");
  expect_failure(run({"eval", "score", "perplexity", file}), 2, "suite 'perplexity'");
  expect_failure(run({"eval", "score", "ruler", file, "--task", "niah_9"}), 2, "task 'niah_9', expected one of");
  expect_failure(run({"eval", "score", "ruler", file, "--e"}), 2, "--e: belongs to longbench");
  expect_failure(run({"eval", "score", "ruler", "/nowhere/x.jsonl", "--task", "vt"}), 1, "/nowhere/x.jsonl");
  expect_failure(run({"eval", "score", "ruler", write("empty.jsonl", "\n"), "--task", "vt"}), 1,
                 "no line could be scored");
  expect_failure(run({"eval", "score", "niah", file, "--jieba", write("dict.txt", "word\n")}), 1,
                 "dict.txt:1: found 'word', expected a word, a space and its frequency");
}

}  // namespace
}  // namespace tome::testing
