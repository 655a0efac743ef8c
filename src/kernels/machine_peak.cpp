#include "kernels/machine_peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/huge_memory.h"
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
  if (burn == nullptr) return 0;
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::atomic<std::uint64_t> done{0};
    const double seconds =
        seconds_of([&] { parallel_for(thread_count(), [&](std::int64_t, int) { done += burn(2'000'000); }); });
    best = std::max(best, static_cast<double>(done.load()) / seconds);
  }
  return best;
}

}  // namespace

double measure_read_bandwidth() {
  constexpr std::size_t bytes = std::size_t{256} << 20, step = std::size_t{1} << 20;
  const HugeBuffer buffer(bytes);
  std::atomic<std::uint64_t> sum{0};
  const auto read = [&] {
    parallel_for(static_cast<std::int64_t>(bytes / step), [&](std::int64_t index, int) {
      const auto* words =
          reinterpret_cast<const std::uint64_t*>(buffer.data() + static_cast<std::size_t>(index) * step);
      std::uint64_t total[8] = {};
      for (std::size_t i = 0; i < step / 8; i += 8)
        for (std::size_t lane = 0; lane < 8; ++lane) total[lane] += words[i + lane];
      for (const std::uint64_t part : total) sum += part;
    });
  };
  parallel_for(static_cast<std::int64_t>(bytes / step), [&](std::int64_t index, int) {
    std::fill_n(buffer.data() + static_cast<std::size_t>(index) * step, step, std::byte{1});
  });
  double best = 0;
  for (int run = 0; run < kRuns; ++run) best = std::max(best, static_cast<double>(bytes) / seconds_of(read));
  return best;
}

MachinePeak measure_peak() {
  const KernelTable& table = kernels();
  return {best_rate(table.burn_f32), best_rate(table.burn_bf16), best_rate(table.burn_int8), measure_read_bandwidth()};
}

}  // namespace tome::kernels
