#include "training/visible_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tome {
namespace {

TEST(VisibleRange, shifted_groups_cross_the_borders_of_the_others) {
  const std::vector<std::uint32_t> one(16, 0);
  const auto rows = [](const torch::Tensor& keys) {
    return std::vector<std::int32_t>(keys.data_ptr<std::int32_t>(), keys.data_ptr<std::int32_t>() + keys.numel());
  };
  const std::vector<std::int32_t> plain{0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12},
      shifted{0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 10, 10, 10, 10, 14, 14};
  std::vector<std::int32_t> both = plain;
  both.insert(both.end(), shifted.begin(), shifted.end());
  EXPECT_EQ(rows(first_keys_of_shifted_groups(one, 4, 2, ShiftedHeads::second_half)), both);
  EXPECT_EQ(rows(first_keys_of_shifted_groups(one, 4, 1, ShiftedHeads::none)), plain);
  EXPECT_EQ(rows(first_keys_of_shifted_groups(one, 4, 1, ShiftedHeads::all)), shifted);
  std::vector<std::uint32_t> two(16, 0);
  std::fill(two.begin() + 5, two.end(), 5);
  EXPECT_EQ(rows(first_keys_of_shifted_groups(two, 4, 1, ShiftedHeads::none)),
            (std::vector<std::int32_t>{0, 0, 0, 0, 4, 5, 5, 5, 8, 8, 8, 8, 12, 12, 12, 12}));
  EXPECT_EQ(rows(first_keys(two, 3)), (std::vector<std::int32_t>{0, 0, 0, 1, 2, 5, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
}

}  // namespace
}  // namespace tome
