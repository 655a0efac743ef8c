#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <thread>

#ifdef TOME_THREADS_OPENMP
#include <omp.h>
#else
#include <vector>
#endif

namespace tome {
namespace {

int machine_threads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }
int chosen_threads = 0;

}  // namespace

void set_thread_count(int count) { chosen_threads = std::max(0, count); }

int thread_count() {
  if (chosen_threads == 0) chosen_threads = machine_threads();
  return chosen_threads;
}

void parallel_for(std::int64_t count, const std::function<void(std::int64_t, int)>& task) {
  const int threads = static_cast<int>(std::min<std::int64_t>(thread_count(), count));
  if (threads <= 1) {
    for (std::int64_t index = 0; index < count; ++index) task(index, 0);
    return;
  }
#ifdef TOME_THREADS_OPENMP
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::int64_t index = 0; index < count; ++index) task(index, omp_get_thread_num());
#else
  std::atomic<std::int64_t> next{0};
  std::vector<std::jthread> team;
  const auto work = [&](int thread) {
    for (std::int64_t index = next++; index < count; index = next++) task(index, thread);
  };
  for (int thread = 1; thread < threads; ++thread) team.emplace_back(work, thread);
  work(0);
#endif
}

}  // namespace tome
