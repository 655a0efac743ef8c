// How far ahead lines of weights should be asked for on this machine (AskedAhead, kernels/kernel_table.h):
//   asked_ahead [BYTES…]
// Interleaved weights of some types and runs (of SmolLM2 135M and Gemma 3 270M), two halves by two threads, each run
// over memory that no cache holds. The distances take turns from run to run, so that what else the machine does meets
// all alike. Prints for each distance the median time of a run and, in brackets, what that reads.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/huge_memory.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"
#include "kernels/machine_peak.h"
#include "tensor/dtype.h"

namespace {

using namespace tome;
using namespace tome::kernels;

constexpr std::size_t kMemory = std::size_t{768} << 20;
constexpr std::size_t kBytesEach = std::size_t{1} << 30;  ///< read for each distance
constexpr int kThreads = 2;

struct Run {
  DType type;
  int columns, rows_each, tasks_each;  ///< of a task, of a thread
  bool gated;                          ///< two matrices whose tasks take turns
  std::size_t group_bytes() const { return row_bytes(type, static_cast<std::uint64_t>(columns)) * 16; }
  std::size_t task_bytes() const { return group_bytes() * static_cast<std::size_t>(rows_each) / 16; }
  std::size_t matrix_bytes() const { return task_bytes() * static_cast<std::size_t>(tasks_each); }  ///< a thread's
  std::string name() const {
    return std::string(dtype_name(type)) + ", " + std::to_string(rows_each * tasks_each * kThreads) +
           (gated ? " gated rows of " : " rows of ") + std::to_string(columns);
  }
  std::size_t bytes() const { return matrix_bytes() * (gated ? 2 : 1) * kThreads; }
};

constexpr Run kRuns[] = {
    {DType::q4_1, 576, 48, 6, false},   {DType::q4_1, 1536, 48, 6, false},   {DType::q4_1, 576, 96, 8, true},
    {DType::q4_1, 576, 192, 8, false},  {DType::q4_1, 576, 3072, 8, false},  {DType::q5_0, 640, 128, 8, true},
    {DType::q5_0, 640, 3072, 8, false}, {DType::q4_k, 2048, 32, 10, false},  {DType::q4_k, 1024, 1536, 8, false},
    {DType::q6_k, 2048, 32, 10, false}, {DType::q6_k, 1024, 1536, 8, false}, {DType::q8_0, 576, 48, 6, false},
    {DType::q8_0, 576, 96, 8, true},    {DType::q8_0, 576, 3072, 8, false}};

void multiply(const Run& run, const std::byte* memory, const std::byte* coded, int asked_ahead) {
  std::vector<float> out(static_cast<std::size_t>(run.rows_each));
  const std::byte* second = memory + run.matrix_bytes();
  for (int task = 0; task < run.tasks_each; ++task) {
    const std::size_t at = static_cast<std::size_t>(task) * run.task_bytes();
    InterleavedDots dots{.type = run.type,
                         .groups = memory + at,
                         .group_count = run.rows_each / 16,
                         .k = run.columns,
                         .inputs = coded,
                         .vectors = 1,
                         .out = out.data(),
                         .out_stride = out.size(),
                         .asked_ahead = asked_ahead,
                         .after = run.gated ? second + at : nullptr};
    kernels::kernels().interleaved_dots(dots);
    if (!run.gated) continue;
    dots.groups = second + at;
    dots.after = task + 1 < run.tasks_each ? memory + at + run.task_bytes() : nullptr;
    kernels::kernels().interleaved_dots(dots);
  }
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const KernelTable& table = kernels::kernels();
  if (table.interleaved_dots == nullptr) {
    std::puts("this machine has no products of interleaved rows (AVX-512 VNNI)");
    return 1;
  }
  std::vector<int> distances;
  for (int i = 1; i < argc; ++i) {
    const std::string_view text = argv[i];
    int bytes = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error != std::errc() || end != text.data() + text.size() || bytes < 0 || bytes > (1 << 20)) {
      std::fprintf(stderr, "asked_ahead: found '%s', expected bytes, 0 to 1048576\n", argv[i]);
      return 2;
    }
    distances.push_back(bytes);
  }
  if (distances.empty()) distances = {0, 512, 1024, 2048, 3072, 4096, 5120, 6144, 8192};
  set_thread_count(kThreads);
  HugeBuffer memory(kMemory);
  std::memset(memory.data(), 0x11, kMemory);  // small numbers of any type
  std::printf("reading memory %.1f GB/s; µs a run (GB/s) at each distance\n", measure_peak().read / 1e9);
  std::size_t at = 0;
  for (const Run& run : kRuns) {
    const std::vector<float> x(static_cast<std::size_t>(run.columns), 0.5f);
    std::vector<std::byte> coded(coded_input_bytes(run.columns));
    table.code_input(x.data(), run.columns, 0, run.columns, coded.data());
    const std::size_t rounds = std::clamp<std::size_t>(kBytesEach / run.bytes(), 30, 2000);
    std::vector<std::vector<double>> times(distances.size());
    for (std::size_t round = 0; round < rounds; ++round)
      for (std::size_t i = 0; i < distances.size(); ++i) {
        const std::size_t which = (i + round) % distances.size();
        at = at + 2 * run.bytes() > kMemory ? 0 : at + run.bytes();
        const auto started = std::chrono::steady_clock::now();
        parallel_for(
            kThreads,
            [&](std::int64_t half, int) {
              multiply(run, memory.data() + at + static_cast<std::size_t>(half) * run.bytes() / kThreads, coded.data(),
                       distances[which]);
            },
            TaskOrder::runs);
        times[which].push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
      }
    std::printf("%-29s", run.name().c_str());
    for (std::size_t i = 0; i < distances.size(); ++i) {
      const double seconds = median(times[i]);
      std::printf("  %d: %.1f (%.0f)", distances[i], seconds * 1e6, static_cast<double>(run.bytes()) / seconds / 1e9);
    }
    std::puts("");
    std::fflush(stdout);
  }
}
