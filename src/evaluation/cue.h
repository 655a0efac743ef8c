#pragma once
// Context utilization efficiency. The article that names it gives a rate of information won per length of input and no
// formula; these two are Tome's, with units (docs/evaluation.md):
//   E(L, d)     = (score − chance) / (1 − chance)
//   CUE_ret(L)  = mean over d of E(L, d) / E(evidence alone): dimensionless, what is left of an ability in a long text
//   CUE_rate(L) = 1000 · Σ bᵢ sᵢ / Σ Lᵢ: bits a kilotoken, beside its ceiling 1000 · Σ bᵢ / Σ Lᵢ
#include <vector>

#include "evaluation/results.h"
#include "evaluation/summary.h"

namespace tome {

/// One row a length that has samples of the full text and of the evidence alone, with intervals of a bootstrap by
/// document. None where nothing is answered on the evidence alone (the ratio is undefined), or
/// without bits.
std::vector<CueRow> context_utilization(const std::vector<SampleResult>& results);

}  // namespace tome
