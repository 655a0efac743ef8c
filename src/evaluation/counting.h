#pragma once
// LongBench's counting and retrieval: which share of the numbers in the prediction is the right one.
#include "base/result.h"
#include "evaluation/python_text.h"

namespace tome {

/// Share of the runs of \d (digits of any script) that equal `number` as text: "07" is not "7". 0 without a run.
double share_of_number(python::TextView prediction, python::TextView number);

/// The number after the first `prefix` ("Paragraph ", "段落") in the gold answer. Errors: format, when there is none.
Result<double> retrieval_score(python::TextView prediction, python::TextView gold, python::TextView prefix);

}  // namespace tome
