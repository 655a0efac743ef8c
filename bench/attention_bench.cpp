// Attention alone, as a share of what the machine can do, measured in the same run:
//   attention_bench [--benchmark_filter=…]
// prefill/d:…/heads:…/kv:…/FORM/keys:N   causal prefill of N tokens in chunks of 512: share of the bf16 peak on
//                                   2·N²·heads·d (of_peak: the best of five short runs at the beginning; of_now: the
//                                   median of short runs between the chunks). FORM: the KV type, or int8 (products of 8
//                                   bits on q8_0)
// few/…/queries:Q                   Q queries over N cached keys: share of the roofline (bandwidth or peak), where the
//                                   bandwidth is measured between the runs of every row: it changes within a minute
// pattern/NAME/keys/N               N tokens in chunks of 512 under a pattern (d 256, 4 query heads on 1: Gemma 3
//                                   270M's); behind all runs the exponent of its time over N
// Decode-like runs go round caches of at least 128 MB in all, so that no cache of the machine helps.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attention/flash.h"
#include "attention/pattern.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"
#include "kernels/machine_peak.h"

namespace {

using namespace tome;

const kernels::MachinePeak& peak() {
  static const kernels::MachinePeak measured = kernels::measure_peak();
  return measured;
}

struct Shape {
  std::uint32_t head_dim, heads, kv_heads;
};

std::unique_ptr<PagedKv> make_cache(const Shape& shape, std::uint64_t keys, DType type, std::uint64_t seed) {
  auto cache = std::make_unique<PagedKv>(*KvLayout::create(type, shape.kv_heads, shape.head_dim), 0);
  cache->reserve(keys);
  Rng rng(seed);
  std::vector<float> key(shape.head_dim), value(shape.head_dim);
  for (float& v : value) v = static_cast<float>(rng.uniform() - 0.5);
  for (std::uint64_t position = 0; position < keys; ++position) {
    for (float& k : key) k = static_cast<float>(rng.uniform() - 0.5);
    for (std::uint32_t head = 0; head < shape.kv_heads; ++head) cache->write(position, head, key.data(), value.data());
  }
  cache->commit(keys);
  return cache;
}

/// How keys and values lie, and what the products are made of.
struct Form {
  std::string name;
  DType type;
  AttentionPrecision precision = AttentionPrecision::bf16;
};

struct Run {
  Shape shape;
  AttentionPrecision precision;
  AttentionScratch scratch;
  std::vector<float> queries, output, lse;
  Run(const Shape& s, AttentionPrecision p, int tokens) : shape(s), precision(p) {
    const std::size_t width = static_cast<std::size_t>(tokens) * s.heads * s.head_dim;
    queries.resize(width);
    output.resize(width);
    lse.resize(static_cast<std::size_t>(tokens) * s.heads);
    Rng rng(5);
    for (float& q : queries) q = static_cast<float>(rng.uniform() - 0.5);
  }
  AttentionRequest request(const PagedKv& cache, std::uint64_t first, int tokens) const {
    AttentionRequest request;
    request.shape = {shape.heads, shape.kv_heads, shape.head_dim, 0.125f};
    request.keys = &cache;
    request.queries = queries.data();
    request.query_stride = shape.heads * shape.head_dim;
    request.first_position = first;
    request.tokens = tokens;
    request.precision = precision;
    return request;
  }
  void attend(const PagedKv& cache, std::uint64_t first, int tokens) {
    flash_attention(request(cache, first, tokens), {output.data(), lse.data()}, scratch);
  }
};

constexpr std::uint64_t kChunksPerBurn = 8;

/// What the cores do of products from registers between the runs of a row: their clock changes within seconds, by a
/// tenth.
class Clock {
 public:
  void burn() {
    const kernels::KernelTable& table = kernels::kernels();
    rates_.push_back(kernels::operation_rate(table.burn_bf16 != nullptr ? table.burn_bf16 : table.burn_f32, 500'000));
  }
  double median_rate() {  // 0: no such instruction
    if (rates_.empty()) return 0;
    const auto middle = rates_.begin() + static_cast<std::ptrdiff_t>(rates_.size() / 2);
    std::nth_element(rates_.begin(), middle, rates_.end());
    return *middle;
  }

 private:
  std::vector<double> rates_;
};

void prefill(benchmark::State& state, Shape shape, Form form) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  constexpr int chunk = 512;
  const auto cache = make_cache(shape, keys, form.type, 1);
  Run run(shape, form.precision, chunk);
  Clock clock;
  for (auto _ : state) {
    double seconds = 0;
    for (std::uint64_t first = 0; first < keys; first += chunk) {
      if (first / chunk % kChunksPerBurn == 0) clock.burn();
      const auto start = std::chrono::steady_clock::now();
      run.attend(*cache, first, chunk);
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    state.SetIterationTime(seconds);
  }
  const double n = static_cast<double>(keys);
  const double flops = 2.0 * n * n * shape.heads * shape.head_dim * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(flops / 1e9, benchmark::Counter::kIsRate);
  const double limit = peak().bf16 > 0 ? peak().bf16 : peak().f32;
  if (limit > 0) state.counters["of_peak"] = benchmark::Counter(flops / limit, benchmark::Counter::kIsRate);
  const double now = clock.median_rate();
  if (now == 0) return;
  state.counters["now_GFLOP/s"] = now / 1e9;
  state.counters["of_now"] = benchmark::Counter(flops / now, benchmark::Counter::kIsRate);
}

void few(benchmark::State& state, Shape shape, Form form) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  const int queries = static_cast<int>(state.range(1));
  std::vector<std::unique_ptr<PagedKv>> caches;
  std::uint64_t total = 0;
  while (total < (std::uint64_t{128} << 20)) {
    caches.push_back(make_cache(shape, keys, form.type, caches.size()));
    total += caches.back()->bytes();
  }
  Run run(shape, form.precision, queries);
  static const kernels::ReadBandwidth reading;
  std::size_t next = 0, passes = 0;
  double seconds_per_byte = 0;
  for (auto _ : state) {
    if (next % caches.size() == 0) seconds_per_byte += 1 / reading.measure(), ++passes;
    const auto start = std::chrono::steady_clock::now();
    run.attend(*caches[next++ % caches.size()], keys - static_cast<std::uint64_t>(queries), queries);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const double bandwidth = static_cast<double>(passes) / seconds_per_byte;
  const double bytes = static_cast<double>(caches[0]->bytes()) * static_cast<double>(state.iterations());
  const double flops = 4.0 * static_cast<double>(keys) * shape.heads * shape.head_dim * queries *
                       static_cast<double>(state.iterations());
  state.counters["GB/s"] = benchmark::Counter(bytes / 1e9, benchmark::Counter::kIsRate);
  state.counters["limit_GB/s"] = bandwidth / 1e9;
  const double limit = peak().bf16 > 0 ? peak().bf16 : peak().f32;
  if (limit > 0)
    state.counters["of_roofline"] =
        benchmark::Counter(std::max(bytes / bandwidth, flops / limit), benchmark::Counter::kIsRate);
}

void pattern(benchmark::State& state, const std::string& name) {
  const Shape shape{256, 4, 1};
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  constexpr int chunk = 512;
  const auto cache = make_cache(shape, keys, DType::bf16, 1);
  const PatternOptions options = *parse_pattern(name);
  const auto pattern = AttentionPattern::create(options, keys);
  Run run(shape, AttentionPrecision::bf16, chunk);
  for (auto _ : state) {
    PageBounds bounds(cache->layout());
    if (options.pages > 0) bounds.update(*cache);  // part of the price
    for (std::uint64_t first = 0; first < keys; first += chunk) {
      AttentionRequest request = run.request(*cache, first, chunk);
      if (options.pages > 0) {
        request.bounds = &bounds;
        request.top_pages = options.pages;
      } else {
        request.visible.pattern = pattern.get();
      }
      flash_attention(request, {run.output.data(), run.lse.data()}, run.scratch);
    }
  }
}

/// Also fits the exponents.
class Reporter : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<benchmark::BenchmarkReporter::Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const auto& run : runs) {
      const std::string name = run.benchmark_name();
      const std::size_t keys = name.find("/keys/");
      if (!name.starts_with("pattern/") || keys == std::string::npos || run.iterations == 0 ||
          run.run_type != benchmark::BenchmarkReporter::Run::RT_Iteration)
        continue;
      points_[name.substr(8, keys - 8)].emplace_back(
          std::log(std::stod(name.substr(keys + 6))),
          std::log(run.real_accumulated_time / static_cast<double>(run.iterations)));
    }
  }
  void Finalize() override {
    ConsoleReporter::Finalize();
    for (const auto& [name, points] : points_) {
      if (points.size() < 2) continue;
      double x = 0, y = 0, xx = 0, xy = 0;
      const auto n = static_cast<double>(points.size());
      for (const auto& [a, b] : points) x += a / n, y += b / n;
      for (const auto& [a, b] : points) xx += (a - x) * (a - x), xy += (a - x) * (b - y);
      std::printf("%-40s time grows as n^%.2f\n", name.c_str(), xy / xx);
    }
  }

