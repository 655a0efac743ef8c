#pragma once
// The training loop: AdamW (arXiv 1711.05101) with warm-up, a cosine down to a tenth and clipped gradients, and a
// checkpoint from which a run goes on bit for bit (same machine, same threads). Not thread-safe.
#include <torch/optim/adamw.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "training/decoder_gradient.h"
#include "training/sample_maker.h"

namespace tome {

struct TrainerOptions {
  std::uint64_t steps = 0;
  std::uint64_t samples_per_step = 1;  ///< gradients are added up over so many
  double learning_rate = 2e-4;
  std::uint64_t warmup_steps = 20;
  double weight_decay = 0.0;
  double clip = 1.0;  ///< longest gradient, over all trainable tensors; 0: any
};

struct TrainingStep {
  std::uint64_t number = 0;  ///< from 1
  double loss = 0.0;         ///< nats a counted token
  double gradient_norm = 0.0, learning_rate = 0.0;
  std::uint64_t tokens = 0;  ///< counted
};

class Trainer {
 public:
  /// Turns weights.trainable(); all must outlive this.
  Trainer(TrainingWeights& weights, DecoderGradient& graph, const SampleMaker& samples, const TrainerOptions& options);

  std::uint64_t steps_done() const { return done_.size(); }
  bool finished() const { return steps_done() >= options_.steps; }
  /// Every step so far.
  const std::vector<TrainingStep>& history() const { return done_; }

  /// Errors: numeric, naming the step and its samples, where loss or gradient is not a number; nothing was changed
  /// then.
  Result<TrainingStep> step();

  /// Tensors, the optimiser's state and the history; written beside and renamed. Errors: io.
  Status save(const std::string& path) const;
  /// Takes up what save() left. Errors: io; format where the file is of other tensors.
  Status resume(const std::string& path);

  /// Of step `number`, from 1.
  static double learning_rate_of(const TrainerOptions& options, std::uint64_t number);

 private:
  DecoderGradient& graph_;
  const SampleMaker& samples_;
  TrainerOptions options_;
  std::vector<torch::Tensor> tensors_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
  std::vector<TrainingStep> done_;
};

}  // namespace tome
