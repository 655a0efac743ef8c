#pragma once
// What a training run will take, told before it begins.
#include <cstdint>

#include "base/result.h"
#include "extend/extend_options.h"

namespace tome::extend {

/// Whether the model's weights fit as --precision wants them. Errors: memory, with what is needed and what is there.
Status check_room_for_weights(const ExtendFlags& flags, const ModelFile& file);

struct Workload {
  Recompute recompute = Recompute::layers;
  /// Of the whole program at most: what is there, gradients, the optimiser's state, a sample's work.
  std::uint64_t bytes = 0;
};
/// The weights are there already. auto: nothing is run again where that fits in 80 % of the memory at hand. Errors:
/// memory, with what is needed, what is there, and what to change.
Result<Workload> workload_of(const ExtendFlags& flags, const TrainingWeights& weights, const SampleMaker& samples);

/// Multiply-adds of one sample's gradients: products with matrices, and attention.
struct Work {
  double products = 0.0, attention = 0.0;
};
Work work_of(const ModelConfig& config, const TrainingSample& sample, Recompute recompute);

/// Seconds of a step: two short stretches are timed, and scaled up to the first samples' lengths. Leaves no gradients.
double seconds_a_step(DecoderGradient& graph, const TrainingWeights& weights, const SampleMaker& samples,
                      const ExtendPlan& plan, Recompute recompute);

}  // namespace tome::extend
