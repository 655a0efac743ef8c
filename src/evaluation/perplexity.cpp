#include "evaluation/perplexity.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <compare>
#include <map>
#include <span>

#include "base/cancel.h"
#include "runtime/document.h"
#include "runtime/sampler.h"

namespace tome {
namespace {

constexpr std::uint64_t kTarget = 512;      ///< tokens of the gain's target
constexpr std::uint64_t kBlock = 32;        ///< tokens taken as one observation
constexpr std::uint64_t kBucketsEach = 32;  ///< positions of a window are told in so many buckets

/// One forward reading: tokens [first_input, end) of the text after `bos`, of which [first_scored, end) count.
struct Window {
  std::string id, task;
  std::uint64_t length = 0;
  std::uint64_t first_input = 0, first_scored = 0, end = 0;
  std::uint64_t bucket = 0;  ///< positions a bucket
};

/// All lengths score the same tokens: whole windows of the longest.
std::vector<Window> windows_of(std::uint64_t all_tokens, const PerplexityOptions& options) {
  std::vector<Window> windows;
  const std::uint64_t longest = *std::max_element(options.lengths.begin(), options.lengths.end());
  std::uint64_t whole = all_tokens / longest;
  if (options.windows != 0) whole = std::min(whole, options.windows);
  const std::uint64_t tokens = whole * longest;
  const auto wanted = [&](const char* kind) {
    return std::find(options.kinds.begin(), options.kinds.end(), kind) != options.kinds.end();
  };
  for (const std::uint64_t length : options.lengths) {
    for (std::uint64_t start = 0; start + length <= tokens && wanted("disjoint"); start += length)
      windows.push_back({fmt::format("disjoint/{}/{}", length, start), "disjoint", length, start, start, start + length,
                         std::max<std::uint64_t>(kBlock, length / kBucketsEach)});
    const std::uint64_t stride =
        options.stride != 0 ? std::min(options.stride, length) : std::max<std::uint64_t>(1, length / 2);
    for (std::uint64_t end = length; end <= tokens && wanted("sliding"); end += stride)
      windows.push_back({fmt::format("sliding {}/{}/{}", stride, length, end), fmt::format("sliding {}", stride),
                         length, end - length, end == length ? 0 : end - stride, end, length});
  }
  for (std::uint64_t end = longest; end <= tokens && wanted("gain"); end += longest)
    for (const std::uint64_t length : options.lengths)
      if (length > kTarget)
        windows.push_back(
            {fmt::format("gain/{}/{}", length, end), "gain", length, end - length, end - kTarget, end, length});
  return windows;
}

/// What is read for a window: where it begins and ends, and whether the token before it comes first.
struct Reading {
  std::uint64_t first = 0, end = 0;
  bool after_one = false;
  auto operator<=>(const Reading&) const = default;
};

Reading reading_of(const Window& window) {
  return {window.first_input, window.end, window.first_input > 0 && window.task == "disjoint"};
}

/// Windows that read the same tokens (the longest one's disjoint, sliding and gain) read them once: a token's
/// likelihood does not depend on how a reading is cut into chunks.
struct SharedReading {
  std::uint64_t windows = 0;                ///< that still want it
  std::uint64_t first_scored = UINT64_MAX;  ///< of all of them
  std::vector<double> nll;                  ///< [end − first_scored], of text tokens; empty: not read yet
};

std::map<Reading, SharedReading> readings_of(std::span<const Window> windows) {
  std::map<Reading, SharedReading> readings;
  for (const Window& window : windows) {
    SharedReading& shared = readings[reading_of(window)];
    ++shared.windows;
    shared.first_scored = std::min(shared.first_scored, window.first_scored);
  }
  return readings;
}

Result<std::vector<TokenId>> tokens_of(const Engine& engine, const std::vector<std::string>& files) {
  std::string text;
  for (const std::string& file : files) {
    TOME_ASSIGN(const Document document, Document::load({file}));
    text += document.text();
  }
  return engine.tokenizer().encode(text, AddSpecial::no, ParseSpecial::no);
}

}  // namespace

void NllSums::close_block() {
  if (in_block_ == kBlock && !buckets_.empty()) {
    const double mean = block_sum_ / static_cast<double>(kBlock);
    ++buckets_.back().blocks;
    buckets_.back().block_mean_sum += mean;
    buckets_.back().block_mean_square_sum += mean * mean;
  }
  in_block_ = 0;
  block_sum_ = 0;
}

void NllSums::add(std::uint64_t position, double nll) {
  const std::uint64_t first = position / step_ * step_;
  if (buckets_.empty() || buckets_.back().first != first) {
    close_block();
    buckets_.push_back({.first = first, .last = first + step_});
  }
  ++buckets_.back().tokens;
  buckets_.back().sum += nll;
  block_sum_ += nll;
  if (++in_block_ == kBlock) close_block();
}

std::vector<NllBucket> NllSums::finish() {
  close_block();
  return std::move(buckets_);
}

Result<RunTotals> run_perplexity(Engine& engine, RunFolder& folder, const PerplexityOptions& options) {
  if (options.lengths.empty()) return fail(ErrorKind::usage, "[eval] perplexity: expected --lengths");
  for (const std::string& kind : options.kinds)
    if (kind != "disjoint" && kind != "sliding" && kind != "gain")
      return fail(ErrorKind::usage, "[eval] perplexity: --kinds '{}', expected disjoint, sliding or gain", kind);
  TOME_ASSIGN(const std::vector<TokenId> text, tokens_of(engine, options.files));
  const std::vector<Window> windows = windows_of(text.size(), options);
  if (windows.empty())
    return fail(ErrorKind::usage, "[eval] perplexity: the text has {} tokens, expected at least the longest length, {}",
                text.size(), *std::max_element(options.lengths.begin(), options.lengths.end()));
  const TokenizerSpec& spec = engine.tokenizer().spec();
  std::vector<TokenId> bos;
  if (spec.add_bos) bos.push_back(static_cast<TokenId>(spec.bos));
  RunTotals totals;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  const std::size_t done = folder.finished().size();
  if (done > windows.size() || (done > 0 && folder.finished().back().id != windows[done - 1].id))
    return fail(ErrorKind::usage, "[eval] the folder's results are not this run's: give another --out");
  std::map<Reading, SharedReading> readings = readings_of(std::span(windows).subspan(done));
  for (std::size_t index = done; index < windows.size(); ++index) {
    if (cancel_requested())
      return fail(ErrorKind::cancelled, "interrupted after {} of {} windows", index, windows.size());
    const Window& window = windows[index];
    // The first token counts too where something comes before it: BOS, or the last token of the window before.
    const auto shared = readings.find(reading_of(window));
    std::vector<TokenId> input;
    if (shared->first.after_one) {
      input.push_back(text[window.first_input - 1]);
    } else {
      input = bos;
    }
    const std::uint64_t before = input.size();
    input.insert(input.end(), text.begin() + static_cast<std::ptrdiff_t>(window.first_input),
                 text.begin() + static_cast<std::ptrdiff_t>(window.end));
    const double begin = seconds();
    const std::uint64_t read = input.size() - 1;  // the last token is a target alone
    std::vector<double>& nll = shared->second.nll;
    std::uint64_t fresh = 0;  // tokens read for this window
    // The first token of a text without BOS has no likelihood.
    const std::uint64_t first_known = std::max(shared->second.first_scored, window.first_input + (before == 0 ? 1 : 0));
    TOME_TRY(engine.fit(read, std::span<const TokenId>(input).first(read)));
    if (nll.empty()) {
      fresh = read;
      TOME_ASSIGN(const auto session, engine.new_session(read));
      // The rows before the first that counts need no logits: they are read without.
      const std::uint64_t unscored = first_known - window.first_input + before - 1;
      const std::span<const TokenId> all(input);
      if (unscored > 0) TOME_TRY(session->prefill(all.first(unscored)));
      TOME_TRY(session->prefill_with_logits(all.subspan(unscored, read - unscored),
                                            [&](std::uint64_t row, std::span<const float> logits) {
                                              nll.push_back(-log_probability(logits, input[unscored + row + 1]));
                                            }));
    }
    NllSums sums(window.bucket);
    for (std::uint64_t token = std::max(window.first_scored, first_known); token < window.end; ++token)
      sums.add(token - window.first_input, nll[token - first_known]);
    if (--shared->second.windows == 0) readings.erase(shared);
    SampleResult result;
    result.id = window.id;
    result.task = window.task;
    result.cluster = fmt::format("{}", window.end);
    result.length = window.length;
    result.recipe = {{"first", window.first_input}, {"scored", window.first_scored}, {"end", window.end}};
    result.prompt_tokens = read;
    result.positions = engine.plan_fingerprint();
    result.nll = sums.finish();
    for (NllBucket& bucket : result.nll) {
      bucket.last = std::min(bucket.last, window.end - window.first_input);
      if (!std::isfinite(bucket.sum))
        return fail(ErrorKind::format,
                    "[eval] window '{}': the model's log-likelihood is not finite at positions {} to {}", window.id,
                    bucket.first, bucket.last);
    }
    TOME_TRY(folder.append(result, {{"id", result.id}, {"seconds", seconds() - begin}}));
    ++totals.samples;
    totals.prompt_tokens += read;
    totals.read_tokens += fresh;
    totals.seconds = seconds();
    if (options.progress) {
      const double rate = static_cast<double>(totals.samples) / totals.seconds;
      options.progress(
          {"evaluating", index + 1, windows.size(), rate, static_cast<double>(windows.size() - index - 1) / rate});
    }
  }
  return totals;
}

}  // namespace tome
