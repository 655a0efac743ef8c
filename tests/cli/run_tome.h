#pragma once
// Runs the built binary as a user would and returns what it printed. Each test has a folder of its own, removed after
// it, which is also its home and cache.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"

namespace tome::testing {

struct Ran {
  int code = -1;  ///< exit code; 128 + signal when killed
  std::string out, err;
};

inline std::string golden_model(const std::string& name) { return std::string(TOME_TEST_DATA) + "/models/" + name; }

class TomeCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("tome_cli_") + std::to_string(getpid()) + "_" + info->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  /// interrupt_after_ms > 0: Ctrl-C after so long; interrupt_when: once that file is there (or a minute has passed).
  Ran run(std::vector<std::string> words, const std::string& input = "", int interrupt_after_ms = 0,
          const std::string& interrupt_when = "") const {
    const std::string in = write("stdin", input);
    const std::string out = (folder_ / "stdout").string(), err = (folder_ / "stderr").string();
    const pid_t child = fork();
    if (child == 0) {
      ::setenv("HOME", folder_.c_str(), 1);
      ::setenv("XDG_CACHE_HOME", (folder_ / "cache").c_str(), 1);
      dup2(open(in.c_str(), O_RDONLY), 0);
      dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
      dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
      std::vector<char*> arguments{const_cast<char*>(binary_.c_str())};
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      execv(binary_.c_str(), arguments.data());
      _exit(127);
    }
    if (interrupt_after_ms > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(interrupt_after_ms));
      kill(child, SIGINT);
    }
    if (!interrupt_when.empty()) {
      for (int waited = 0; waited < 3000 && !std::filesystem::exists(interrupt_when); ++waited)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      kill(child, SIGINT);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read(out), read(err)};
  }

  /// A failure is one line on standard error, the code, and nothing on standard output.
  static void expect_failure(const Ran& ran, int code, const std::string& part) {
    EXPECT_EQ(ran.code, code) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    EXPECT_NE(ran.err.find(part), std::string::npos) << ran.err;
  }

  std::filesystem::path folder_;
  std::string binary_ = TOME_BINARY;
};

/// The file of a packaged model: in TOME_TEST_MODELS, else in the user's cache. Empty when it is not there; the test
/// then skips, or fails under TOME_REQUIRE_MODELS=1.
inline std::string packaged_model(const std::string& file_name) {
  std::vector<std::string> folders;
  if (const char* given = std::getenv("TOME_TEST_MODELS")) folders.emplace_back(given);
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (cache != nullptr) folders.push_back(std::string(cache) + "/tome/models");
  if (home != nullptr) folders.push_back(std::string(home) + "/.cache/tome/models");
  for (const std::string& folder : folders) {
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error))
      if (entry->path().filename() == file_name) return entry->path().string();
  }
  return "";
}

}  // namespace tome::testing

#define TOME_NEED_MODEL(variable, file_name)                                                         \
  const std::string variable = ::tome::testing::packaged_model(file_name);                           \
  if (variable.empty()) {                                                                            \
    const char* required = std::getenv("TOME_REQUIRE_MODELS");                                       \
    if (required != nullptr && std::string(required) == "1") FAIL() << file_name << " is not there"; \
    GTEST_SKIP() << file_name << " is not there: `tome pull` it, or set TOME_TEST_MODELS";           \
  }
