#include "runtime/snapshot_cache.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tome {
namespace {

namespace fs = std::filesystem;

class SnapshotFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("tome_snapshots_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  /// A file of `bytes` bytes under the name of `key`, used `age` hours ago.
  void put(const SnapshotCache& cache, const std::string& key, std::size_t bytes, int age) {
    std::ofstream(cache.path_of(key)) << std::string(bytes, 'x');
    fs::last_write_time(cache.path_of(key), fs::file_time_type::clock::now() - std::chrono::hours(age));
  }
  fs::path folder_;
};

TEST_F(SnapshotFolder, those_used_longest_ago_go_first) {
  const SnapshotCache cache(folder_.string(), 1000);
  put(cache, "old", 400, 3);
  put(cache, "middle", 400, 2);
  put(cache, "young", 400, 1);
  EXPECT_EQ(cache.trim(800), 1u);
  EXPECT_FALSE(cache.find("old").has_value());
  EXPECT_TRUE(cache.find("middle").has_value());
  EXPECT_TRUE(cache.find("young").has_value());
}

TEST_F(SnapshotFolder, finding_one_makes_it_the_youngest) {
  const SnapshotCache cache(folder_.string(), 1000);
  put(cache, "old", 400, 3);
  put(cache, "young", 400, 1);
  ASSERT_TRUE(cache.find("old").has_value());
  EXPECT_EQ(cache.trim(500), 1u);
  EXPECT_TRUE(cache.find("old").has_value());
  EXPECT_FALSE(cache.find("young").has_value());
}

TEST_F(SnapshotFolder, other_peoples_files_are_left_alone) {
  const SnapshotCache cache(folder_.string(), 1000);
  std::ofstream(folder_ / "notes.txt") << std::string(5000, 'x');
  EXPECT_EQ(cache.trim(0), 0u);
  EXPECT_TRUE(fs::exists(folder_ / "notes.txt"));
}

TEST_F(SnapshotFolder, a_folder_that_is_not_there_yet_holds_nothing) {
  const SnapshotCache cache((folder_ / "none").string(), 1000);
  EXPECT_EQ(cache.trim(0), 0u);
  EXPECT_FALSE(cache.find("key").has_value());
}

TEST(SnapshotDirectory, follows_the_users_cache_folder) {
  ::setenv("XDG_CACHE_HOME", "/somewhere/cache", 1);
  EXPECT_EQ(SnapshotCache::default_directory(), "/somewhere/cache/tome/snapshots");
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(SnapshotCache::default_directory(), "/home/someone/.cache/tome/snapshots");
}

}  // namespace
}  // namespace tome