 private:
  std::map<std::string, std::vector<std::pair<double, double>>> points_;
};

}  // namespace

int main(int count, char** arguments) {
  std::printf("%d threads; peak: bf16 %.0f GFLOP/s, fp32 %.0f, int8 %.0f Gop/s, reading %.1f GB/s\n", thread_count(),
              peak().bf16 / 1e9, peak().f32 / 1e9, peak().int8 / 1e9, peak().read / 1e9);
  constexpr Shape shapes[] = {{64, 9, 3}, {128, 8, 2}, {256, 4, 1}};
  for (const Shape& shape : shapes) {
    const std::string name = "/d:" + std::to_string(shape.head_dim) + "/heads:" + std::to_string(shape.heads) +
                             "/kv:" + std::to_string(shape.kv_heads);
    for (const Form& form : {Form{"bf16", DType::bf16}, Form{"f16", DType::f16}, Form{"q8_0", DType::q8_0},
                             Form{"int8", DType::q8_0, AttentionPrecision::int8}}) {
      if (form.precision == AttentionPrecision::int8 && peak().int8 == 0) continue;
      const std::string typed = name + "/" + form.name + "/keys";
      benchmark::RegisterBenchmark(("prefill" + typed).c_str(), prefill, shape, form)
          ->Arg(8192)
          ->Arg(32768)
          ->Unit(benchmark::kMillisecond)
          ->UseManualTime();
      benchmark::RegisterBenchmark(("few" + typed).c_str(), few, shape, form)
          ->Args({32768, 1})
          ->Args({32768, 16})
          ->Unit(benchmark::kMillisecond)
          ->UseManualTime();
    }
  }
  for (const char* name : {"window:1024", "window:4096", "streaming:sinks=64,window=4096",
                           "longformer:window=1024,globals=64", "longformer:window=4096,globals=64",
                           "bigbird:window=8,random=32,seed=1", "window_v3:c=8", "page_top_k:pages=64"})
    benchmark::RegisterBenchmark(("pattern/" + std::string(name) + "/keys").c_str(), pattern, std::string(name))
        ->RangeMultiplier(2)
        ->Range(8192, 131072)
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 2;
  Reporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}
