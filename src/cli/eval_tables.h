#pragma once
// A run's summary as text for a terminal.
#include <string>

#include "evaluation/summary.h"

namespace tome::cli {

std::string summary_text(const RunSummary& summary);
std::string comparison_text(const Comparison& comparison);

}  // namespace tome::cli
