#include "training/tensor_memory.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/rng.h"

namespace tome {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

TEST(BlockPool, a_free_block_is_taken_again_for_what_is_about_as_large) {
  BlockPool pool;
  void* block = pool.take(9 * kMegabyte);
  std::memset(block, 1, 9 * kMegabyte);
  ASSERT_TRUE(pool.give_back(block));
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_EQ(pool.take(8 * kMegabyte), block);  // an eighth less
  EXPECT_EQ(pool.in_use(), 9 * kMegabyte);     // as much as it holds
  void* other = pool.take(8 * kMegabyte);      // nothing is free
  EXPECT_NE(other, block);
  ASSERT_TRUE(pool.give_back(block));
  void* smaller = pool.take(7 * kMegabyte);
  EXPECT_NE(smaller, block);  // 9 is more than 7 and an eighth of it
  pool.give_back(smaller);
  pool.give_back(other);
}

TEST(BlockPool, never_maps_more_than_was_in_use_at_once) {
  BlockPool pool;
  Rng rng(7);
  std::vector<void*> blocks;
  for (int step = 0; step < 2000; ++step) {
    if (!blocks.empty() && (rng.next() % 2 == 0 || blocks.size() > 20)) {
      const std::size_t at = rng.next() % blocks.size();
      ASSERT_TRUE(pool.give_back(blocks[at]));
      blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      const std::size_t bytes = 1 + rng.next() % (std::size_t{1} << 18);
      blocks.push_back(pool.take(bytes));
      std::memset(blocks.back(), 0xab, bytes);
    }
    ASSERT_LE(pool.in_use(), pool.mapped());
    ASSERT_LE(pool.mapped(), pool.most_in_use());
  }
  for (void* block : blocks) ASSERT_TRUE(pool.give_back(block));
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_GT(pool.mapped(), 0u);
  pool.release_free();
  EXPECT_EQ(pool.mapped(), 0u);
}

TEST(BlockPool, the_same_takings_again_map_nothing_new) {
  BlockPool pool;
  const auto step = [&] {
    std::vector<void*> kept;
    for (std::size_t layer = 0; layer < 6; ++layer) {
      kept.push_back(pool.take(2 * kMegabyte));
      for (const std::size_t size : {3, 5, 3}) pool.give_back(pool.take(size * kMegabyte));
    }
    for (void* block : kept) pool.give_back(block);
  };
  step();
  step();
  const std::size_t mapped = pool.mapped(), most = pool.most_in_use();
  EXPECT_EQ(most, (6 * 2 + 5) * kMegabyte);
  std::vector<void*> kept;
  for (int i = 0; i < 6; ++i) kept.push_back(pool.take(2 * kMegabyte));
  EXPECT_EQ(pool.mapped(), mapped);
  for (void* block : kept) pool.give_back(block);
}

TEST(BlockPool, refuses_what_it_did_not_give_and_more_than_there_is) {
  BlockPool pool;
  int mine = 0;
  EXPECT_FALSE(pool.give_back(&mine));
  EXPECT_FALSE(pool.give_back(nullptr));
  void* block = pool.take(1);
  ASSERT_TRUE(pool.give_back(block));
  EXPECT_FALSE(pool.give_back(block));  // twice
  EXPECT_THROW(pool.take(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(pool.take(SIZE_MAX / 4), std::bad_alloc);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(TensorMemory, holds_large_tensors_and_only_those) {
  use_tensor_memory();
  const std::size_t before = tensor_memory().in_use();
  {
    const torch::Tensor small = torch::ones({1000}), large = torch::ones({1 << 19}), none = torch::empty({0});
    EXPECT_EQ(tensor_memory().in_use() - before, 2 * kMegabyte);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small.data_ptr()) % 64, 0u);
    EXPECT_EQ((large + large).sum().item<float>(), static_cast<float>(1 << 20));
    EXPECT_EQ(small.sum().item<float>(), 1000.0f);
    EXPECT_EQ(none.numel(), 0);
    torch::Tensor grown = torch::empty({0});
    grown.resize_({1 << 19});
    EXPECT_EQ(tensor_memory().in_use() - before, 4 * kMegabyte);
  }
  EXPECT_EQ(tensor_memory().in_use(), before);
}

}  // namespace
}  // namespace tome
