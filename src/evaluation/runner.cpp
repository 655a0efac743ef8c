#include "evaluation/runner.h"

#include <chrono>

#include "base/cancel.h"
#include "evaluation/prefix_sessions.h"
#include "evaluation/work_left.h"
#include "runtime/generation.h"

namespace tome {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Result<SampleResult> scored(const Engine& engine, Suite suite, const Sample& sample, const GenerationResult& answer) {
  SampleResult result;
  result.id = sample.id;
  result.task = sample.task;
  result.cluster = sample.cluster;
  result.length = sample.length;
  result.depth = sample.depth;
  result.condition = sample.condition;
  result.recipe = sample.recipe;
  result.prompt_tokens = sample.prompt.size();
  result.new_tokens = answer.tokens.size();
  result.prediction = answer.text;
  result.stop = stop_reason_name(answer.reason);
  result.answers = sample.gold.answers;
  result.positions = engine.plan_fingerprint();
  result.chance = chance_score(suite, sample.task, sample.gold);
  result.bits = sample.bits;
  TOME_ASSIGN(result.score, score_prediction(suite, sample.task, answer.text, sample.gold));
  return result;
}

/// The samples that are there must be this source's first ones.
Status check_finished(const RunFolder& folder, const SampleSource& source) {
  const auto& finished = folder.finished();
  if (finished.size() > source.count())
    return fail(ErrorKind::usage, "[eval] the folder has {} results, this run has {} samples: give another --out",
                finished.size(), source.count());
  if (finished.empty()) return {};
  TOME_ASSIGN(const Sample last, source.make(finished.size() - 1));
  if (finished.back().id != last.id || finished.back().recipe != last.recipe ||
      finished.back().prompt_tokens != last.prompt.size())
    return fail(ErrorKind::usage, "[eval] result {} of the folder is '{}', this run has '{}' there: give another --out",
                finished.size(), finished.back().id, last.id);
  return {};
}

}  // namespace

Result<RunTotals> run_samples(Engine& engine, const SampleSource& source, RunFolder& folder,
                              const RunOptions& options) {
  TOME_TRY(check_finished(folder, source));
  RunTotals totals;
  PrefixSessions prefixes(engine, options.reuse);
  const double start = now();
  const std::size_t first = folder.finished().size(), count = source.count();
  WorkLeft work;
  if (options.progress) {
    std::uint64_t parameters = 0;
    for (const auto& [key, tensor] : engine.model().tensors) parameters += tensor.elements();
    TOME_ASSIGN(work, WorkLeft::estimate(source, attention_turn(engine.model().config, parameters)));
  }
  std::optional<Sample> next;
  if (first < count) {
    TOME_ASSIGN(next, source.make(first));
  }
  for (std::size_t index = first; index < count; ++index) {
    if (cancel_requested()) return fail(ErrorKind::cancelled, "interrupted after {} of {} samples", index, count);
    const Sample sample = std::move(*next);
    next.reset();
    if (index + 1 < count) {
      TOME_ASSIGN(next, source.make(index + 1));
    }
    if (sample.prompt.empty()) return fail(ErrorKind::usage, "[eval] sample '{}' has an empty prompt", sample.id);
    const double begin = now();
    TOME_ASSIGN(const auto reading,
                prefixes.read(sample.prompt, sample.max_new_tokens,
                              next ? std::span<const TokenId>(next->prompt) : std::span<const TokenId>()));
    const double read = now();
    GenerationOptions generation{.max_tokens = sample.max_new_tokens};
    if (sample.first_line_only) {
      generation.stop = {"\n"};
      generation.skip_leading_space = true;
    }
    TOME_ASSIGN(const GenerationResult answer, generate(*reading.session, engine.tokenizer(), generation));
    if (answer.reason == StopReason::cancelled)
      return fail(ErrorKind::cancelled, "interrupted after {} of {} samples", index, count);
    TOME_ASSIGN(const SampleResult result, scored(engine, options.suite, sample, answer));
    const double end = now();
    TOME_TRY(folder.append(result, {{"id", sample.id},
                                    {"read_seconds", read - begin},
                                    {"reused_tokens", reading.reused},
                                    {"answer_seconds", end - read}}));
    ++totals.samples;
    totals.prompt_tokens += sample.prompt.size();
    totals.read_tokens += sample.prompt.size() - reading.reused;
    totals.new_tokens += answer.tokens.size();
    totals.seconds = end - start;
    if (options.progress) {
      const double left = work.from(index + 1), done = work.from(first) - left;
      options.progress({"evaluating", index + 1, count, static_cast<double>(totals.samples) / totals.seconds,
                        left * totals.seconds / done});
    }
  }
  return totals;
}

}  // namespace tome
