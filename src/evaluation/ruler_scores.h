#pragma once
// RULER's two scores (arXiv 2404.06654): references found in the prediction, lower case.
#include <string>
#include <vector>

#include "evaluation/python_text.h"

namespace tome {

/// strip, the 32 control characters to newlines, strip.
python::Text ruler_prediction(python::TextView prediction);
/// Share of the references that stand in the prediction. 0 references: 0 (official: an exception).
double match_all(python::TextView prediction, const std::vector<std::string>& references);
/// 1 when any of them does: the QA tasks.
double match_part(python::TextView prediction, const std::vector<std::string>& references);

}  // namespace tome
