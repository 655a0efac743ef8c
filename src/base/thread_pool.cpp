#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/check.h"

namespace tome {
namespace {

using Task = std::function<void(std::int64_t, int)>;

/// About 300 µs of asking before a helper sleeps: longer than the gap between two layers' products.
constexpr int kSpins = 20000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// A job's state is one word: generation | count | next index. Claiming a task is one compare-exchange on it, so that a
/// claim can only succeed while its job runs; the job ends when all claimed tasks have been done.
class Team {
 public:
  explicit Team(int threads) {
    for (int thread = 1; thread < threads; ++thread) helpers_.emplace_back([this, thread] { help(thread); });
  }
  ~Team() {
    stopping_ = true;
    wake();
    for (std::thread& helper : helpers_) helper.join();
  }
  int size() const { return static_cast<int>(helpers_.size()) + 1; }

  void run(std::int64_t count, const Task& task) {
    CHECK(count > 0 && count < (1 << kBits));
    task_.store(&task, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    const std::uint64_t generation = (state_.load(std::memory_order_relaxed) >> (2 * kBits)) + 1;
    state_.store(generation << (2 * kBits) | static_cast<std::uint64_t>(count) << kBits, std::memory_order_seq_cst);
    wake();
    work(0);
    for (int spin = 0; spin < kSpins; ++spin) {
      if (done_.load(std::memory_order_acquire) == count) return;
      pause();
    }
    waiting_.store(true,
                   std::memory_order_seq_cst);  // the helper has been put aside in the middle of a task: sleep too
    for (std::int64_t done = done_.load(std::memory_order_seq_cst); done != count;
         done = done_.load(std::memory_order_seq_cst))
      done_.wait(done, std::memory_order_seq_cst);
    waiting_.store(false, std::memory_order_relaxed);
  }

 private:
  static constexpr int kBits = 20;
  static constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;

  void wake() {
    signal_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) signal_.notify_all();
  }

  /// Takes tasks until the current job has none left.
  void work(int thread) {
    std::uint64_t state = state_.load(std::memory_order_acquire);
    while ((state & kMask) < ((state >> kBits) & kMask)) {
      if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      (*task_.load(std::memory_order_relaxed))(static_cast<std::int64_t>(state & kMask), thread);
      done_.fetch_add(1, std::memory_order_seq_cst);
      if (waiting_.load(std::memory_order_seq_cst)) done_.notify_one();
      state = state_.load(std::memory_order_acquire);
    }
  }

  void help(int thread) {
    std::uint32_t seen = 0;
    while (true) {
      for (int spin = 0; spin < kSpins && signal_.load(std::memory_order_acquire) == seen; ++spin) pause();
      if (signal_.load(std::memory_order_seq_cst) == seen) {
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        signal_.wait(seen, std::memory_order_seq_cst);
        sleepers_.fetch_sub(1, std::memory_order_relaxed);
      }
      seen = signal_.load(std::memory_order_acquire);
      if (stopping_) return;
      work(thread);
    }
  }

  std::vector<std::thread> helpers_;
  alignas(64) std::atomic<std::uint64_t> state_{0};
  alignas(64) std::atomic<std::int64_t> done_{0};
  alignas(64) std::atomic<std::uint32_t> signal_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<const Task*> task_{nullptr};
  std::atomic<bool> waiting_{false};
  std::atomic<bool> stopping_{false};
};

/// Processors this process may run on (a container or taskset may allow fewer than the machine has).
int machine_threads() {
  cpu_set_t allowed;
  const int count = sched_getaffinity(0, sizeof allowed, &allowed) == 0
                        ? CPU_COUNT(&allowed)
                        : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, count);
}

std::unique_ptr<Team>& team() {
  static auto instance = std::make_unique<Team>(machine_threads());
  return instance;
}

}  // namespace

void set_thread_count(int count) {
  const int wanted = count > 0 ? count : machine_threads();
  if (team()->size() != wanted) team() = std::make_unique<Team>(wanted);
}

int thread_count() { return team()->size(); }

void parallel_for(std::int64_t count, const Task& task) {
  if (count <= 0) return;
  if (count == 1 || thread_count() == 1) {
    for (std::int64_t index = 0; index < count; ++index) task(index, 0);
    return;
  }
  team()->run(count, task);
}

}  // namespace tome
