#pragma once
// How much of a run's work is left, in units that only compare: reading n tokens counts n + n²/turn, where `turn` is
// the length at which a model's attention costs as much as its other products. A few samples are made, evenly spread,
// and those between them are taken to lie between them: sources go from short to long texts.
#include <vector>

#include "evaluation/sample.h"
#include "formats/model_file.h"

namespace tome {

/// Tokens of context at which the attention of the full layers takes as many multiplications as everything else.
double attention_turn(const ModelConfig& config, std::uint64_t parameters);

class WorkLeft {
 public:
  /// At most `look` samples are made. Errors: those of the source.
  static Result<WorkLeft> estimate(const SampleSource& source, double turn, std::size_t look = 16);
  /// Of samples [index, count).
  double from(std::size_t index) const;

 private:
  std::vector<double> sums_{0.0};  ///< [count + 1]: of the samples before each
};

}  // namespace tome
