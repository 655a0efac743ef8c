#pragma once
// The graph of models/decoder.h (llama, qwen2, qwen3, gemma3) in torch, and one step's gradients. Memory is linear in
// the sample's length: attention keeps no score matrix, logits exist for a slice of tokens at a time and for tokens
// that count alone, and, where wanted, each layer keeps nothing but its input and is run again when its gradient's turn
// comes (gradient checkpointing, arXiv 1604.06174). Not thread-safe.
#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "position/position_plan.h"
#include "training/training_weights.h"

namespace tome {

/// One text, or several documents side by side.
struct TrainingSample {
  std::vector<std::int32_t> tokens;   ///< inputs
  std::vector<std::int32_t> targets;  ///< [tokens] what follows each; kNoTarget: does not count
  static constexpr std::int32_t kNoTarget = -1;
  std::vector<std::uint64_t> positions;        ///< [tokens] of full-attention layers: skip-wise ones leave gaps
  std::vector<std::uint64_t> local_positions;  ///< [tokens] of sliding-window layers
  std::vector<std::uint32_t> document_start;   ///< [tokens] where the token's document begins in the sample
  std::vector<std::uint32_t> local_start;      ///< [tokens] where what sliding-window layers may see begins
  std::uint64_t shifted_group = 0;             ///< S² of full-attention layers (visible_range.h); 0: exact attention

  std::uint64_t counted() const;  ///< targets that count
};

/// What is run again for gradients instead of kept. The gradients are the same bit for bit.
enum class Recompute { layers, nothing };

class DecoderGradient {
 public:
  /// Plans of full-attention and sliding-window layers; each of one table. Both are copied; weights must outlive this.
  DecoderGradient(TrainingWeights& weights, PositionPlan full, PositionPlan local,
                  Recompute recompute = Recompute::layers);

  /// Bytes that add_gradients takes at most for a sample of `tokens` tokens, beside weights and their gradients.
  /// ranks: of a layer's low-rank changes, summed.
  static std::uint64_t working_bytes(const ModelConfig& config, std::uint64_t ranks, std::uint64_t tokens,
                                     Recompute recompute);

  /// Other positions of full-attention layers from now on; of one table.
  void set_positions(PositionPlan full);

  /// Negative log-likelihood of the counted targets, summed, nats. No gradients.
  double loss(const TrainingSample& sample);
  /// The same, and adds the gradient of `weight` · that sum to every trainable tensor's.
  double add_gradients(const TrainingSample& sample, double weight);
  /// [tokens, vocabulary], for tests: all at once.
  torch::Tensor logits(const TrainingSample& sample);

 private:
  struct Tables;
  Tables tables_of(const TrainingSample& sample) const;
  torch::Tensor embed(const TrainingSample& sample) const;
  torch::Tensor product(const torch::Tensor& x, Role role, int layer) const;
  torch::Tensor linear(const torch::Tensor& x, Role role, int layer, Role bias) const;
  torch::Tensor linear(const torch::Tensor& x, Role role, int layer) const;
  torch::Tensor norm(const torch::Tensor& x, Role role, int layer) const;
  torch::Tensor layer(int index, const torch::Tensor& x, const Tables& tables) const;
  torch::Tensor output_of(const torch::Tensor& hidden) const;
  double head(const torch::Tensor& hidden, const TrainingSample& sample, double weight, torch::Tensor* gradient) const;

  TrainingWeights& weights_;
  PositionPlan plans_[2];  // [full, local]
  Recompute recompute_;
};

}  // namespace tome
