#include "training/divisor_search.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "base/rng.h"

namespace tome {
namespace {

/// What algorithm 1 asks of every candidate.
void make_level(Divisors& divisors, std::uint32_t largest) {
  std::uint32_t least = 100;
  for (std::uint32_t& divisor : divisors) {
    divisor = std::clamp(divisor, least, std::max(least, largest));
    least = divisor;
  }
}

Divisors mutated(Divisors divisors, const DivisorSearch& options, std::uint32_t largest, Rng& rng) {
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    if (rng.uniform() >= options.mutation) continue;
    const std::uint32_t low = i == 0 ? 100 : divisors[i - 1];
    const std::uint32_t high = i + 1 == divisors.size() ? std::max(low, largest) : std::max(low, divisors[i + 1]);
    divisors[i] = low + static_cast<std::uint32_t>(rng.below(high - low + 1));
  }
  return divisors;
}

Divisors crossed(const Divisors& a, const Divisors& b, Rng& rng) {
  Divisors child;
  for (std::size_t i = 0; i < a.size(); ++i) child.push_back(rng.below(2) == 0 ? a[i] : b[i]);
  return child;
}

}  // namespace

Result<FoundDivisors> search_divisors(
    const std::vector<Divisors>& start, const DivisorSearch& options,
    const std::function<Result<double>(const Divisors&)>& loss,
    const std::function<Status(std::uint32_t generation, const Divisors& best, double loss)>& generation_done) {
  CHECK(!start.empty() && options.parents > 0 && options.population >= options.parents);
  const auto largest = static_cast<std::uint32_t>(std::lround(100.0 * options.largest));
  std::map<Divisors, double> known;
  std::vector<Divisors> generation = start;
  for (Divisors& divisors : generation) make_level(divisors, largest);
  std::vector<std::pair<double, Divisors>> ranked;
  for (std::uint32_t number = 0; number <= options.generations; ++number) {
    // A stream of its own: how many candidates were known before does not matter.
    Rng rng(options.seed * 1000003 + number);
    if (number > 0) {
      generation.clear();
      for (const auto& [value, divisors] : ranked) generation.push_back(divisors);
    }
    const std::size_t parents = generation.size();
    // Half mutants, half crossings; a draw may repeat what is there, and costs nothing then.
    for (std::size_t i = parents; i < options.population; ++i) {
      const Divisors& one = generation[rng.below(parents)];
      const Divisors& other = generation[rng.below(parents)];
      Divisors child = i % 2 == 0 || number == 0 ? mutated(one, options, largest, rng) : crossed(one, other, rng);
      make_level(child, largest);
      generation.push_back(std::move(child));
    }
    for (const Divisors& divisors : generation) {
      if (known.contains(divisors)) continue;
      TOME_ASSIGN(const double value, loss(divisors));
      known.emplace(divisors, value);
    }
    std::sort(generation.begin(), generation.end());
    generation.erase(std::unique(generation.begin(), generation.end()), generation.end());
    ranked.clear();
    for (const Divisors& divisors : generation) ranked.emplace_back(known.at(divisors), divisors);
    std::sort(ranked.begin(), ranked.end());
    if (ranked.size() > options.parents) ranked.resize(options.parents);
    TOME_TRY(generation_done(number, ranked.front().second, ranked.front().first));
  }
  return FoundDivisors{ranked.front().second, ranked.front().first, known.size()};
}

}  // namespace tome
