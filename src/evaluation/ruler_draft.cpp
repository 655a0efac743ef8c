#include "evaluation/ruler_draft.h"

#include <algorithm>

namespace tome {
namespace {

/// The sum of one more unit may be wrong by so many tokens and a quarter of it.
constexpr std::uint64_t joining = 4;

struct Measured {
  std::size_t units;
  std::uint64_t tokens;
};

/// The largest number in [low, high] whose sum is at most `limit`; low when there is none.
std::size_t last_within(const RulerDraft& draft, std::size_t low, std::size_t high, double limit) {
  while (low < high) {
    const std::size_t middle = low + (high - low + 1) / 2;
    if (static_cast<double>(draft.tokens(middle)) <= limit)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

/// Where the budget is reached, when sums are wrong by the same factor between what was measured below and above it.
std::size_t next_guess(const RulerDraft& draft, const Measured& below, const std::optional<Measured>& above,
                       std::uint64_t budget, std::size_t too_many) {
  const double sum = static_cast<double>(draft.tokens(below.units));
  double factor = 1;
  if (above && above->tokens > below.tokens)
    factor =
        (static_cast<double>(draft.tokens(above->units)) - sum) / static_cast<double>(above->tokens - below.tokens);
  const double limit = sum + factor * static_cast<double>(budget - below.tokens);
  return std::max(below.units + 1, last_within(draft, below.units, too_many - 1, limit));
}

}  // namespace

std::optional<FittedPrompt> fit_draft(const RulerDraft& draft, std::uint64_t budget,
                                      const std::function<std::vector<TokenId>(std::size_t)>& encode,
                                      std::uint64_t& needed) {
  FittedPrompt best{draft.least, encode(draft.least)};
  needed = best.prompt.size();
  if (needed > budget) return std::nullopt;
  std::size_t too_many = draft.most + 1;
  std::optional<Measured> above;
  // Each step measures one number and shrinks the open interval (best, too_many); every fourth one halves it.
  for (int step = 1; best.units + 1 < too_many; ++step) {
    const std::uint64_t unit = draft.tokens(best.units + 1) - draft.tokens(best.units);
    if (unit - unit / 4 > budget - best.prompt.size() + joining) break;
    const std::size_t units = step % 4 == 0
                                  ? best.units + (too_many - best.units) / 2
                                  : next_guess(draft, {best.units, best.prompt.size()}, above, budget, too_many);
    std::vector<TokenId> prompt = encode(units);
    if (prompt.size() <= budget) {
      best = {units, std::move(prompt)};
    } else {
      too_many = units;
      above = {units, prompt.size()};
    }
  }
  return best;
}

}  // namespace tome
