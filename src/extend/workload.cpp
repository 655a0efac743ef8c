#include "extend/workload.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "cli/console.h"
#include "runtime/memory_at_hand.h"

namespace tome::extend {
namespace {

constexpr std::uint64_t kLookedAt = 32;  ///< samples whose lengths stand for all

TrainingSample longest_sample(const SampleMaker& samples) {
  TrainingSample longest;
  for (std::uint64_t i = 0; i < kLookedAt; ++i)
    if (TrainingSample sample = samples.sample(i); sample.tokens.size() > longest.tokens.size())
      longest = std::move(sample);
  return longest;
}

/// Its first tokens, all of which count.
TrainingSample beginning_of(TrainingSample sample, std::size_t tokens) {
  tokens = std::min(tokens, sample.tokens.size());
  sample.tokens.resize(tokens);
  sample.targets.resize(tokens);
  sample.positions.resize(tokens);
  sample.local_positions.resize(tokens);
  sample.document_start.resize(tokens);
  sample.local_start.resize(tokens);
  sample.shifted_group = 0;
  for (std::size_t i = 0; i < tokens; ++i) sample.targets[i] = sample.tokens[(i + 1) % tokens];
  return sample;
}

double seconds_of(DecoderGradient& graph, const TrainingSample& sample) {
  const auto start = std::chrono::steady_clock::now();
  graph.add_gradients(sample, 1.0);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Status check_room_for_weights(const ExtendFlags& flags, const ModelFile& file) {
  // With the transposed copies of frozen matrices; bf16 replaces fp32 matrix by matrix.
  const bool rounded = flags.precision == "bf16";
  std::uint64_t elements = 0, largest = 0;
  for (const auto& [key, view] : file.tensors) {
    elements += view.elements();
    largest = std::max(largest, view.elements());
  }
  const std::uint64_t bytes = rounded ? elements * sizeof(float) + largest * 2 : elements * 2 * sizeof(float);
  if (bytes > memory_at_hand())
    return fail(ErrorKind::memory, "[training] {}: its weights need {} as --precision {}, {} are at hand", file.path,
                cli::human_bytes(bytes), flags.precision, cli::human_bytes(memory_at_hand()));
  return {};
}

Result<Workload> workload_of(const ExtendFlags& flags, const TrainingWeights& weights, const SampleMaker& samples) {
  std::uint64_t to_come = 0;
  // A gradient, AdamW's two means and its passing work; a checkpoint of all three is put together in memory.
  constexpr std::uint64_t bytes_a_trained = (1 + 2 + 1 + 3) * sizeof(float);
  for (const torch::Tensor& tensor : weights.trainable())
    to_come += static_cast<std::uint64_t>(tensor.numel()) * bytes_a_trained;
  const std::uint64_t longest = samples.longest(), there = memory_at_hand();
  std::map<int, std::uint64_t> ranks;  // by layer
  for (const auto& [key, change] : weights.changes()) ranks[key.second] += static_cast<std::uint64_t>(change.a.size(0));
  std::uint64_t most_ranks = 0;
  for (const auto& [layer, sum] : ranks) most_ranks = std::max(most_ranks, sum);
  const auto bytes = [&](Recompute recompute) {
    return to_come + DecoderGradient::working_bytes(weights.config(), most_ranks, longest, recompute);
  };
  Workload load;
  if (flags.recompute == "nothing" || (flags.recompute == "auto" && bytes(Recompute::nothing) <= there / 5 * 4))
    load.recompute = Recompute::nothing;
  load.bytes = cli::peak_resident_bytes() + bytes(load.recompute);  // weights, texts and the program itself are there
  if (bytes(load.recompute) > there)
    return fail(ErrorKind::memory, "[training] needs about {} more, {} are at hand: a shorter {}{}",
                cli::human_bytes(bytes(load.recompute)), cli::human_bytes(there),
                flags.samples == "skip" ? "--length" : "--target",
                load.recompute == Recompute::nothing ? ", or --recompute layers" : "");
  return load;
}

Work work_of(const ModelConfig& config, const TrainingSample& sample, Recompute recompute) {
  const double n = static_cast<double>(sample.tokens.size()), hidden = config.hidden;
  const double matrices = hidden * config.head_dim * (2.0 * config.heads + 2.0 * config.kv_heads) +
                          3.0 * hidden * static_cast<double>(config.feed_forward);
  const double times = recompute == Recompute::layers ? 3.0 : 2.0;  // forward, again, gradient of the input
  Work work;
  work.products = static_cast<double>(sample.counted()) * hidden * static_cast<double>(config.vocabulary) * 2.0;
  const double whole = (sample.shifted_group == 0 ? n : static_cast<double>(sample.shifted_group)) / 2.0;
  for (const bool local : config.local_layers) {
    const double seen = local ? std::min(whole, static_cast<double>(config.sliding_window)) : whole;
    work.products += n * matrices * times;
    // Scores and context, and five products of the same size backwards.
    work.attention += n * seen * config.head_dim * config.heads * (2.0 * (times - 1.0) + 5.0);
  }
  return work;
}

double seconds_a_step(DecoderGradient& graph, const TrainingWeights& weights, const SampleMaker& samples,
                      const ExtendPlan& plan, Recompute recompute) {
  const TrainingSample longest = longest_sample(samples), near = beginning_of(longest, 256),
                       far = beginning_of(longest, 1024);
  graph.add_gradients(near, 1.0);  // warms caches and allocators up
  const double t = seconds_of(graph, near), u = seconds_of(graph, far);
  for (torch::Tensor tensor : weights.trainable()) tensor.mutable_grad() = torch::Tensor();
  const Work a = work_of(weights.config(), near, recompute), b = work_of(weights.config(), far, recompute);
  // Seconds a multiply-add of either kind; where the two stretches do not tell them apart, both cost the same.
  const double determinant = a.products * b.attention - b.products * a.attention;
  double of_products = (t * b.attention - u * a.attention) / determinant,
         of_attention = (a.products * u - b.products * t) / determinant;
  if (!(determinant != 0.0 && of_products > 0.0 && of_attention > 0.0))
    of_products = of_attention = u / (b.products + b.attention);
  double seconds = 0.0;
  for (std::uint64_t i = 0; i < kLookedAt; ++i) {
    const Work work = work_of(weights.config(), samples.sample(i), recompute);
    seconds += (work.products * of_products + work.attention * of_attention) / kLookedAt;
  }
  return seconds * static_cast<double>(plan.trainer.samples_per_step);
}

}  // namespace tome::extend
