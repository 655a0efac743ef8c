// What a run leaves beside its adapter: settings that another run is held against, and the curve.
#include "extend/run_record.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace tome::extend {
namespace {

namespace fs = std::filesystem;

struct RunRecord : ::testing::Test {
  RunRecord() : folder(fs::temp_directory_path() / ("tome_record_" + std::to_string(::getpid()))) {
    fs::create_directories(folder);
  }
  ~RunRecord() override { fs::remove_all(folder); }
  std::string read(const std::string& name) const {
    std::ifstream file(folder / name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  fs::path folder;
};

TEST_F(RunRecord, a_folder_belongs_to_the_settings_that_claimed_it) {
  const Json settings = {{"target", 4096}, {"steps", 12}, {"mix", ""}};
  EXPECT_TRUE(claim_folder(folder.string(), settings, Claim::look));
  EXPECT_FALSE(fs::exists(folder / "run.json"));
  EXPECT_EQ(*steps_begun_with(folder.string()), std::nullopt);
  ASSERT_TRUE(claim_folder(folder.string(), settings, Claim::write));
  EXPECT_TRUE(claim_folder(folder.string(), settings, Claim::write));
  EXPECT_EQ(*steps_begun_with(folder.string()), std::optional<std::uint64_t>(12));
  Json other = settings;
  other["mix"] = "retrieval";
  const Status refused = claim_folder(folder.string(), other, Claim::write);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  EXPECT_NE(refused.error().message.find("run.json: holds a run with mix \"\", this one has \"retrieval\""),
            std::string::npos)
      << refused.error().message;
  // Settings that are not named are not compared.
  EXPECT_TRUE(claim_folder(folder.string(), {{"target", 4096}}, Claim::look));
}

TEST_F(RunRecord, a_broken_run_file_is_refused_with_what_it_holds) {
  std::ofstream(folder / "run.json") << "[3]";
  EXPECT_NE(claim_folder(folder.string(), {}, Claim::look).error().message.find("[3], expected an object"),
            std::string::npos);
  std::ofstream(folder / "run.json") << R"({"steps": "many"})";
  EXPECT_NE(steps_begun_with(folder.string()).error().message.find("'steps' is \"many\", expected a whole number"),
            std::string::npos);
}

TEST_F(RunRecord, the_curve_holds_every_step_and_a_picture_of_the_means) {
  std::vector<TrainingStep> history;
  for (std::uint64_t i = 1; i <= 100; ++i)
    history.push_back({.number = i,
                       .loss = 4.0 - 0.01 * static_cast<double>(i),
                       .gradient_norm = 1.0,
                       .learning_rate = 1e-4,
                       .tokens = 100 + i});
  ASSERT_TRUE(write_curve(folder.string(), history));
  const std::string csv = read("loss.csv"), svg = read("loss.svg");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 101);
  EXPECT_NE(csv.find("\n100,3.000000,1.000000,0.0001,200\n"), std::string::npos) << csv;
  EXPECT_NE(svg.find("Loss of 100 steps"), std::string::npos);
  EXPECT_NE(svg.find("tokens trained on"), std::string::npos);
  ASSERT_TRUE(write_curve(folder.string(), {history[0]}));
}

}  // namespace
}  // namespace tome::extend
