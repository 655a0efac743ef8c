#pragma once
// ROUGE-L of the package `rouge` (pltrdy), as LongBench calls it; not Google's (rouge_google.h). Sentences end at every
// ".", words are sets, the union over sentences is of the words of common subsequences.
#include "base/result.h"
#include "evaluation/python_text.h"

namespace tome {

/// Steps of the package's recursive backtrack after which Python's limit of 1000 frames ends it under LongBench's
/// eval.py. Its scorer catches that and gives 0.
constexpr std::size_t rouge_l_most_steps = 990;
constexpr std::size_t rouge_l_most_steps_chinese = 989;  ///< one more caller

/// f = 2·(pr/(p + r + 1e−8)). 0 when either text has no piece between full stops, or a pair of sentences needs more
/// than `most_steps`. Errors: unsupported (too long to compare).
Result<double> rouge_l(python::TextView prediction, python::TextView gold, std::size_t most_steps = rouge_l_most_steps);

/// Over the words of chinese_words(), joined by spaces.
Result<double> chinese_rouge_l(python::TextView prediction, python::TextView gold);

}  // namespace tome
