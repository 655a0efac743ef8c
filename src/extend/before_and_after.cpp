#include "extend/before_and_after.h"

#include "base/mapped_file.h"
#include "cli/console.h"
#include "cli/eval_run.h"
#include "cli/eval_tables.h"
#include "evaluation/compare.h"
#include "evaluation/results.h"

namespace tome::extend {
namespace {

std::string held_out_path(const ExtendFlags& flags) { return flags.out + "/held-out.txt"; }

cli::EvalFlags reading(const ExtendFlags& flags, const std::string& lengths, const std::string& folder) {
  cli::EvalFlags eval;
  eval.model.model = flags.model;
  eval.model.threads = flags.threads;
  eval.data = {held_out_path(flags)};
  eval.lengths = lengths;
  eval.samples = flags.windows;
  eval.progress = flags.progress;
  eval.out = flags.out + "/" + folder;
  return eval;
}

}  // namespace

Result<bool> write_held_out(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingTexts& texts,
                            const Tokenizer& tokenizer) {
  std::string text;
  std::uint64_t tokens = 0;
  for (const TrainingDocument& document : texts.held_out) {
    text += tokenizer.decode(document.tokens) + "\n\n";
    tokens += document.tokens.size();
  }
  TOME_TRY(write_file_atomically(held_out_path(flags), text));
  return tokens > plan.target;
}

Status measure(const ExtendFlags& flags, const ExtendPlan& plan, When when) {
  const std::string lengths = fmt::format("{},{}", plan.samples.length, plan.target);
  if (when == When::after) {
    cli::EvalFlags eval = reading(flags, lengths, "eval-after");
    eval.model.adapter = flags.out;
    return cli::run_eval(eval, Suite::perplexity);
  }
  cli::EvalFlags native = reading(flags, fmt::format("{}", plan.samples.length), "eval-native");
  native.model.positions.scaling = "none";
  TOME_TRY(cli::run_eval(native, Suite::perplexity));
  cli::EvalFlags eval = reading(flags, lengths, "eval-before");
  eval.model.positions.scaling = flags.scaling;
  if (plan.scaling != ScalingMethod::none) eval.model.positions.factor = plan.factor;
  return cli::run_eval(eval, Suite::perplexity);
}

Status compare_before_and_after(const ExtendFlags& flags) {
  TOME_ASSIGN(const StoredRun before, read_run(flags.out + "/eval-before"));
  TOME_ASSIGN(const StoredRun after, read_run(flags.out + "/eval-after"));
  TOME_ASSIGN(const Comparison comparison, compare_runs(before, after));
  return cli::print(cli::comparison_text(comparison));
}

}  // namespace tome::extend
