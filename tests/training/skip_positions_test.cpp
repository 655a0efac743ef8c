#include "training/skip_positions.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

namespace tome {
namespace {

TEST(SkipPositions, grow_from_0_stay_below_the_target_and_skip_once_a_border) {
  Rng rng(1);
  std::set<std::uint64_t> last, gaps_seen;
  for (int draw = 0; draw < 4000; ++draw) {
    const auto positions = skip_positions(100, 1000, 3, rng);
    ASSERT_EQ(positions.size(), 100u);
    EXPECT_EQ(positions.front(), 0u);
    EXPECT_LT(positions.back(), 1000u);
    std::size_t gaps = 0;
    for (std::size_t i = 1; i < positions.size(); ++i) {
      ASSERT_GT(positions[i], positions[i - 1]);
      gaps += positions[i] > positions[i - 1] + 1 ? 1 : 0;
    }
    EXPECT_LE(gaps, 2u);
    gaps_seen.insert(gaps);
    last.insert((positions.back() - 99) * 10 / 901);
  }
  EXPECT_TRUE(gaps_seen.contains(2));
  EXPECT_EQ(last.size(), 10u) << "every part of the target is reached";
}

TEST(SkipPositions, a_text_as_long_as_the_target_does_not_skip) {
  Rng rng(2);
  std::vector<std::uint64_t> plain(64);
  std::iota(plain.begin(), plain.end(), std::uint64_t{0});
  EXPECT_EQ(skip_positions(64, 64, 4, rng), plain);
  EXPECT_EQ(skip_positions(64, 640, 1, rng), plain);
  EXPECT_EQ(skip_positions(1, 640, 4, rng), std::vector<std::uint64_t>{0});
}

}  // namespace
}  // namespace tome
