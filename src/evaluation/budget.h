#pragma once
// How many samples a time allows: reading n tokens is timed at two lengths and taken as a·n + b·n², an answer's tokens
// as they were measured.
#include "evaluation/sample.h"
#include "runtime/engine.h"

namespace tome {

struct ReadingCost {
  double per_token = 0, per_token_squared = 0, per_new_token = 0;  ///< seconds
  double seconds(std::uint64_t prompt, std::uint64_t new_tokens) const;
};

/// Reads up to `longest` tokens twice (a few seconds).
Result<ReadingCost> measure_reading(Engine& engine, std::uint64_t longest);

/// Seconds for all of a source's samples, nothing reused; at most `look` of them are made, evenly spread.
Result<double> estimated_seconds(const SampleSource& source, const ReadingCost& cost, std::size_t look = 64);

}  // namespace tome
