#pragma once
// InfiniteBench's rules (arXiv 2402.13718, compute_scores.py). They changed in August 2024; both forms are here.
#include <string_view>

#include "base/result.h"
#include "evaluation/scorers.h"

namespace tome {

enum class InfiniteBenchRules {
  cascades,     ///< as published: prefix cascades for choices, dialogue by whole upper-cased words
  last_letter,  ///< since August 2024: the last lone letter of a line first, dialogue by any label as a part
};

struct InfiniteBenchOptions {
  InfiniteBenchRules rules = InfiniteBenchRules::cascades;
  bool skip_first_number = false;  ///< math_calc: the official script does so for the model name "gpt4"
};

bool is_infinitebench_task(std::string_view task);
/// Choices take {text, letter} from gold.answers, or the letter from the text's place in gold.options. Errors: usage
/// (task), format (gold that the rule cannot use), unsupported (too long).
Result<double> infinitebench_score(std::string_view task, std::string_view prediction, const Gold& gold,
                                   const InfiniteBenchOptions& options = {});

}  // namespace tome
