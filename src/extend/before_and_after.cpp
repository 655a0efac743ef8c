#include "extend/before_and_after.h"

#include <fmt/ranges.h>

#include <cmath>
#include <map>

#include "base/mapped_file.h"
#include "cli/console.h"
#include "cli/eval_run.h"
#include "cli/eval_tables.h"
#include "evaluation/compare.h"
#include "evaluation/results.h"
#include "tokenizer/utf8.h"

namespace tome::extend {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

std::string text_path(const ExtendFlags& flags) { return flags.out + "/held-out.txt"; }
std::string run_path(const ExtendFlags& flags, std::string_view name) { return fmt::format("{}/{}", flags.out, name); }

cli::EvalFlags asked_of(const ExtendFlags& flags, std::string lengths, const std::string& folder) {
  cli::EvalFlags eval;
  eval.model.model = flags.model;
  eval.model.threads = flags.threads;
  eval.lengths = std::move(lengths);
  eval.progress = flags.progress;
  eval.out = run_path(flags, folder);
  eval.seed = flags.seed;
  return eval;
}

Status read_text(const ExtendFlags& flags, cli::EvalFlags eval, std::uint64_t windows, std::uint64_t target) {
  eval.data = {text_path(flags)};
  eval.samples = windows;
  // Sliding by their own length they lie side by side, and each begins with BOS, as the samples of the training do.
  eval.kinds = "disjoint,sliding,gain";
  eval.stride = fmt::format("{}", target);
  return cli::run_eval(eval, Suite::perplexity);
}

/// Sums of the windows of `length` tokens that begin with BOS, by the window's name.
std::map<std::string, std::pair<double, double>> short_windows(const StoredRun& run, std::uint64_t length) {
  std::map<std::string, std::pair<double, double>> found;  // nats, tokens
  for (const SampleResult& result : run.results) {
    if (!result.task.starts_with("sliding") || result.length != length) continue;
    auto& [nats, tokens] = found[result.id];
    for (const NllBucket& bucket : result.nll) {
      nats += bucket.sum;
      tokens += static_cast<double>(bucket.tokens);
    }
  }
  return found;
}

}  // namespace

std::string positions_folder(const ExtendFlags& flags) { return run_path(flags, "positions"); }

Result<bool> write_measured_text(const ExtendFlags& flags, const ExtendPlan& plan, const TrainingTexts& texts,
                                 const Tokenizer& tokenizer) {
  std::string text;
  for (const std::string& path : flags.eval_data) {
    TOME_ASSIGN(const std::string more, read_file(path, kMostBytes));
    if (!is_valid_utf8(more)) return fail(ErrorKind::format, "--eval-data {}: not UTF-8, expected a text", path);
    text += more;
  }
  if (flags.eval_data.empty())
    for (const TrainingDocument& document : texts.held_out) text += tokenizer.decode(document.tokens) + "\n\n";
  TOME_TRY(write_file_atomically(text_path(flags), text));
  return tokenizer.encode(text, AddSpecial::no, ParseSpecial::no).size() >= plan.target;
}

Status measure(const ExtendFlags& flags, const ExtendPlan& plan, When when) {
  const std::string lengths = fmt::format("{},{}", plan.samples.length, plan.target);
  const std::string name = when == When::before ? "before" : "after";
  const std::string adapter = when == When::before ? positions_folder(flags) : flags.out;
  if (when == When::before) {
    cli::EvalFlags native = asked_of(flags, fmt::format("{}", plan.samples.length), "native");
    native.model.positions.scaling = "none";
    TOME_TRY(read_text(flags, native, flags.windows * plan.target / plan.samples.length, plan.target));
  }
  cli::EvalFlags reading = asked_of(flags, lengths, name + "-perplexity");
  reading.model.adapter = adapter;
  TOME_TRY(read_text(flags, reading, flags.windows, plan.target));
  if (plan.passkey_lengths.empty()) return {};
  cli::EvalFlags passkey = asked_of(flags, fmt::format("{}", fmt::join(plan.passkey_lengths, ",")), name + "-passkey");
  passkey.model.adapter = adapter;
  passkey.haystack = {text_path(flags)};
  passkey.depths = "0,50,100";
  passkey.samples = flags.eval_samples;
  passkey.no_baselines = true;
  return cli::run_eval(passkey, Suite::niah);
}

Status compare_before_and_after(const ExtendFlags& flags, const ExtendPlan& plan) {
  TOME_ASSIGN(const StoredRun before, read_run(run_path(flags, "before-perplexity")));
  TOME_ASSIGN(const StoredRun after, read_run(run_path(flags, "after-perplexity")));
  TOME_ASSIGN(const Comparison reading, compare_runs(before, after));
  TOME_TRY(cli::print("\n" + cli::comparison_text(reading)));
  if (!plan.passkey_lengths.empty()) {
    TOME_ASSIGN(const StoredRun hidden, read_run(run_path(flags, "before-passkey")));
    TOME_ASSIGN(const StoredRun found, read_run(run_path(flags, "after-passkey")));
    TOME_ASSIGN(const Comparison passkeys, compare_runs(hidden, found));
    TOME_TRY(cli::print("\n" + cli::comparison_text(passkeys)));
  }
  TOME_ASSIGN(const StoredRun native, read_run(run_path(flags, "native")));
  const auto was = short_windows(native, plan.samples.length), is = short_windows(after, plan.samples.length);
  double nats_before = 0.0, nats_after = 0.0, tokens = 0.0;
  for (const auto& [id, sums] : was) {
    const auto same = is.find(id);
    if (same == is.end()) continue;
    nats_before += sums.first;
    nats_after += same->second.first;
    tokens += sums.second;
  }
  if (tokens == 0.0) return {};
  const double first = std::exp(nats_before / tokens), second = std::exp(nats_after / tokens);
  return cli::print(fmt::format(
      "\nshort texts ({} tokens): perplexity {:.3f} of the model as it was, {:.3f} of the trained one ({:+.1f} %)\n",
      cli::with_commas(plan.samples.length), first, second, 100.0 * (second / first - 1.0)));
}

}  // namespace tome::extend
