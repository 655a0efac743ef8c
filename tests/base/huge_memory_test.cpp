#include "base/huge_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace tome {
namespace {

bool all_zero(const std::byte* bytes, std::size_t size) {
  return std::all_of(bytes, bytes + size, [](std::byte b) { return b == std::byte{0}; });
}

TEST(HugeBuffer, is_zeroed_aligned_and_moves) {
  HugeBuffer buffer(3'000'001);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % (std::size_t{2} << 20), 0u);
  EXPECT_TRUE(all_zero(buffer.data(), buffer.size()));
  buffer.data()[3'000'000] = std::byte{7};
  const HugeBuffer moved = std::move(buffer);
  EXPECT_EQ(moved.data()[3'000'000], std::byte{7});
  EXPECT_EQ(moved.size(), 3'000'001u);
  EXPECT_EQ(HugeBuffer().data(), nullptr);
}

TEST(HugeBuffer, of_an_impossible_size_is_refused) { EXPECT_THROW(HugeBuffer(SIZE_MAX - 5), std::bad_alloc); }

TEST(Pieces, do_not_overlap_and_come_back_zeroed) {
  constexpr std::size_t size = 70'001;  // rounded up to 64: 479 pieces in a region
  std::vector<std::shared_ptr<std::byte>> pieces;
  for (int i = 0; i < 1000; ++i) {
    pieces.push_back(allocate_piece(size));
    ASSERT_TRUE(all_zero(pieces.back().get(), size));
    std::memset(pieces.back().get(), i % 255 + 1, size);
  }
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(pieces[static_cast<std::size_t>(i)].get()[0], static_cast<std::byte>(i % 255 + 1));
    EXPECT_EQ(pieces[static_cast<std::size_t>(i)].get()[size - 1], static_cast<std::byte>(i % 255 + 1));
  }
  const std::byte* given_back = pieces[10].get();
  pieces.erase(pieces.begin() + 10);
  const auto again = allocate_piece(size);
  EXPECT_EQ(again.get(), given_back);
  EXPECT_TRUE(all_zero(again.get(), size));
}

TEST(Pieces, larger_than_a_region_have_one_of_their_own) {
  const std::size_t size = (std::size_t{33} << 20) + 1;
  const auto piece = allocate_piece(size);
  piece.get()[size - 1] = std::byte{1};
  EXPECT_NE(allocate_piece(size).get(), piece.get());
}

TEST(Pieces, may_be_taken_and_given_back_on_any_thread) {
  std::vector<std::thread> threads;
  std::vector<std::vector<std::shared_ptr<std::byte>>> kept(4);
  for (std::size_t thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 2000; ++i) {
        kept[thread].push_back(allocate_piece(4096));
        if (i % 3 == 0) kept[thread].erase(kept[thread].begin());
      }
    });
  for (std::thread& thread : threads) thread.join();
  std::set<const std::byte*> different;
  std::size_t count = 0;
  for (const auto& pieces : kept)
    for (const auto& piece : pieces) {
      different.insert(piece.get());
      ++count;
    }
  EXPECT_EQ(different.size(), count);
}

}  // namespace
}  // namespace tome
