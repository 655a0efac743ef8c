#pragma once
// Two runs over the same samples: whether one is really better. Right/wrong answers by McNemar's exact test on the
// pairs that differ, other scores by a bootstrap of the pairs' differences, documents at a time.
#include "evaluation/results.h"
#include "evaluation/summary.h"

namespace tome {

/// Errors: usage when the runs have not the same samples (the first that differs is named).
Result<Comparison> compare_runs(const StoredRun& a, const StoredRun& b);

/// Two-sided exact binomial test of `only_a` against `only_b` at 1/2; 1 when both are 0.
double mcnemar_exact(std::uint64_t only_a, std::uint64_t only_b);

}  // namespace tome
