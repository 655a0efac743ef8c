// A run's folder: what is written comes back, half a line is forgotten, other settings are refused.
#include "evaluation/results.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/mapped_file.h"

namespace tome {
namespace {

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() / ("tome_run_" + std::to_string(::getpid()) +
                                                      ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  std::string file(const char* name) const { return (path_ / name).string(); }
  std::string text(const char* name) const { return *read_file(file(name), 1 << 20); }
  void write(const char* name, const std::string& text) const { std::ofstream(file(name), std::ios::binary) << text; }
  std::filesystem::path path_;
};

SampleResult answer(const std::string& id) {
  SampleResult result;
  result.id = id;
  result.task = "number";
  result.cluster = "4096/0";
  result.length = 4096;
  result.depth = 12.5;
  result.condition = Condition::evidence_only;
  result.recipe = {{"seed", 7}};
  result.prompt_tokens = 4000;
  result.new_tokens = 9;
  result.prediction = "1234567, \"quoted\"\nand \xe4\xbd\xa0";
  result.stop = "length";
  result.answers = {"1234567"};
  result.score = 1;
  result.chance = 0.25;
  result.bits = 23.1;
  result.positions = "abc";
  return result;
}

TEST_F(Folder, results_come_back_as_they_were_written) {
  auto folder = *RunFolder::open(path_, {{"suite", "niah"}});
  SampleResult nll = answer("b");
  nll.nll = {{0, 32, 31, 70.5, 0, 0, 0}, {32, 64, 32, 61.25, 1, 1.9, 3.7}};
  ASSERT_TRUE(folder.append(answer("a"), {{"id", "a"}}));
  ASSERT_TRUE(folder.append(nll, {{"id", "b"}}));
  const auto run = read_run(path_);
  ASSERT_TRUE(run) << run.error().message;
  ASSERT_EQ(run->results.size(), 2u);
  EXPECT_EQ(to_json(run->results[0]), to_json(answer("a")));
  EXPECT_EQ(to_json(run->results[1]), to_json(nll));
  EXPECT_EQ(run->results[1].nll[1].sum, 61.25);
  EXPECT_EQ(run->settings["suite"], "niah");
}

TEST_F(Folder, a_run_goes_on_after_its_last_whole_line) {
  {
    auto folder = *RunFolder::open(path_, {{"suite", "niah"}});
    for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(folder.append(answer(id), {}));
  }
  const std::string whole = text("results.jsonl");
  for (std::size_t cut = 0; cut <= whole.size(); cut += 37) {
    write("results.jsonl", whole.substr(0, cut));
    auto folder = RunFolder::open(path_, {{"suite", "niah"}});
    ASSERT_TRUE(folder) << cut << ": " << folder.error().message;
    const std::size_t there = folder->finished().size();
    EXPECT_EQ(there, static_cast<std::size_t>(
                         std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut), '\n')));
    const char* ids[] = {"a", "b", "c"};
    for (std::size_t i = there; i < 3; ++i) ASSERT_TRUE(folder->append(answer(ids[i]), {}));
    ASSERT_EQ(text("results.jsonl"), whole) << cut;
  }
}

TEST_F(Folder, refuses_other_settings_and_what_is_no_run_and_names_the_line_of_a_broken_result) {
  {
    auto folder = *RunFolder::open(path_, {{"suite", "niah"}, {"seed", 1}});
    const auto second = RunFolder::open(path_, {{"suite", "niah"}, {"seed", 1}});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("another process is writing it"), std::string::npos)
        << second.error().message;
  }
  { auto other = *RunFolder::open(path_, {{"suite", "niah"}, {"seed", 7}}); }  // nothing is lost yet
  {
    auto folder = *RunFolder::open(path_, {{"suite", "niah"}, {"seed", 1}});
    ASSERT_TRUE(folder.append(answer("a"), {{"id", "a"}}));
  }
  const auto message = [&](const Json& settings) {
    const auto folder = RunFolder::open(path_, settings);
    return folder ? std::string() : folder.error().message;
  };
  EXPECT_NE(message({{"suite", "niah"}, {"seed", 2}}).find("'seed' is 1, this run has 2"), std::string::npos);
  EXPECT_NE(message({{"suite", "niah"}}).find("'seed' is 1, this run has none"), std::string::npos);
  EXPECT_NE(message({{"suite", "niah"}, {"seed", 1}, {"x", 3}}).find("'x' is null, this run has 3"), std::string::npos);
  EXPECT_EQ(message({{"suite", "niah"}, {"seed", 1}}), "");
  write("results.jsonl", to_json(answer("a")).dump() + "\n{\"id\":3}\n");
  EXPECT_NE(message({{"suite", "niah"}, {"seed", 1}}).find("results.jsonl:2: field 'id' is 3, expected a string"),
            std::string::npos)
      << message({{"suite", "niah"}, {"seed", 1}});
  Json no_score = to_json(answer("a"));
  no_score.erase("score");
  write("results.jsonl", no_score.dump() + "\n");
  EXPECT_NE(message({{"suite", "niah"}, {"seed", 1}}).find("results.jsonl:1: no field 'score'"), std::string::npos);
  write("results.jsonl", to_json(answer("a")).dump() + "\n");
  std::filesystem::remove(file("run.json"));
  EXPECT_NE(message({{"suite", "niah"}, {"seed", 1}}).find("results without a run.json"), std::string::npos);
}

}  // namespace
}  // namespace tome
