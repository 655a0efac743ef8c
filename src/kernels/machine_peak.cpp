#include "kernels/machine_peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace tome::kernels {
namespace {

constexpr int kRuns = 5;

template <class Work>
double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double best_rate(std::uint64_t (*burn)(std::uint64_t)) {
  double best = 0;
  for (int run = 0; run < kRuns; ++run) best = std::max(best, operation_rate(burn, 2'000'000));
  return best;
}

constexpr std::size_t kReadBytes = std::size_t{256} << 20, kReadStep = std::size_t{1} << 20;

}  // namespace

double operation_rate(std::uint64_t (*burn)(std::uint64_t), std::uint64_t rounds) {
  if (burn == nullptr) return 0;
  std::atomic<std::uint64_t> done{0};
  const double seconds =
      seconds_of([&] { parallel_for(thread_count(), [&](std::int64_t, int) { done += burn(rounds); }); });
  return static_cast<double>(done.load()) / seconds;
}

ReadBandwidth::ReadBandwidth() : buffer_(kReadBytes) {
  parallel_for(static_cast<std::int64_t>(kReadBytes / kReadStep), [&](std::int64_t index, int) {
    std::fill_n(buffer_.data() + static_cast<std::size_t>(index) * kReadStep, kReadStep, std::byte{1});
  });
}

namespace {

/// Four lines at a time, as wide as the machine's loads are: narrower ones fill a core's queues before its memory's.
#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
std::uint64_t
sum_of(const std::byte* step) {
  typedef std::uint64_t Line __attribute__((vector_size(64), may_alias));
  Line total[4] = {};
  for (std::size_t at = 0; at < kReadStep; at += sizeof total)
    for (std::size_t line = 0; line < 4; ++line) {
      Line words;
      __builtin_memcpy(&words, step + at + line * sizeof words, sizeof words);
      total[line] += words;
    }
  const Line all = total[0] + total[1] + total[2] + total[3];
  std::uint64_t sum = 0;
  for (int lane = 0; lane < 8; ++lane) sum += all[lane];
  return sum;
}

}  // namespace

double ReadBandwidth::measure() const {
  std::atomic<std::uint64_t> sum{0};
  const double seconds = seconds_of([&] {
    parallel_for(static_cast<std::int64_t>(kReadBytes / kReadStep), [&](std::int64_t index, int) {
      sum += sum_of(buffer_.data() + static_cast<std::size_t>(index) * kReadStep);
    });
  });
  return static_cast<double>(kReadBytes) / seconds;
}

MachinePeak measure_peak() {
  const KernelTable& table = kernels();
  MachinePeak peak{best_rate(table.burn_f32), best_rate(table.burn_bf16), best_rate(table.burn_int8)};
  const ReadBandwidth reading;
  for (int run = 0; run < kRuns; ++run) peak.read = std::max(peak.read, reading.measure());
  return peak;
}

}  // namespace tome::kernels
