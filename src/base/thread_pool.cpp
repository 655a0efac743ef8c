#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/near_lines.h"

namespace tome {
namespace {

using Task = std::function<void(std::int64_t, int)>;

/// About 300 µs of asking before a helper sleeps: longer than the gap between two layers' products.
constexpr int kSpins = 20000;
/// Asked for between two looks at what is waited for.
constexpr std::size_t kBytesAtOnce = 4 * kLineBytes;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Bytes that are asked for some at a time. Addresses: what stood there may be gone.
struct Reading {
  struct Part {
    std::uintptr_t at = 0;
    std::size_t left = 0;
  };
  Part parts[kMostReads];

  void add(Part part) {
    for (Part& free : parts)
      if (free.left == 0) {
        free = part;
        return;
      }
  }
  bool ask() {
    for (Part& part : parts) {
      if (part.left == 0) continue;
      const std::size_t count = std::min(part.left, kBytesAtOnce);
      bring_near(reinterpret_cast<const std::byte*>(part.at), count);
      part.at += count;
      part.left -= count;
      return true;
    }
    return false;
  }
};

/// Each thread has a share of a job's tasks, and a word for it that others touch only when they have done theirs:
/// generation | end | next. Claiming a task is one compare-exchange on it, so that a claim can only succeed while its
/// job runs; the job ends when all claimed tasks have been done.
class Team {
 public:
  explicit Team(int threads)
      : shares_(static_cast<std::size_t>(threads)), expected_(static_cast<std::size_t>(threads)) {
    for (int thread = 1; thread < threads; ++thread) helpers_.emplace_back([this, thread] { help(thread); });
  }
  ~Team() {
    stopping_ = true;
    wake();
    for (std::thread& helper : helpers_) helper.join();
  }
  int size() const { return static_cast<int>(shares_.size()); }
  /// In TaskOrder::runs.
  std::int64_t first_of(int thread, std::int64_t count) const { return count * thread / size(); }
  void expect_reads(int thread, Reading::Part part) { expected_[static_cast<std::size_t>(thread)].add(part); }

  void run(std::int64_t count, const Task& task, TaskOrder order) {
    CHECK(count > 0 && count < (1 << kBits));
    job_ = {&task, count, order};
    done_.store(0, std::memory_order_relaxed);
    const std::uint64_t generation = (shares_[0].word.load(std::memory_order_relaxed) >> (2 * kBits)) + 1;
    for (int thread = 0; thread < size(); ++thread) {
      const auto tasks = order == TaskOrder::runs ? first_of(thread + 1, count) - first_of(thread, count)
                                                  : (count - thread + size() - 1) / size();
      Share& share = shares_[static_cast<std::size_t>(thread)];
      share.expect(std::exchange(expected_[static_cast<std::size_t>(thread)], {}));
      share.word.store(generation << (2 * kBits) | static_cast<std::uint64_t>(tasks) << kBits,
                       std::memory_order_seq_cst);
    }
    wake();
    work(0);
    Reading reading = shares_[0].reading();
    for (int spin = 0; spin < kSpins; ++spin) {
      if (done_.load(std::memory_order_acquire) == count) return;
      if (!reading.ask()) pause();
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

  struct Job {
    const Task* task;
    std::int64_t count;
    TaskOrder order;
  };
  struct alignas(64) Share {
    std::atomic<std::uint64_t> word{0};
    void expect(const Reading& reading) {
      for (int i = 0; i < kMostReads; ++i) {
        at[i].store(reading.parts[i].at, std::memory_order_relaxed);
        left[i].store(reading.parts[i].left, std::memory_order_relaxed);
      }
    }
    Reading reading() const {
      Reading reading;
      for (int i = 0; i < kMostReads; ++i)
        reading.parts[i] = {at[i].load(std::memory_order_relaxed), left[i].load(std::memory_order_relaxed)};
      return reading;
    }

   private:
    // What its thread asks for after the job. Of two jobs at worst, when the next one comes: it is asked for and not
    // read.
    std::atomic<std::uintptr_t> at[kMostReads]{};
    std::atomic<std::size_t> left[kMostReads]{};
  };

  void wake() {
    signal_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) signal_.notify_all();
  }

  /// Takes tasks until the current job has none left: its own from the front, then others' from the back.
  void work(int thread) {
    std::int64_t done = 0;
    for (int i = 0; i < size(); ++i) {
      const int owner = (thread + i) % size();
      std::atomic<std::uint64_t>& word = shares_[static_cast<std::size_t>(owner)].word;
      std::uint64_t state = word.load(std::memory_order_acquire);
      while ((state & kMask) < ((state >> kBits) & kMask)) {
        const bool own = i == 0;
        const std::uint64_t taken = own ? state + 1 : state - (std::uint64_t{1} << kBits);
        if (!word.compare_exchange_weak(state, taken, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
        const auto number = static_cast<std::int64_t>(own ? state & kMask : (taken >> kBits) & kMask);
        const Job job = job_;
        (*job.task)(job.order == TaskOrder::runs ? first_of(owner, job.count) + number : owner + number * size(),
                    thread);
        ++done;
        state = word.load(std::memory_order_acquire);
      }
    }
    if (done == 0) return;
    done_.fetch_add(done, std::memory_order_seq_cst);
    if (waiting_.load(std::memory_order_seq_cst)) done_.notify_one();
  }

  void help(int thread) {
    std::uint32_t seen = 0;
    Reading reading{};
    while (true) {
      for (int spin = 0; spin < kSpins && signal_.load(std::memory_order_acquire) == seen; ++spin)
        if (!reading.ask()) pause();
      if (signal_.load(std::memory_order_seq_cst) == seen) {
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        signal_.wait(seen, std::memory_order_seq_cst);
        sleepers_.fetch_sub(1, std::memory_order_relaxed);
      }
      seen = signal_.load(std::memory_order_acquire);
      if (stopping_) return;
      work(thread);
      reading = shares_[static_cast<std::size_t>(thread)].reading();
    }
  }

  std::vector<Share> shares_;
  std::vector<Reading> expected_;  ///< for the next run to hand on
  std::vector<std::thread> helpers_;
  Job job_{};  ///< written before the shares are, read by who has claimed a task
  alignas(64) std::atomic<std::int64_t> done_{0};
  alignas(64) std::atomic<std::uint32_t> signal_{0};
  std::atomic<int> sleepers_{0};
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

void parallel_for(std::int64_t count, const Task& task, TaskOrder order) {
  if (count <= 0) return;
  if (count == 1 || thread_count() == 1) {
    for (std::int64_t index = 0; index < count; ++index) task(index, 0);
    return;
  }
  team()->run(count, task, order);
}

std::int64_t first_of_run(int thread, std::int64_t count) { return team()->first_of(thread, count); }

void expect_reads(int thread, const std::byte* first, std::size_t bytes) {
  if (thread < thread_count()) team()->expect_reads(thread, {reinterpret_cast<std::uintptr_t>(first), bytes});
}

}  // namespace tome
