#pragma once
// Asks a model every sample of a source, in order, and writes each result down as it comes. Greedy. Goes on after the
// results that the folder has.
#include <functional>
#include <string_view>

#include "base/progress.h"
#include "evaluation/results.h"
#include "runtime/engine.h"

namespace tome {

struct RunOptions {
  Suite suite = Suite::niah;
  bool reuse = true;          ///< read a shared beginning once
  ProgressFunction progress;  ///< done and total are samples
};

struct RunTotals {
  std::uint64_t samples = 0;                         ///< asked now, without those that were there
  std::uint64_t prompt_tokens = 0, read_tokens = 0;  ///< of prompts, and of these read: the rest was reused
  std::uint64_t new_tokens = 0;
  double seconds = 0;
};

/// Errors: those of the source, the engine and the folder; cancelled: what is written stays.
Result<RunTotals> run_samples(Engine& engine, const SampleSource& source, RunFolder& folder, const RunOptions& options);

}  // namespace tome
