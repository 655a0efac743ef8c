#pragma once
// From logits to a token: greedy, temperature, top-k, top-p, min-p, repetition penalty, seeded. Order as in llama.cpp:
// penalty → top-k → top-p → min-p → temperature.
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/rng.h"

namespace tome {

struct SamplingOptions {
  double temperature = 0.0;             ///< 0: greedy (the lowest id wins a tie)
  std::int32_t top_k = 40;              ///< 0: off
  double top_p = 0.95;                  ///< 1: off
  double min_p = 0.05;                  ///< 0: off
  double repetition_penalty = 1.0;      ///< 1: off; positive logits divided, negative multiplied
  std::int32_t repetition_window = 64;  ///< last tokens looked at; −1: all
  std::uint64_t seed = 0;
};
/// Errors: usage with the field, what was found and what is allowed (NaN, negative temperature, top_p outside (0, 1]
/// …).
Status validate(const SamplingOptions& options);

class Sampler {
 public:
  /// options: validated.
  explicit Sampler(const SamplingOptions& options) : options_(options), rng_(options.seed) {}
  /// logits: [vocabulary]; recent: tokens so far, for the penalty. NaN logits never win; all −inf/NaN: token 0.
  std::int32_t sample(std::span<const float> logits, std::span<const std::int32_t> recent);

 private:
  SamplingOptions options_;
  Rng rng_;
  std::vector<float> penalised_;  ///< [vocabulary]
  std::vector<std::int32_t> candidates_;
};

/// log softmax(logits)[token], in double precision. NaN counts as −inf; +inf logits share the whole probability.
double log_probability(std::span<const float> logits, std::int32_t token);
struct TokenLogProbability {
  std::int32_t token;
  double log_probability;
};
/// The n most likely tokens, best first, ties by lower id.
std::vector<TokenLogProbability> top_log_probabilities(std::span<const float> logits, std::size_t n);

}  // namespace tome
