#pragma once
// The official scorers, one sample at a time: what a prediction is worth under its benchmark's own rule. Pure functions
// of text; any thread.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "evaluation/suite.h"

namespace tome {

/// What a scorer needs to know of a sample beside the prediction.
struct Gold {
  std::vector<std::string> answers;      ///< any of them, or all of them (RULER): the task's rule says which
  std::vector<std::string> all_classes;  ///< LongBench classification
  std::vector<std::string> options;      ///< multiple choice
};

/// 0 … 1. task: the benchmark's own name of it ("hotpotqa", "niah_single_1", "longbook_qa_eng" …), empty where a suite
/// has one task. Errors: usage, naming a task that the suite has not; format for gold that the rule cannot use.
Result<double> score_prediction(Suite suite, std::string_view task, std::string_view prediction, const Gold& gold);

/// What a guess without any context is worth: 1/4 with four options, else 0.
double chance_score(Suite suite, std::string_view task, const Gold& gold);

}  // namespace tome
