#pragma once
// From result lines to a RunSummary (summary.h). Pure; deterministic.
#include "evaluation/results.h"
#include "evaluation/summary.h"

namespace tome {

RunSummary summarize(const StoredRun& run);

/// The task name of the mean over a length's tasks, each counting the same.
inline constexpr std::string_view kAllTasks = "all tasks";

}  // namespace tome
