#pragma once
// What a training run will take, told before it begins.
#include <cstdint>

#include "base/result.h"
#include "extend/extend_options.h"

namespace tome::extend {

struct Workload {
  Recompute recompute = Recompute::layers;
  std::uint64_t bytes = 0;  ///< weights, gradients, the optimiser's state and one sample's work: at most
};
/// auto: nothing is run again where that fits in 80 % of the memory at hand. Errors: memory, with what is needed and
/// what is there.
Result<Workload> workload_of(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingWeights& weights,
                             const SampleMaker& samples);

/// Multiply-adds of one sample's gradients, for ratios between samples.
double work_of(const ModelConfig& config, std::uint64_t tokens, std::uint64_t counted, Recompute recompute);

/// Seconds of a step: a short stretch of the first sample is timed, and scaled up to the first samples' lengths. Leaves
/// no gradients.
double seconds_a_step(DecoderGradient& graph, const TrainingWeights& weights, const SampleMaker& samples,
                      const ExtendPlan& plan, Recompute recompute);

}  // namespace tome::extend
