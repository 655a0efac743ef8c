#pragma once
// `tome calibrate heads`: which heads of a model point at the passage that answers a question. Every head of every
// full-attention layer is scored on generated documents (calibration_text.h) at several lengths, with native and with
// scaled positions; heads are ranked by mean reciprocal rank on one half of the questions, and kept together as long as
// each one added helps on the other half.
#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "runtime/engine.h"
#include "runtime/evidence_heads.h"

namespace tome {

/// One setting of the sweep: documents of about `tokens` tokens; factor 1 is native, others YaRN.
struct CalibrationSetting {
  std::uint64_t tokens = 4096;
  double factor = 1.0;
};

struct CalibrationOptions {
  EngineOptions engine;
  std::vector<CalibrationSetting> settings = {{2048, 1.0}, {8192, 1.0}, {8192, 4.0}};
  std::size_t documents = 2;   ///< per setting
  std::size_t questions = 24;  ///< per document
  std::uint32_t passage_length = 64;
  std::size_t max_heads = 4;
  std::uint64_t seed = 1;
  ProgressFunction progress;  ///< unit: questions
};

/// What one question's passages got from every candidate head.
struct CalibrationSample {
  std::vector<std::vector<float>> scores;  ///< [head][passage]
  std::vector<std::size_t> gold;           ///< passages that hold the answer's sentence
  bool held_out = false;
  double lexical_reciprocal_rank = 0;  ///< BM25's
};

struct CalibratedHead {
  HeadId head;
  double reciprocal_rank = 0;  ///< mean over the questions that rank heads
  double held_out_reciprocal_rank = 0;
};

struct CalibrationResult {
  EvidenceHeads heads;
  std::vector<CalibratedHead> ranking;  ///< all candidates, best first
  double held_out_reciprocal_rank = 0;  ///< of `heads` together
  double lexical_reciprocal_rank = 0;   ///< BM25 on the held-out questions
  std::size_t questions = 0;
};

/// Errors: those of the engine; usage (no full-attention layer, a setting longer than the engine takes).
Result<CalibrationResult> calibrate_heads(const CalibrationOptions& options);

/// The choice alone, from samples at hand: ranking, then greedy addition.
CalibrationResult choose_heads(const std::vector<HeadId>& candidates, const std::vector<CalibrationSample>& samples,
                               std::size_t max_heads);
/// 1 / rank of the best gold passage under Σ weight · score; ties count as the worst of their places.
double reciprocal_rank(const CalibrationSample& sample,
                       const std::vector<std::pair<std::size_t, double>>& weighted_heads);

}  // namespace tome
