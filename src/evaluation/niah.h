#pragma once
// Needles in a haystack (Kamradt 2023; the statement is that of passkey retrieval, arXiv 2305.16300): a grid of lengths
// × depths. A needle goes in at ⌊n·depth/100⌋ tokens, moved back to the end of a sentence; at depth 100 it is appended;
// 200 tokens of the length are left for the question and the answer. The depths of one sample share their haystack, so
// that its beginning is read once. Several needles: the first at the depth, the others evenly spread behind it.
#include <memory>

#include "evaluation/sample.h"

namespace tome {

/// options.lengths and depths: both wanted. Errors: usage (a length too short for the needles, an unknown needle form),
/// those of the haystack and of the model's chat template.
Result<std::unique_ptr<SampleSource>> make_niah_source(const SampleOptions& options);

}  // namespace tome
