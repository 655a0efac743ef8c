#pragma once
// The forward pass of a decoder-only transformer: llama, qwen2, qwen3 and gemma3 are this one graph, told apart by
// ModelConfig (formats/model_file.h says what differs). Attention, positions and states come in from the runtime; the
// Decoder owns weights' views and scratch. One call at a time.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "attention/flash.h"
#include "kernels/matmul.h"
#include "models/batch.h"
#include "models/weights.h"
#include "position/position_plan.h"

namespace tome {

/// How deep a sequence is read. A skim reads only as deep as one layer's keys need: the layers below it run whole
/// (those that see everything, with a window and sinks), of that layer only the keys are made, and the layers above not
/// at all.
struct ReadingDepth {
  std::optional<std::uint32_t> keys_of;  ///< a layer; none: the whole model
  std::uint64_t window = 4096;           ///< of full-attention layers below it
  std::uint64_t sinks = 64;              ///< and so many first keys, without which a window breaks a model
  bool operator==(const ReadingDepth&) const = default;
};

class Decoder {
 public:
  struct Options {
    bool fp32 = false;  ///< the reference path: fp32 products, weights dequantised row by row
    AttentionPrecision attention = AttentionPrecision::bf16;  ///< of the native path
  };
  Decoder(DecoderWeights weights, const Options& options);
  ~Decoder();

  const ModelConfig& config() const;
  /// Positions of full-attention and of sliding-window layers, from now on. Plans are copied.
  void set_positions(const PositionPlan& full, const PositionPlan& local);
  /// Which keys each layer sees from now on, of those that its window shows; nullptr: all. patterns: [layers], or none.
  void set_patterns(std::vector<std::shared_ptr<const AttentionPattern>> patterns) { patterns_ = std::move(patterns); }
  /// A state for one sequence; how deep it is read is the state's. Errors: as KvLayout::create; usage for a layer that
  /// is not there.
  Result<SequenceState> new_state(DType kv_type, const ReadingDepth& depth = {}) const;
  /// Bytes that states take for keys and values at `tokens` tokens, chunks of `chunk`.
  std::uint64_t kv_bytes(DType kv_type, std::uint64_t tokens, std::uint64_t chunk,
                         const ReadingDepth& depth = {}) const;

  /// Receives the logits [vocabulary] of batch[index], in order, for each token that wants them; valid during the call.
  using LogitsFunction = std::function<void(std::size_t index, std::span<const float> logits)>;
  /// Runs the batch; states take its tokens in. Sequences of a batch are read equally deep; a skim has no logits.
  void forward(const Batch& batch, const LogitsFunction& logits, std::span<HeadProbe> probes = {});

 private:
  struct Scratch;
  struct Run;
  static int ask_last_layer(std::size_t layer, const Batch& batch, std::vector<Run>& runs,
                            std::span<const HeadProbe> probes);
  static void keep_asked(const std::vector<Run>& runs, float* rows, std::size_t width);
  void expect_layer(std::size_t layer, int tokens);
  void expect_after(std::size_t layer, int tokens);
  void expect_keys(std::size_t layer, const std::vector<Run>& runs);
  void attention(std::size_t layer, const std::vector<Run>& runs, std::span<HeadProbe> probes);
  void make_keys(std::size_t layer, const std::vector<Run>& runs, std::span<HeadProbe> probes);
  std::vector<AttentionRequest> append(std::size_t layer, const Run& run);
  void attend(std::size_t layer, const Run& run, std::span<HeadProbe> probes);
  void probe(const std::vector<AttentionRequest>& requests, HeadProbe& probe, const Run& run, const float* lse);
  void feed_forward(std::size_t layer, int tokens);
  void logits_of(const Batch& batch, const std::vector<Run>& runs, const LogitsFunction& logits);

  DecoderWeights weights_;
  Options options_;
  PositionPlan plans_[2];  // [full, local]
  std::vector<std::shared_ptr<const AttentionPattern>> patterns_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace tome
