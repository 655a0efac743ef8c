#include "evaluation/budget.h"

#include <algorithm>
#include <chrono>

#include "base/rng.h"

namespace tome {
namespace {

constexpr std::uint64_t kShort = 1024, kLong = 4096, kAnswer = 16;

Result<double> timed_prefill(Session& session, std::span<const TokenId> tokens) {
  const auto begin = std::chrono::steady_clock::now();
  TOME_TRY(session.prefill(tokens));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

double ReadingCost::seconds(std::uint64_t prompt, std::uint64_t new_tokens) const {
  const auto n = static_cast<double>(prompt);
  return per_token * n + per_token_squared * n * n + per_new_token * static_cast<double>(new_tokens);
}

Result<ReadingCost> measure_reading(Engine& engine, std::uint64_t longest) {
  const std::uint64_t far = std::clamp<std::uint64_t>(longest, 2 * kAnswer, kLong), near = std::min(kShort, far / 2);
  Rng rng(1);
  std::vector<TokenId> tokens(far);
  const std::uint64_t vocabulary = engine.tokenizer().vocabulary();
  for (TokenId& token : tokens) token = static_cast<TokenId>(rng.below(vocabulary));
  const std::span<const TokenId> all(tokens);
  TOME_TRY(engine.fit(far + kAnswer));
  TOME_ASSIGN(const auto warm, engine.new_session(far + kAnswer));
  TOME_TRY(timed_prefill(*warm, all.first(near)));
  TOME_ASSIGN(const auto session, engine.new_session(far + kAnswer));
  TOME_ASSIGN(const double first, timed_prefill(*session, all.first(near)));
  TOME_ASSIGN(const double rest, timed_prefill(*session, all.subspan(near)));
  ReadingCost cost;
  const auto n = static_cast<double>(near), m = static_cast<double>(far);
  cost.per_token_squared = std::max(0.0, ((first + rest) / m - first / n) / (m - n));
  cost.per_token = std::max(0.0, first / n - cost.per_token_squared * n);
  double answering = 0;
  for (std::uint64_t i = 0; i < kAnswer; ++i) {
    TOME_ASSIGN(const double one, timed_prefill(*session, all.subspan(i, 1)));
    answering += one;
  }
  cost.per_new_token = answering / static_cast<double>(kAnswer);
  return cost;
}

Result<double> estimated_seconds(const SampleSource& source, const ReadingCost& cost, std::size_t look) {
  const std::size_t count = source.count(), looked = std::min(count, look);
  double seconds = 0;
  for (std::size_t i = 0; i < looked; ++i) {
    TOME_ASSIGN(const Sample sample, source.make(i * count / looked));
    seconds += cost.seconds(sample.prompt.size(), sample.max_new_tokens);
  }
  return looked == 0 ? 0 : seconds * static_cast<double>(count) / static_cast<double>(looked);
}

}  // namespace tome
