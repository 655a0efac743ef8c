// `tome eval` as a user meets it, on a tiny checkpoint.
#include <set>
#include <sstream>

#include "cli/run_tome.h"
#include "hub/hub_server.h"

namespace tome::testing {
namespace {

class EvalCommand : public TomeCommand {
 protected:
  std::vector<std::string> niah(const std::string& out, std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"eval",
                                   "niah",
                                   "-m",
                                   golden_model("llama-untied"),
                                   "--lengths",
                                   "1k",
                                   "--depths",
                                   "0,50",
                                   "--samples",
                                   "2",
                                   "--rope-scaling",
                                   "none",
                                   "--out",
                                   (folder_ / out).string()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(EvalCommand, a_run_is_written_summed_up_gone_on_with_and_compared) {
  const Ran ran = run(niah("a"));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("number, evidence alone"), std::string::npos) << ran.out;
  for (const char* name : {"run.json", "results.jsonl", "timings.jsonl", "summary.json", "report.html", "heatmap.svg"})
    EXPECT_TRUE(std::filesystem::exists(folder_ / "a" / name)) << name;
  const std::string results = read((folder_ / "a" / "results.jsonl").string());
  EXPECT_EQ(std::count(results.begin(), results.end(), '\n'), 2 * 2 * 3);
  const Ran again = run(niah("a", {"--json"}));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("going on after 12 of 12 samples"), std::string::npos) << again.err;
  const auto summary = parse_json(again.out, "standard output");
  ASSERT_TRUE(summary) << again.out;
  EXPECT_EQ((*summary)["settings"]["sample_count"], 12);
  const Ran other = run(niah("a", {"--kv", "f16"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("'kv_type' is \"bf16\", this run has \"f16\""), std::string::npos) << other.err;
  ASSERT_EQ(run(niah("b", {"--kv", "f16"})).code, 0);
  const Ran compared = run({"eval", "compare", (folder_ / "a").string(), (folder_ / "b").string()});
  EXPECT_EQ(compared.code, 0) << compared.err;
  EXPECT_NE(compared.out.find("Not shown to differ"), std::string::npos) << compared.out;
  const std::string page = (folder_ / "both.html").string();
  EXPECT_EQ(run({"eval", "report", (folder_ / "a").string(), (folder_ / "b").string(), "-o", page}).code, 0);
  EXPECT_NE(read(page).find("</html>"), std::string::npos);
}

TEST_F(EvalCommand, wrong_input_is_one_line) {
  const std::string model = golden_model("llama-untied"), text = write("short.txt", "the river runs low");
  expect_failure(run({"eval"}), 2, "expected a suite, score, compare, report or --list");
  expect_failure(run(niah("a", {"--lengths", "4"})), 2, "--lengths");
  expect_failure(run({"eval", "niah", "-m", model, "--lengths", "0", "--out", (folder_ / "a").string()}), 2,
                 "--lengths 0");
  expect_failure(run({"eval", "niah", "-m", model, "--depths", "half", "--out", (folder_ / "a").string()}), 2,
                 "--depths 'half'");
  expect_failure(run({"eval", "niah", "-m", model, "--budget", "soon", "--out", (folder_ / "a").string()}), 2,
                 "--budget 'soon': expected a time");
  expect_failure(run({"eval", "perplexity", "-m", model, "--out", (folder_ / "a").string()}), 2,
                 "expected --data TEXT");
  expect_failure(
      run({"eval", "perplexity", "-m", model, "--data", text, "--lengths", "256", "--out", (folder_ / "a").string()}),
      2, "expected at least the longest length, 256");
  expect_failure(run({"eval", "longbench", "-m", model, "--data", folder_.string(), "--out", (folder_ / "a").string()}),
                 2, "longbench");
  expect_failure(run({"eval", "compare", "/nowhere/a", "/nowhere/b"}), 1, "/nowhere/a/run.json");
}

TEST_F(EvalCommand, the_key_of_an_object_is_moved_to_the_depths_that_are_asked_for) {
  const std::string objects =
      write("objects.jsonl", R"({"ordered_kv_records": [["a", "1"], ["b", "2"], ["c", "3"]], "key": "b", "value": "2"})"
                             "\n");
  const auto depths = [&](const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> words{"eval",   "kv-retrieval", "-m",    golden_model("llama-untied"),
                                   "--data", objects,        "--out", (folder_ / out).string()};
    words.insert(words.end(), more.begin(), more.end());
    const Ran ran = run(words);
    EXPECT_EQ(ran.code, 0) << ran.err;
    std::set<double> found;
    std::istringstream lines(read((folder_ / out / "results.jsonl").string()));
    for (std::string line; std::getline(lines, line);)
      if (const auto result = parse_json(line, out); result && result->contains("depth"))
        found.insert((*result)["depth"].get<double>());
    return found;
  };
  EXPECT_EQ(depths("as-it-lies", {}), std::set<double>{50});
  EXPECT_EQ(depths("moved", {"--depths", "100,0"}), (std::set<double>{0, 100}));
  expect_failure(run({"eval", "kv-retrieval", "-m", golden_model("llama-untied"), "--data", objects, "--depths", "101",
                      "--out", (folder_ / "a").string()}),
                 2, "--depths '101': expected numbers from 0 to 100");
}

TEST_F(EvalCommand, the_list_names_every_suite) {
  const Ran ran = run({"eval", "--list"});
  EXPECT_EQ(ran.code, 0);
  for (const char* suite : {"niah", "ruler", "longbench", "longbench-v2", "infinitebench", "bookqa", "govreport",
                            "qmsum", "kv-retrieval", "perplexity", "cue"})
    EXPECT_NE(("\n" + ran.out).find(std::string("\n") + suite + "\n"), std::string::npos) << suite;
}

TEST_F(EvalCommand, data_of_a_hub_is_fetched_once_and_only_what_the_task_reads) {
  HubServer server;
  const std::string line =
      R"({"id": 0, "context": "The pass key is 71432. Remember it.", "input": "What is the pass key?", "answer": ["71432"]})"
      "\n";
  server.files = {{"passkey.jsonl", line + line}, {"kv_retrieval.jsonl", "not read"}};
  ::setenv("HF_ENDPOINT", server.address().c_str(), 1);
  const std::vector<std::string> words{
      "eval",   "infinitebench", "-m",    golden_model("llama-untied"), "--data", "hf:datasets/owner/InfiniteBench",
      "--task", "passkey",       "--out", (folder_ / "a").string()};
  const Ran ran = run(words);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("hf:datasets/owner/InfiniteBench is in"), std::string::npos) << ran.err;
  const std::size_t gets = server.gets().size();
  const Ran again = run(words);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("going on after"), std::string::npos) << "the same data is the same run: " << again.err;
  EXPECT_EQ(server.gets().size(), gets + 1) << "the listing alone";
  expect_failure(run({"eval", "longbench", "-m", golden_model("llama-untied"), "--data",
                      "hf:datasets/owner/InfiniteBench", "--out", (folder_ / "b").string()}),
                 1, "none of its 2 files is narrativeqa.jsonl or another of its kind");
  const std::size_t requests = server.requests().size();
  expect_failure(run({"eval", "infinitebench", "-m", golden_model("llama-untied"), "--data",
                      "hf:datasets/owner/InfiniteBench", "--task", "paskey", "--out", (folder_ / "b").string()}),
                 2, "none of the tasks of --task reads a file");
  EXPECT_EQ(server.requests().size(), requests) << "nothing is asked for";
  ::unsetenv("HF_ENDPOINT");
}

}  // namespace
}  // namespace tome::testing
