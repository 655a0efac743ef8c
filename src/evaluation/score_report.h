#pragma once
// What a file of predictions comes to, on its benchmark's own scale and with its own rounding.
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/intervals.h"
#include "evaluation/prediction_files.h"
#include "evaluation/scoring_options.h"

namespace tome {

/// 100: percent; 1: InfiniteBench and key-value retrieval give shares.
double score_scale(Suite suite);
/// LongBench round(100·Σ/n, 2), v2 with 1 decimal, RULER round(Σ/n·100, 2), InfiniteBench Σ/n; sums in the order of the
/// lines. values: 0 … 1, at least one.
double benchmark_score(Suite suite, std::span<const double> values);

struct ScoreRow {
  std::string name;
  double score = 0;
  std::size_t n = 0;
  Interval interval;  ///< on the score's scale, not rounded
};

struct ScoreReport {
  ScoreRow total;
  std::vector<ScoreRow> by_task;                       ///< when there are several
  std::vector<ScoreRow> by_length;                     ///< LongBench-E (numpy's rounding), LongBench v2
  std::vector<ScoreRow> by_difficulty;                 ///< LongBench v2
  std::vector<std::pair<std::string, double>> others;  ///< further scores of the same predictions: rouge_l …
  std::vector<std::string> notices;
  std::size_t skipped = 0;  ///< lines that could not be read or scored
};

struct ScoreReportOptions {
  Suite suite = Suite::niah;
  ScoringOptions scoring = {};
  bool longbench_e = false;
};

/// Of several tasks the score is the mean of theirs. Lines that the rule cannot score are told to `report`, and the
/// rest counts. Errors: usage (a suite without scorer), format (nothing left to score).
Result<ScoreReport> score_predictions(const std::vector<Prediction>& predictions, const ScoreReportOptions& options,
                                      const LineReport& report);

}  // namespace tome
