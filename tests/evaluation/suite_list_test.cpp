#include "evaluation/suite_list.h"

#include <gtest/gtest.h>

#include "evaluation/dataset_sources.h"
#include "evaluation/ruler_source.h"
#include "evaluation/source_cases.h"

namespace tome {
namespace {

TEST(SuiteList, says_of_every_suite_what_it_needs_and_where_that_comes_from) {
  ASSERT_EQ(suite_list().size(), 11u);
  for (int suite = 0; suite < 11; ++suite) {
    const SuiteFacts& facts = suite_list()[static_cast<std::size_t>(suite)];
    EXPECT_EQ(static_cast<int>(facts.suite), suite);
    EXPECT_FALSE(suite_name(facts.suite).empty());
    for (const std::string_view text : {facts.asks, facts.needs, facts.from}) {
      EXPECT_FALSE(text.empty());
      EXPECT_EQ(text.find("://"), std::string_view::npos) << text;
    }
  }
}

TEST(SuiteList, every_task_that_is_listed_is_known_to_its_source) {
  const testing::FakeTokenizer tokenizer;
  SampleOptions options = testing::options_for(tokenizer);
  options.lengths = {16384};
  options.samples = 1;
  EXPECT_EQ(suite_tasks(Suite::longbench).size(), 21u + 13u);
  EXPECT_EQ(suite_tasks(Suite::infinitebench).size(), 12u);
  EXPECT_EQ(suite_tasks(Suite::ruler).size(), 13u);
  for (const std::string& task : suite_tasks(Suite::longbench)) {
    options.tasks = {task};
    EXPECT_NE(testing::error_of(make_longbench_source(options)).find("--data is missing"), std::string::npos) << task;
  }
  for (const std::string& task : suite_tasks(Suite::infinitebench)) {
    options.tasks = {task};
    EXPECT_NE(testing::error_of(make_infinitebench_source(options)).find("--data is missing"), std::string::npos)
        << task;
  }
  for (const std::string& task : suite_tasks(Suite::ruler)) {
    options.tasks = {task};
    EXPECT_EQ(testing::error_of(make_ruler_source(options)), "") << task;
  }
}

TEST(SuiteList, the_files_of_a_suite_are_those_of_its_tasks) {
  EXPECT_EQ(suite_files(Suite::longbench, {}).size(), 21u) << "v1 only";
  EXPECT_EQ(suite_files(Suite::longbench, {"e"}).size(), 13u);
  EXPECT_EQ(suite_files(Suite::longbench, {"qasper_e", "trec"}),
            (std::vector<std::string>{"trec.jsonl", "qasper_e.jsonl"}));
  EXPECT_EQ(suite_files(Suite::infinitebench, {"passkey"}), std::vector<std::string>{"passkey.jsonl"});
  EXPECT_EQ(suite_files(Suite::longbench_v2, {})[0], "data.json");
  EXPECT_TRUE(suite_files(Suite::infinitebench, {"paskey"}).empty());
  EXPECT_EQ(suite_files(Suite::ruler, {"qa_2", "vt"}), std::vector<std::string>{"hotpotqa.json"});
  EXPECT_TRUE(suite_files(Suite::ruler, {"niah_single_1"}).empty());
  EXPECT_TRUE(suite_files(Suite::govreport, {}).empty()) << "any name";
}

}  // namespace
}  // namespace tome
