#pragma once
// LongBench's classification (trec, lsht).
#include <string>
#include <vector>

#include "evaluation/python_text.h"

namespace tome {

/// The classes that stand in the prediction, less those that are a proper part of the gold class; 1/count when the gold
/// one is among them. The official loop removes from the list that it walks, so that after a removal the next entry is
/// not looked at and stays.
double classification_score(python::TextView prediction, python::TextView gold,
                            const std::vector<std::string>& all_classes);

}  // namespace tome
