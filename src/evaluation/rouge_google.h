#pragma once
// ROUGE of Google's package rouge_score without a stemmer; InfiniteBench's summaries are scored by its rougeLsum.
// Words are runs of a–z and 0–9 after lower().
#include "base/result.h"
#include "evaluation/python_text.h"

namespace tome {

/// rouge1, rouge2 …: F of clipped n-gram counts.
double rouge_n(python::TextView prediction, python::TextView gold, std::size_t n);
/// rougeL: F of one longest common subsequence of the whole texts. Errors: unsupported (too long to compare).
Result<double> rouge_l_whole(python::TextView prediction, python::TextView gold);
/// rougeLsum: sentences are lines; the union of places per gold sentence, each word counted as often as both texts have
/// it. Errors: unsupported.
Result<double> rouge_l_sum(python::TextView prediction, python::TextView gold);

}  // namespace tome
