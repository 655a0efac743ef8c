// `tome extend` as a user runs it, on a tiny checkpoint: what it writes, what it refuses, and that what it wrote runs.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "cli/run_tome.h"

namespace tome::testing {
namespace {

namespace fs = std::filesystem;

struct ExtendCommand : TomeCommand {
  std::string text() const {
    std::string all;
    for (int i = 0; i < 1500; ++i) all += "Day " + std::to_string(i * 7919 % 1000) + " was a day of rain and wind. ";
    return write("text.txt", all);
  }
  std::string out(const std::string& name = "out") const { return (folder_ / name).string(); }
  /// A short run; `changed` replaces flags, or adds them: "" for one without a value, "-" to leave one out.
  std::vector<std::string> command(const std::map<std::string, std::string>& changed) const {
    std::map<std::string, std::string> flags{{"-m", golden_model("llama-untied.gguf")},
                                             {"--target", "1k"},
                                             {"--length", "128"},
                                             {"--data", text()},
                                             {"--steps", "6"},
                                             {"--out", out()},
                                             {"--held-out", "0.2"},
                                             {"--rank", "4"}};
    for (const auto& [flag, value] : changed) flags[flag] = value;
    std::vector<std::string> words{"extend"};
    for (const auto& [flag, value] : flags) {
      if (value == "-") continue;
      words.push_back(flag);
      if (!value.empty()) words.push_back(value);
    }
    return words;
  }
};

TEST_F(ExtendCommand, it_trains_measures_and_writes_an_adapter_and_a_merged_file) {
  const Ran ran = run(command({{"--merge", out("merged.gguf")},
                               {"--type", "f32"},
                               {"--eval-passkey", "1k"},
                               {"--eval-samples", "1"},
                               {"--mix", "retrieval:0.2"},
                               {"--length", "300"}}));
  ASSERT_EQ(ran.code, 0) << ran.err << ran.out;
  for (const char* part : {"1,024 tokens by yarn × ", "memory: at most", "6 steps", "trained on ", "merged: ", "gain",
                           "short texts (300 tokens): perplexity", "niah"})
    EXPECT_NE(ran.out.find(part), std::string::npos) << part << " in " << ran.out;
  for (const char* file : {"adapter_model.safetensors", "adapter_config.json", "tome_adapter.json", "loss.csv",
                           "loss.svg", "run.json", "after-perplexity/report.html", "before-passkey/results.jsonl"})
    EXPECT_TRUE(fs::exists(fs::path(out()) / file)) << file;
  const std::string curve = read(out() + "/loss.csv");
  EXPECT_EQ(std::count(curve.begin(), curve.end(), '\n'), 7);

  // The adapter applied and the merged file are one model.
  const std::string story = write("story.txt", "Day 5 was a day of wind and rain. Day 6 was a day of rain.");
  const auto score = [&](std::vector<std::string> model) {
    model.insert(model.begin(), {"score", "--precision", "fp32", "--json"});
    model.push_back(story);
    const Ran scored = run(model);
    EXPECT_EQ(scored.code, 0) << scored.err;
    return Json::parse(scored.out).at("mean_nll").get<double>();
  };
  const std::string base = golden_model("llama-untied.gguf");
  const double adapted = score({"-m", base, "--adapter", out()});
  EXPECT_NEAR(adapted, score({"-m", out("merged.gguf")}), 1e-4);
  EXPECT_GT(std::fabs(adapted - score({"-m", base})), 1e-3);

  // Another model refuses it; so does this one when it is told other positions.
  expect_failure(run({"score", "-m", golden_model("qwen3.gguf"), "--adapter", out(), story}), 2, "belongs to");
  expect_failure(
      run({"score", "-m", base, "--adapter", out(), "--rope-scaling", "linear", "--rope-factor", "2", story}), 2,
      "trained with positions");
  // The folder holds this run, not another one.
  const Ran other = run(command({{"--length", "300"}, {"--mix", "retrieval:0.2"}, {"--rank", "8"}, {"--no-eval", ""}}));
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("holds a run with rank 4, this one has 8"), std::string::npos) << other.err;
}

TEST_F(ExtendCommand, a_search_finds_divisors_and_goes_on_where_it_stopped) {
  std::map<std::string, std::string> flags{{"--search", "longrope"},     {"--steps", "0"},
                                           {"--search-population", "4"}, {"--search-generations", "2"},
                                           {"--search-samples", "4"},    {"--merge", out("merged.gguf")}};
  const Ran first = run(command(flags));
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.out.find("generation 2: perplexity"), std::string::npos) << first.out;
  const std::string looked_at = read(out() + "/search.json");
  // What the file says is believed, not looked at again: so is a loss that nothing else could have.
  Json kept = Json::parse(looked_at);
  ASSERT_GE(kept.at("candidates").size(), 4u);
  std::string wanted = "divisors:";
  int changed = 0;
  for (Json& candidate : kept.at("candidates")) {
    const Json& divisors = candidate.at("hundredths");
    if (divisors.front() != divisors.back()) continue;  // linear interpolation, which begins every search
    candidate["loss"] = 0.001;
    ++changed;
    for (const Json& divisor : divisors) wanted += fmt::format(" {:.2f}", divisor.get<double>() / 100.0);
  }
  ASSERT_EQ(changed, 1);
  EXPECT_EQ(first.out.find(wanted + "\n"), std::string::npos);
  write("out/search.json", kept.dump());
  const Ran again = run(command(flags));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find(wanted), std::string::npos) << again.out;
  write("out/search.json", looked_at);
  EXPECT_EQ(run(command(flags)).out, first.out);
  EXPECT_EQ(read(out() + "/search.json"), looked_at);
  const std::string story = write("story.txt", "Day 5 was a day of wind and rain. Day 6 was a day of rain.");
  EXPECT_EQ(run({"score", "-m", out("merged.gguf"), story}).code, 0);
  EXPECT_EQ(run({"score", "-m", golden_model("llama-untied.gguf"), "--adapter", out() + "/positions", story}).code, 0);
  flags["--seed"] = "3";
  const Ran other = run(command(flags));
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("search.json: holds a run with seed 1, this one has 3"), std::string::npos) << other.err;
  // What it found can be trained in the same folder.
  flags["--seed"] = "1";
  flags["--steps"] = "6";
  flags["--no-eval"] = "";
  const Ran trained = run(command(flags));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NE(trained.out.find("by longrope × "), std::string::npos) << trained.out;
}

