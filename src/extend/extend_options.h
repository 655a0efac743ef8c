#pragma once
// What `tome extend` is asked to do, and what it makes of it: method, factor, positions, samples.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/flags.h"
#include "position/position_plan.h"
#include "training/sample_maker.h"
#include "training/trainer.h"

namespace tome::extend {

struct ExtendFlags {
  std::string model = "smollm2-135m";
  std::string target, length = "2k";
  std::vector<std::string> data;
  std::string out;
  std::string scaling = "yarn";
  std::optional<double> factor;
  std::string samples = "skip";  ///< skip, plain, shifted
  std::string mix;               ///< "", retrieval, retrieval:SHARE
  std::string train = "q,k,v,o,norms";
  std::uint32_t rank = 16;
  double alpha = 32.0;
  std::optional<std::uint64_t> steps;
  std::string budget;  ///< in place of steps
  std::uint64_t batch = 1, warmup = 20, seed = 1, checkpoint_every = 20;
  double learning_rate = 2e-4, short_share = 0.1, held_out = 0.03;
  std::string precision = "f32";   ///< f32, bf16
  std::string recompute = "auto";  ///< auto, layers, nothing
  std::string search;              ///< "", longrope
  std::uint32_t search_population = 16, search_generations = 6, search_samples = 4;
  bool evaluate = true;
  std::uint64_t windows = 1;  ///< of the target's length that are measured
  std::vector<std::string> eval_data;
  std::string eval_passkey = "auto";
  std::uint64_t eval_samples = 3;
  int threads = 0;
  std::string progress = "auto";
  std::string merge, merge_type = "bf16";
};

/// The answer to the flags, for one model.
struct ExtendPlan {
  ScalingMethod scaling = ScalingMethod::none;
  double factor = 1.0;
  std::vector<float> divisors;  ///< of longrope
  PositionPlan full, local;     ///< those of the extended model
  TrainingSampleOptions samples;
  TrainerOptions trainer;  ///< its steps are those of --steps; 0 where a budget decides
  std::uint64_t target = 0;
  std::vector<std::uint64_t> passkey_lengths;  ///< none: they are not asked for
};
/// divisors: what a search has found; empty: --rope-scaling, or YaRN where a search is still to come. Errors: usage,
/// naming the flag; unsupported for a scaling that no model file can declare.
Result<ExtendPlan> plan_extension(const ExtendFlags& flags, const ModelConfig& config,
                                  std::span<const float> divisors = {});

/// Gives the weights the changes that --train names; plan_extension has accepted the flags.
void choose_trainable(const ExtendFlags& flags, TrainingWeights& weights);

}  // namespace tome::extend
