#include <algorithm>
#include <chrono>

#include "base/cancel.h"
#include "cache/snapshot.h"
#include "runtime/engine_parts.h"

namespace tome {
namespace {

Status check_tokens(std::span<const TokenId> tokens, std::uint64_t length, std::uint64_t max_tokens,
                    std::uint32_t vocabulary) {
  if (tokens.size() > max_tokens - std::min(max_tokens, length))
    return fail(ErrorKind::usage, "{} tokens after {}: the session was made for {}", tokens.size(), length, max_tokens);
  for (const TokenId token : tokens)
    if (token < 0 || static_cast<std::uint32_t>(token) >= vocabulary)
      return fail(ErrorKind::usage, "token id {}: outside the vocabulary of {}", token, vocabulary);
  return {};
}

/// Tells the caller how far the reading is: later chunks cost more, so the rate is that of the last few chunks.
class Meter {
 public:
  Meter(const ProgressFunction& progress, std::uint64_t total) : progress_(progress), total_(total) {}
  void report(std::uint64_t done) {
    if (!progress_) return;
    const double now = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double recent = now > last_ ? static_cast<double>(done - done_) / (now - last_) : 0.0;
    rate_ = rate_ == 0.0 ? recent : 0.7 * rate_ + 0.3 * recent;
    last_ = now;
    done_ = done;
    progress_({"reading", done, total_, rate_, rate_ > 0 ? static_cast<double>(total_ - done) / rate_ : 0.0});
  }

 private:
  const ProgressFunction& progress_;
  std::uint64_t total_, done_ = 0;
  double last_ = 0, rate_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Session::Session() = default;
Session::~Session() = default;

std::uint64_t Session::length() const { return parts_->state.length(); }
const std::vector<TokenId>& Session::tokens() const { return parts_->tokens; }
std::span<const float> Session::logits() const { return parts_->logits; }

Status Session::prefill(std::span<const TokenId> tokens, const ProgressFunction& progress) {
  return prefill_with_logits(tokens, {}, progress);
}

Status Session::prefill_with_logits(std::span<const TokenId> tokens,
                                    const std::function<void(std::uint64_t, std::span<const float>)>& rows,
                                    const ProgressFunction& progress) {
  Parts& p = *parts_;
  TOME_TRY(check_tokens(tokens, length(), p.max_tokens, p.engine->model->config.vocabulary));
  p.engine->use(p.plans);
  const bool skim = p.depth.keys_of.has_value();
  if (skim && rows) return fail(ErrorKind::usage, "a skim has no logits");
  Meter meter(progress, tokens.size());
  for (std::size_t start = 0; start < tokens.size();) {
    if (cancel_requested())
      return fail(ErrorKind::cancelled, "interrupted after {} of {} tokens", start, tokens.size());
    const std::size_t count = std::min<std::size_t>(p.engine->options.chunk, tokens.size() - start);
    const std::span<const TokenId> part = tokens.subspan(start, count);
    Batch batch(count);
    for (std::size_t i = 0; i < count; ++i)
      batch[i] = {part[i], length() + i, &p.state, !skim && (rows || start + i + 1 == tokens.size())};
    p.engine->decoder->forward(batch, [&](std::size_t index, std::span<const float> row) {
      if (start + index + 1 == tokens.size()) p.logits.assign(row.begin(), row.end());
      if (rows) rows(start + index, row);
    });
    p.tokens.insert(p.tokens.end(), part.begin(), part.end());
    start += count;
    meter.report(start);
  }
  return {};
}

Result<std::vector<std::vector<float>>> Session::prefill_with_head_evidence(std::span<const TokenId> tokens,
                                                                            std::size_t first_row, std::size_t last_row,
                                                                            std::span<const HeadId> heads) {
  Parts& p = *parts_;
  const ModelConfig& config = p.engine->model->config;
  TOME_TRY(check_tokens(tokens, length(), p.max_tokens, config.vocabulary));
  if (first_row >= last_row || last_row > tokens.size())
    return fail(ErrorKind::usage, "evidence rows {} … {} of {} tokens", first_row, last_row, tokens.size());
  std::vector<HeadProbe> probes;
  for (const HeadId& head : heads) {
    if (head.layer >= config.layers || head.head >= config.heads)
      return fail(ErrorKind::usage, "evidence head {}.{}: the model has {} layers of {} heads", head.layer, head.head,
                  config.layers, config.heads);
    probes.push_back({head.layer, head.head, first_row, last_row, {}});
  }
  p.engine->use(p.plans);
  Batch batch(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    batch[i] = {tokens[i], length() + i, &p.state, !p.depth.keys_of && i + 1 == tokens.size()};
  p.engine->decoder->forward(
      batch, [&](std::size_t, std::span<const float> row) { p.logits.assign(row.begin(), row.end()); }, probes);
  p.tokens.insert(p.tokens.end(), tokens.begin(), tokens.end());
  std::vector<std::vector<float>> result;
  for (HeadProbe& probe : probes) {
    for (float& value : probe.probabilities) value /= static_cast<float>(last_row - first_row);
    result.push_back(std::move(probe.probabilities));
  }
  return result;
}

std::unique_ptr<Session> Session::fork() const {
  auto copy = std::unique_ptr<Session>(new Session());
  copy->parts_ = std::make_unique<Parts>(*parts_);
  return copy;
}

Status Session::save(const std::string& path) const {
  return save_snapshot(path,
                       {parts_->engine->model->fingerprint, parts_->plans->fingerprint,
                        std::string(scaling_method_name(parts_->plans->full.method))},
                       parts_->tokens, parts_->state);
}

Result<std::unique_ptr<Session>> Session::load(Engine& engine, const std::string& path, std::uint64_t max_tokens,
                                               const ReadingDepth& depth) {
  TOME_ASSIGN(std::unique_ptr<Session> session, engine.new_session(max_tokens, depth));
  Parts& p = *session->parts_;
  TOME_ASSIGN(Snapshot snapshot,
              load_snapshot(path, {p.engine->model->fingerprint, p.plans->fingerprint, {}}, std::move(p.state)));
  p.state = std::move(snapshot.state);
  p.tokens = std::move(snapshot.tokens);
  TOME_TRY(check_tokens(p.tokens, 0, max_tokens, p.engine->model->config.vocabulary));
  return session;
}

}  // namespace tome