TEST_F(ExtendCommand, ctrl_c_leaves_an_adapter_that_runs_and_the_same_command_goes_on) {
  const std::vector<std::string> long_run =
      command({{"--no-eval", ""}, {"--checkpoint-every", "1"}, {"--steps", "1000000"}});
  const std::string curve = out() + "/loss.csv";
  const Ran stopped = run(long_run, "", 0, curve);
  EXPECT_EQ(stopped.code, 130) << stopped.out;
  EXPECT_NE(stopped.err.find("interrupted after "), std::string::npos) << stopped.err;
  const std::string story = write("story.txt", "Day 5 was a day of wind and rain.");
  EXPECT_EQ(run({"score", "-m", golden_model("llama-untied.gguf"), "--adapter", out(), story}).code, 0);
  const auto steps = [&] {
    const std::string text = read(curve);
    return std::count(text.begin(), text.end(), '\n') - 1;
  };
  const auto before = steps();
  fs::remove(curve);
  const Ran again = run(long_run, "", 0, curve);
  EXPECT_NE(again.err.find(fmt::format("going on after {} of", before)), std::string::npos) << again.err;
  EXPECT_GT(steps(), before);
}

TEST_F(ExtendCommand, a_budget_becomes_steps_and_stays_what_it_was) {
  std::map<std::string, std::string> flags{{"--no-eval", ""}, {"--budget", "2s"}, {"--steps", "-"}};
  const Ran first = run(command(flags));
  ASSERT_EQ(first.code, 0) << first.err;
  const auto steps = Json::parse(read(out() + "/run.json")).at("steps").get<std::uint64_t>();
  EXPECT_GE(steps, 1u);
  flags["--budget"] = "1h";
  const Ran again = run(command(flags));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(Json::parse(read(out() + "/run.json")).at("steps").get<std::uint64_t>(), steps);
}

TEST_F(ExtendCommand, a_run_whose_samples_were_made_another_way_is_not_gone_on_with) {
  const std::vector<std::string> steps = command({{"--no-eval", ""}, {"--steps", "1"}});
  ASSERT_EQ(run(steps).code, 0);
  Json settings = Json::parse(read(out() + "/run.json"));
  ASSERT_TRUE(settings.contains("recipe"));
  settings["recipe"] = 0;
  std::ofstream(out() + "/run.json") << settings.dump();
  const Ran again = run(steps);
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("run.json: holds a run with recipe 0, this one has"), std::string::npos) << again.err;
}

TEST_F(ExtendCommand, what_cannot_be_done_is_said_in_a_line) {
  expect_failure(run(command({{"--samples", "odd"}})), 2, "--samples 'odd'");
  expect_failure(run(command({{"--mix", "retrieval:2"}})), 2, "--mix 'retrieval:2'");
  expect_failure(run(command({{"--precision", "f64"}})), 2, "--precision 'f64'");
  expect_failure(run(command({{"-m", golden_model("mistral-window")}})), 2, "every layer of this model has a sliding");
  expect_failure(run(command({{"--budget", "1h"}})), 2, "--steps and --budget");
  expect_failure(run(command({{"--steps", "-"}, {"--budget", "soon"}})), 2, "--budget");
  expect_failure(run(command({{"--eval-passkey", "foo"}})), 2, "--eval-passkey");
  expect_failure(run(command({{"--search", "longrope"}, {"--rope-scaling", "linear"}})), 2, "expected one of them");
  expect_failure(
      run(command({{"--search", "longrope"}, {"-m", golden_model("gemma3.gguf")}, {"--merge", out("m.gguf")}})), 1,
      "readers know it for llama alone");
  expect_failure(run(command({{"--steps", "0"}})), 2, "--steps 0");
  expect_failure(run(command({{"--rope-scaling", "longrope"}})), 2, "--search longrope");
  for (const char* method : {"self-extend", "dual-chunk", "dynamic-ntk", "yarn-paper"})
    expect_failure(run(command({{"--rope-scaling", method}, {"--merge", out("m.gguf")}})), 1,
                   "a model file can declare");
  expect_failure(run(command({{"--merge", out("m.gguf")}, {"-m", golden_model("llama-untied")}})), 2,
                 "not a GGUF file");
  expect_failure(run(command({{"--target", "64"}})), 2, "shorter than --length");
  expect_failure(run(command({{"--data", out("nothing.txt")}})), 1, "nothing.txt");
  expect_failure(run(command({{"--train", "q,zebra"}})), 2, "--train 'zebra'");
  EXPECT_FALSE(fs::exists(out("m.gguf")));
  const Ran help = run({"extend", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("Example"), std::string::npos);
}

}  // namespace
}  // namespace tome::testing
