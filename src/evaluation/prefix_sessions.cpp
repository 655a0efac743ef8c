#include "evaluation/prefix_sessions.h"

#include <algorithm>

namespace tome {
namespace {

constexpr std::size_t kMostKept = 8;
constexpr std::uint64_t kRoomStep = 4096;  ///< sessions are made this much at a time: neighbours differ by a few tokens

}  // namespace

std::uint64_t PrefixSessions::whole_chunks_shared(std::span<const TokenId> a, std::span<const TokenId> b) const {
  const auto shared =
      static_cast<std::uint64_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const std::uint64_t least = a.empty() ? 0 : std::min<std::uint64_t>(shared, a.size() - 1);  // its last token is read
  return least / engine_.options().chunk * engine_.options().chunk;
}

Result<PrefixSessions::Reading> PrefixSessions::read(std::span<const TokenId> prompt, std::uint64_t new_tokens,
                                                     std::span<const TokenId> next, const ProgressFunction& progress) {
  const std::uint64_t needed = prompt.size() + new_tokens;
  TOME_TRY(engine_.fit(needed, prompt));
  if (engine_.plan_fingerprint() != plan_ || needed > room_) kept_.clear();
  plan_ = engine_.plan_fingerprint();
  while (!kept_.empty() && whole_chunks_shared(prompt, kept_.back()->tokens()) < kept_.back()->length())
    kept_.pop_back();
  Reading reading;
  if (kept_.empty()) {
    room_ = (needed + kRoomStep - 1) / kRoomStep * kRoomStep;
    TOME_ASSIGN(reading.session, engine_.new_session(room_));
  } else {
    reading.session = kept_.back()->fork();
    reading.reused = reading.session->length();
  }
  const std::uint64_t leave = reuse_ ? whole_chunks_shared(prompt, next) : 0;
  if (leave > reading.session->length()) {
    TOME_TRY(reading.session->prefill(prompt.subspan(reading.session->length(), leave - reading.session->length()),
                                      progress));
    if (kept_.size() == kMostKept) kept_.erase(kept_.begin());
    kept_.push_back(reading.session->fork());
  }
  TOME_TRY(reading.session->prefill(prompt.subspan(reading.session->length()), progress));
  return reading;
}

}  // namespace tome
