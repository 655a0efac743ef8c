#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace tome {
namespace {

struct Threads {
  explicit Threads(int count) { set_thread_count(count); }
  ~Threads() { set_thread_count(0); }
};

TEST(ThreadPool, every_task_runs_once_for_any_number_of_threads_and_both_orders) {
  for (const int threads : {1, 2, 3, 5}) {
    const Threads set(threads);
    for (const TaskOrder order : {TaskOrder::turns, TaskOrder::runs})
      for (int round = 0; round < 20; ++round)
        for (const std::int64_t count : {1, 2, 3, 7, 16, 100, 1001}) {
          std::vector<std::atomic<int>> times(static_cast<std::size_t>(count));
          std::atomic<bool> known = true;
          parallel_for(
              count,
              [&](std::int64_t index, int thread) {
                ++times[static_cast<std::size_t>(index)];
                if (thread < 0 || thread >= threads) known = false;
              },
              order);
          for (const std::atomic<int>& time : times) ASSERT_EQ(time.load(), 1) << threads << " threads, " << count;
          ASSERT_TRUE(known);
        }
  }
}

TEST(ThreadPool, reads_that_are_expected_may_lie_anywhere_and_change_nothing) {
  // Asked for and not read: the address of nothing, of what is no memory of this process, of an odd byte.
  const std::vector<std::byte> some(4096);
  for (const std::byte* first : {static_cast<const std::byte*>(nullptr), reinterpret_cast<const std::byte*>(1 << 16),
                                 reinterpret_cast<const std::byte*>(~std::uintptr_t{0} - 100), some.data() + 1}) {
    for (const int threads : {1, 2, 3}) {
      const Threads set(threads);
      for (int round = 0; round < 50; ++round) {
        for (int thread = 0; thread < threads + 2; ++thread)
          for (int read = 0; read < kMostReads + 2; ++read) expect_reads(thread, first, 1 << 18);
        std::atomic<int> sum = 0;
        parallel_for(9, [&](std::int64_t index, int) { sum += static_cast<int>(index); });
        ASSERT_EQ(sum, 36);
      }
    }
  }
}

TEST(ThreadPool, a_thread_that_is_held_up_keeps_nothing_but_its_task) {
  const Threads set(2);
  for (const TaskOrder order : {TaskOrder::turns, TaskOrder::runs})
    for (const int held : {0, 1}) {
      std::atomic<int> others = 0;
      std::atomic<bool> holding = false;
      parallel_for(
          64,
          [&](std::int64_t, int thread) {
            if (thread == held && !holding.exchange(true)) {
              while (others < 63) std::this_thread::yield();
              return;
            }
            if (thread != held)
              while (!holding) std::this_thread::yield();
            ++others;
          },
          order);
      EXPECT_EQ(others, 63);
    }
}

TEST(ThreadPool, a_run_of_neighbours_or_every_second_task_comes_first) {
  const Threads set(2);
  for (const TaskOrder order : {TaskOrder::turns, TaskOrder::runs}) {
    std::vector<std::int64_t> first(2, -1);  // of each thread
    std::atomic<int> begun = 0;
    parallel_for(
        10,
        [&](std::int64_t index, int thread) {
          if (first[static_cast<std::size_t>(thread)] >= 0) return;
          first[static_cast<std::size_t>(thread)] = index;
          ++begun;
          while (begun < 2) std::this_thread::yield();
        },
        order);
    EXPECT_EQ(first[0], 0);
    EXPECT_EQ(first[1], order == TaskOrder::runs ? first_of_run(1, 10) : 1);
    EXPECT_EQ(first_of_run(1, 10), 5);
  }
}

}  // namespace
}  // namespace tome
