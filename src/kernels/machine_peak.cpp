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

double ReadBandwidth::measure() const {
  std::atomic<std::uint64_t> sum{0};
  const double seconds = seconds_of([&] {
    parallel_for(static_cast<std::int64_t>(kReadBytes / kReadStep), [&](std::int64_t index, int) {
      const auto* words =
          reinterpret_cast<const std::uint64_t*>(buffer_.data() + static_cast<std::size_t>(index) * kReadStep);
      std::uint64_t total[8] = {};
      for (std::size_t i = 0; i < kReadStep / 8; i += 8)
        for (std::size_t lane = 0; lane < 8; ++lane) total[lane] += words[i + lane];
      for (const std::uint64_t part : total) sum += part;
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
