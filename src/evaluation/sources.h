#pragma once
// Which source makes a suite's samples.
#include <memory>

#include "evaluation/sample.h"

namespace tome {

/// Errors: usage for a suite without samples (perplexity); those of the source.
Result<std::unique_ptr<SampleSource>> make_source(Suite suite, const SampleOptions& options);

}  // namespace tome
