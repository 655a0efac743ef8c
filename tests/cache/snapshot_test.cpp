#include "cache/snapshot.h"

#include <gtest/gtest.h>

#include "cache/snapshot_cases.h"
#include "formats/temporary_folder.h"

namespace tome {
namespace {

class SnapshotCases : public ::testing::TestWithParam<test::SnapshotCase> {};

TEST_P(SnapshotCases, are_accepted_or_refused_with_their_message) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("snapshot", GetParam().input);
  const auto loaded = load_snapshot(path, test::snapshot_identity(), test::snapshot_layout());
  if (GetParam().message.empty()) {
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->state.length(), test::kSnapshotTokens);
    EXPECT_EQ(loaded->tokens[3], 21);
    return;
  }
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find(GetParam().message), std::string::npos) << loaded.error().message;
  EXPECT_EQ(loaded.error().message.find('\n'), std::string::npos) << loaded.error().message;
}

INSTANTIATE_TEST_SUITE_P(Snapshot, SnapshotCases, ::testing::ValuesIn(test::snapshot_cases()),
                         [](const auto& entry) { return entry.param.name; });

}  // namespace
}  // namespace tome
