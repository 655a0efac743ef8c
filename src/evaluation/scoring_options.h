#pragma once
// What may be chosen about the official rules; the defaults are score_prediction's of scorers.h.
#include "evaluation/code_similarity.h"
#include "evaluation/infinitebench_scores.h"
#include "evaluation/scorers.h"

namespace tome {

struct ScoringOptions {
  InfiniteBenchOptions infinitebench;
  StringRatio code_ratio = StringRatio::matching_blocks;
};

Result<double> score_prediction(Suite suite, std::string_view task, std::string_view prediction, const Gold& gold,
                                const ScoringOptions& options);

/// Usage error naming the tasks there are, when the suite has not this one.
Status check_task(Suite suite, std::string_view task);

}  // namespace tome
