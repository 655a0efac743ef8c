#pragma once
// RULER (Hsieh et al. 2024, arXiv 2404.06654): 13 synthetic tasks, each prompt grown to its length. Lengths count all:
// tokens(prompt with template and the answer's beginning) + new tokens ≤ length, as near as one unit of filler allows.
// The wording is our own unless --prompts brings the official one: also for what prompts are built of, under the names
// "needle", "noise", "vt_value", "vt_copy" and "document".
#include <memory>

#include "evaluation/sample.h"

namespace tome {

/// Needs lengths. samples: a task and length (0: the paper's 500). data: a folder with squad.json and hotpotqa.json;
/// without them qa_1 and qa_2 ask generated facts. Conditions: full; with baselines evidence_only (niah, vt, qa), and
/// no_context for qa alone, since nobody can know what the others ask. Errors: usage (unknown task, no length, a length
/// that a task's least prompt does not fit, with the tokens it needs); io, format of the files.
Result<std::unique_ptr<SampleSource>> make_ruler_source(const SampleOptions& options);

}  // namespace tome
