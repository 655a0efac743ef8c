#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace tome {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

float usable(float logit) { return std::isnan(logit) ? kMinusInfinity : logit; }

/// Higher logit first, lower id on a tie.
struct Better {
  std::span<const float> logits;
  bool operator()(std::int32_t a, std::int32_t b) const {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  }
};

/// exp(logit − largest), also where both are +inf.
double weight(float logit, float largest) {
  return logit == largest ? 1.0 : std::exp(static_cast<double>(logit) - static_cast<double>(largest));
}

/// Each token of the window once: positive logits divided, negative multiplied.
void penalise(std::span<float> logits, std::span<const std::int32_t> recent, const SamplingOptions& options) {
  if (options.repetition_penalty == 1.0) return;
  if (options.repetition_window >= 0 && recent.size() > static_cast<std::size_t>(options.repetition_window)) {
    recent = recent.last(static_cast<std::size_t>(options.repetition_window));
  }
  std::vector<std::int32_t> distinct(recent.begin(), recent.end());
  std::ranges::sort(distinct);
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  const float penalty = static_cast<float>(options.repetition_penalty);
  for (const std::int32_t token : distinct) {
    if (token < 0 || static_cast<std::size_t>(token) >= logits.size()) continue;
    logits[token] = logits[token] > 0.0f ? logits[token] / penalty : logits[token] * penalty;
  }
}

/// Keeps the best `count` candidates, in order.
void keep_best(std::vector<std::int32_t>& candidates, std::size_t count, const Better& better) {
  count = std::min(count, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count), candidates.end(),
                    better);
  candidates.resize(count);
}

/// Keeps the shortest best-first list that holds `top_p` of the probability. Sorts no more than it needs.
void keep_nucleus(std::vector<std::int32_t>& candidates, double top_p, float largest, const Better& better) {
  double total = 0.0;
  for (const std::int32_t token : candidates) total += weight(better.logits[token], largest);
  double reached = 0.0;
  std::size_t sorted = 0;
  for (std::size_t count = 64; sorted < candidates.size(); count *= 8) {
    const std::size_t until = std::min(count, candidates.size());
    std::partial_sort(candidates.begin() + static_cast<std::ptrdiff_t>(sorted),
                      candidates.begin() + static_cast<std::ptrdiff_t>(until), candidates.end(), better);
    for (; sorted < until; ++sorted) {
      reached += weight(better.logits[candidates[sorted]], largest);
      if (reached >= top_p * total) {
        candidates.resize(sorted + 1);
        return;
      }
    }
  }
}

float largest_of(std::span<const float> logits) {
  float largest = kMinusInfinity;
  for (const float logit : logits) largest = std::max(largest, usable(logit));
  return largest;
}

/// ln Σ exp(logit − largest).
double log_total(std::span<const float> logits, float largest) {
  double total = 0.0;
  for (const float logit : logits) total += weight(usable(logit), largest);
  return std::log(total);
}

double log_probability_of(float logit, float largest, double log_sum) {
  if (largest == kMinusInfinity) return -std::numeric_limits<double>::infinity();
  return (logit == largest ? 0.0 : static_cast<double>(logit) - static_cast<double>(largest)) - log_sum;
}

}  // namespace

Status validate(const SamplingOptions& options) {
  if (!std::isfinite(options.temperature) || options.temperature < 0.0) {
    return fail(ErrorKind::usage, "temperature {}, expected a number of 0 or more", options.temperature);
  }
  if (options.top_k < 0) return fail(ErrorKind::usage, "top-k {}, expected 0 (off) or more", options.top_k);
  if (!(options.top_p > 0.0 && options.top_p <= 1.0)) {
    return fail(ErrorKind::usage, "top-p {}, expected above 0 and at most 1 (off)", options.top_p);
  }
  if (!(options.min_p >= 0.0 && options.min_p <= 1.0)) {
    return fail(ErrorKind::usage, "min-p {}, expected 0 (off) to 1", options.min_p);
  }
  if (!std::isfinite(options.repetition_penalty) || options.repetition_penalty <= 0.0) {
    return fail(ErrorKind::usage, "repetition penalty {}, expected a number above 0 (1: off)",
                options.repetition_penalty);
  }
  if (options.repetition_window < -1) {
    return fail(ErrorKind::usage, "repetition window {}, expected -1 (all) or more", options.repetition_window);
  }
  return {};
}

std::int32_t Sampler::sample(std::span<const float> logits, std::span<const std::int32_t> recent) {
  penalised_.resize(logits.size());
  std::ranges::transform(logits, penalised_.begin(), usable);
  penalise(penalised_, recent, options_);
  const Better better{penalised_};
  if (options_.temperature == 0.0) {
    const auto best = std::ranges::max_element(penalised_);  // the first of equals
    return best == penalised_.end() || *best == kMinusInfinity ? 0
                                                               : static_cast<std::int32_t>(best - penalised_.begin());
  }
  candidates_.clear();
  for (std::size_t token = 0; token < penalised_.size(); ++token) {
    if (penalised_[token] != kMinusInfinity) candidates_.push_back(static_cast<std::int32_t>(token));
  }
  if (candidates_.empty()) return 0;
  if (options_.top_k > 0) keep_best(candidates_, static_cast<std::size_t>(options_.top_k), better);
  const float largest = largest_of(penalised_);
  if (options_.top_p < 1.0) keep_nucleus(candidates_, options_.top_p, largest, better);
  if (options_.min_p > 0.0) {
    std::erase_if(candidates_, [&](std::int32_t token) { return weight(penalised_[token], largest) < options_.min_p; });
  }
  const auto tempered = [&](std::int32_t token) {
    const float logit = penalised_[token];
    if (logit == largest) return 1.0;
    return std::exp((static_cast<double>(logit) - static_cast<double>(largest)) / options_.temperature);
  };
  double total = 0.0;
  for (const std::int32_t token : candidates_) total += tempered(token);
  double left = rng_.uniform() * total;
  for (const std::int32_t token : candidates_) {
    left -= tempered(token);
    if (left < 0.0) return token;
  }
  return candidates_.back();  // rounding only
}

double log_probability(std::span<const float> logits, std::int32_t token) {
  CHECK(token >= 0 && static_cast<std::size_t>(token) < logits.size());
  const float largest = largest_of(logits);
  return log_probability_of(usable(logits[token]), largest, log_total(logits, largest));
}

std::vector<TokenLogProbability> top_log_probabilities(std::span<const float> logits, std::size_t n) {
  std::vector<float> values(logits.size());
  std::ranges::transform(logits, values.begin(), usable);
  std::vector<std::int32_t> tokens(values.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  keep_best(tokens, n, Better{values});
  const float largest = largest_of(values);
  const double log_sum = log_total(values, largest);
  std::vector<TokenLogProbability> best;
  best.reserve(tokens.size());
  for (const std::int32_t token : tokens) best.push_back({token, log_probability_of(values[token], largest, log_sum)});
  return best;
}

}  // namespace tome
