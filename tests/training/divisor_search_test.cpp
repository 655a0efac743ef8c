// The evolutionary search: it finds what the loss asks for, keeps to its rules, and is the same from run to run.
#include "training/divisor_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace tome {
namespace {

const Divisors kWanted{100, 100, 110, 140, 200, 290, 350, 400};

double distance(const Divisors& divisors) {
  double sum = 0.0;
  for (std::size_t i = 0; i < divisors.size(); ++i)
    sum += std::pow((static_cast<double>(divisors[i]) - static_cast<double>(kWanted[i])) / 100.0, 2);
  return sum;
}

struct Seen {
  std::vector<Divisors> candidates;
  std::vector<double> best;
};

FoundDivisors search(const std::vector<Divisors>& start, const DivisorSearch& options, Seen* seen = nullptr) {
  const auto found = search_divisors(
      start, options,
      [&](const Divisors& divisors) -> Result<double> {
        if (seen != nullptr) seen->candidates.push_back(divisors);
        return distance(divisors);
      },
      [&](std::uint32_t, const Divisors&, double loss) -> Status {
        if (seen != nullptr) seen->best.push_back(loss);
        return {};
      });
  EXPECT_TRUE(found);
  return *found;
}

const std::vector<Divisors> kStart{Divisors(8, 400), Divisors(8, 100)};
const DivisorSearch kOptions{.population = 32, .parents = 6, .generations = 60, .largest = 5.0, .seed = 2};

TEST(DivisorSearch, it_comes_near_what_the_loss_wants_and_never_goes_back) {
  Seen seen;
  const FoundDivisors found = search(kStart, kOptions, &seen);
  const double begun = std::min(distance(kStart[0]), distance(kStart[1]));
  EXPECT_LT(found.loss, 0.02 * begun);
  EXPECT_EQ(found.loss, distance(found.divisors));
  ASSERT_EQ(seen.best.size(), 61u);
  EXPECT_TRUE(std::is_sorted(seen.best.rbegin(), seen.best.rend()));
  EXPECT_LE(seen.best.front(), begun);
}

TEST(DivisorSearch, every_candidate_is_level_in_range_and_looked_at_once) {
  Seen seen;
  const FoundDivisors found = search(kStart, kOptions, &seen);
  std::set<Divisors> different;
  for (const Divisors& divisors : seen.candidates) {
    EXPECT_TRUE(std::is_sorted(divisors.begin(), divisors.end()));
    EXPECT_GE(divisors.front(), 100u);
    EXPECT_LE(divisors.back(), 500u);
    EXPECT_TRUE(different.insert(divisors).second);
  }
  EXPECT_EQ(found.candidates, seen.candidates.size());
}

TEST(DivisorSearch, arguments_alone_decide) {
  Seen first, second, third;
  search(kStart, kOptions, &first);
  search(kStart, kOptions, &second);
  DivisorSearch other = kOptions;
  other.seed = 3;
  search(kStart, other, &third);
  EXPECT_EQ(first.candidates, second.candidates);
  EXPECT_NE(first.candidates, third.candidates);
}

TEST(DivisorSearch, an_error_of_the_loss_ends_it) {
  const auto found = search_divisors(
      kStart, kOptions, [](const Divisors&) -> Result<double> { return fail(ErrorKind::cancelled, "enough"); },
      [](std::uint32_t, const Divisors&, double) -> Status { return {}; });
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::cancelled);
}

}  // namespace
}  // namespace tome
