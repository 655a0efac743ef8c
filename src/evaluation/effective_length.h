#pragma once
// From how many tokens a model still does its work: the longest measured length at which the score, made monotone over
// the lengths, reaches a threshold. RULER's rule (arXiv 2404.06654): 85.6, Llama 2's score at 4K. NoLiMa's (arXiv
// 2502.05167): 0.85 of the model's own base score, here that of the evidence alone, or of the shortest length without
// it.
#include <span>
#include <vector>

#include "evaluation/results.h"
#include "evaluation/summary.h"

namespace tome {

/// Both rules, each with the interval of a bootstrap by document. Empty with fewer than two lengths.
std::vector<EffectiveLength> effective_lengths(const std::vector<SampleResult>& results);

/// The non-increasing sequence nearest to `means` in weighted squares (pool adjacent violators).
std::vector<double> non_increasing_fit(std::span<const double> means, std::span<const double> weights);

}  // namespace tome
