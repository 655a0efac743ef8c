#include "extend/workload.h"

#include <algorithm>
#include <chrono>

#include "cli/console.h"
#include "runtime/memory_at_hand.h"

namespace tome::extend {
namespace {

constexpr std::uint64_t kLookedAt = 32;  ///< samples whose lengths stand for all

std::uint64_t longest_sample(const SampleMaker& samples) {
  std::uint64_t longest = 0;
  for (std::uint64_t i = 0; i < kLookedAt; ++i)
    longest = std::max<std::uint64_t>(longest, samples.sample(i).tokens.size());
  return longest;
}

/// The first tokens of a sample that are one document.
TrainingSample beginning_of(TrainingSample sample, std::size_t tokens) {
  tokens = std::min(tokens, sample.tokens.size());
  sample.tokens.resize(tokens);
  sample.targets.resize(tokens);
  sample.positions.resize(tokens);
  sample.local_positions.resize(tokens);
  sample.document_start.resize(tokens);
  sample.shifted_group = 0;
  for (std::size_t i = 0; i < tokens; ++i) sample.targets[i] = sample.tokens[(i + 1) % tokens];
  return sample;
}

}  // namespace

Result<Workload> workload_of(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingWeights& weights,
                             const SampleMaker& samples) {
  std::uint64_t kept = 0;
  for (const auto& [key, tensor] : weights.tensors())
    kept += static_cast<std::uint64_t>(tensor.numel()) * static_cast<std::uint64_t>(tensor.element_size());
  // A gradient and AdamW's two means; a checkpoint is put together in memory.
  constexpr std::uint64_t bytes_a_trained = (1 + 2 + 3) * sizeof(float);
  for (const torch::Tensor& tensor : weights.trainable())
    kept += static_cast<std::uint64_t>(tensor.numel()) * bytes_a_trained;
  const std::uint64_t longest = std::max(longest_sample(samples), std::min(plan.samples.length, plan.target));
  const auto bytes = [&](Recompute recompute) {
    return kept + DecoderGradient::working_bytes(weights.config(), longest, recompute);
  };
  const std::uint64_t there = memory_at_hand();
  Workload load;
  if (flags.recompute == "nothing" || (flags.recompute == "auto" && bytes(Recompute::nothing) <= there / 5 * 4))
    load.recompute = Recompute::nothing;
  load.bytes = bytes(load.recompute);
  if (load.bytes > there)
    return fail(ErrorKind::memory, "[training] needs about {}, {} are at hand: a shorter --length or --precision bf16",
                cli::human_bytes(load.bytes), cli::human_bytes(there));
  return load;
}

double work_of(const ModelConfig& config, std::uint64_t tokens, std::uint64_t counted, Recompute recompute) {
  const double n = static_cast<double>(tokens), hidden = config.hidden, head_rows = config.head_dim;
  const double matrices = hidden * head_rows * (2.0 * config.heads + 2.0 * config.kv_heads) +
                          3.0 * hidden * static_cast<double>(config.feed_forward);
  const double times = recompute == Recompute::layers ? 3.0 : 2.0;  // forward, again, gradient of the input
  double work = static_cast<double>(counted) * hidden * static_cast<double>(config.vocabulary) * 2.0;
  for (const bool local : config.local_layers) {
    const double seen = local ? std::min(n, static_cast<double>(config.sliding_window)) : n / 2.0;
    // scores and context, and five products of the same size backwards
    work += n * matrices * times + n * seen * head_rows * config.heads * (2.0 * (times - 1.0) + 5.0);
  }
  return work;
}

double seconds_a_step(DecoderGradient& graph, const TrainingWeights& weights, const SampleMaker& samples,
                      const ExtendPlan& plan, Recompute recompute) {
  constexpr std::size_t timed = 256;
  const TrainingSample stretch = beginning_of(samples.sample(0), timed);
  double seconds = 0.0;
  for (int round = 0; round < 2; ++round) {  // the first warms caches and allocators up
    const auto start = std::chrono::steady_clock::now();
    graph.add_gradients(stretch, 1.0);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  for (torch::Tensor tensor : weights.trainable()) tensor.mutable_grad() = torch::Tensor();
  double work = 0.0;
  for (std::uint64_t i = 0; i < kLookedAt; ++i) {
    const TrainingSample sample = samples.sample(i);
    work += work_of(weights.config(), sample.tokens.size(), sample.counted(), recompute) / kLookedAt;
  }
  return seconds * work / work_of(weights.config(), stretch.tokens.size(), stretch.tokens.size(), recompute) *
         static_cast<double>(plan.trainer.samples_per_step);
}

}  // namespace tome::extend
