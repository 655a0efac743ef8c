#pragma once
// `tome eval SUITE`: makes the samples, asks the model, writes the folder, prints the table.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "evaluation/suite.h"

namespace tome::cli {

struct EvalFlags {
  ModelFlags model;
  std::string lengths, depths, out, prompts, max_input, budget, progress = "auto", needle_form = "number", stride = "0",
                                                                kinds = "disjoint,sliding,gain";
  std::vector<std::string> data, haystack, tasks;
  std::optional<std::uint64_t> samples;
  std::uint64_t seed = 1, needles = 1;
  bool no_baselines = false, no_reuse = false, json = false;
};

void add_eval_flags(CLI::App& app, Suite suite, EvalFlags& flags);
Status run_eval(const EvalFlags& flags, Suite suite);

/// "10m", "90s", "2h". Errors: usage.
Result<double> seconds_of(const std::string& flag, const std::string& text);

}  // namespace tome::cli
