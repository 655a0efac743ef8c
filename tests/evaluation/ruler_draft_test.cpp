#include "evaluation/ruler_draft.h"

#include <gtest/gtest.h>

namespace tome {
namespace {

/// A prompt of 10 tokens and `each` for every unit, whose sum is told wrong by `error` a unit.
RulerDraft draft_of(std::uint64_t told, std::size_t most) {
  RulerDraft draft;
  draft.most = most;
  draft.tokens = [told](std::size_t units) { return units * told; };
  return draft;
}

std::size_t fitted_units(std::uint64_t told, std::uint64_t each, std::uint64_t budget, std::size_t most, int& encoded) {
  std::uint64_t needed = 0;
  const auto encode = [&](std::size_t units) {
    ++encoded;
    return std::vector<TokenId>(10 + units * each);
  };
  const auto fitted = fit_draft(draft_of(told, most), budget, encode, needed);
  return fitted ? fitted->units : SIZE_MAX;
}

TEST(FitDraft, the_largest_number_that_fits_is_found_from_right_and_from_wrong_sums) {
  for (const std::uint64_t each : {1, 3, 7, 50})
    for (const std::uint64_t told : {each, each + 1, each + 3, each + 4, each > 2 ? each - 2 : each})
      for (const std::uint64_t budget : {10, 11, 59, 60, 61, 1000, 8064, 100003}) {
        int encoded = 0;
        EXPECT_EQ(fitted_units(told, each, budget, 1000000, encoded), (budget - 10) / each)
            << "each " << each << " told " << told << " budget " << budget;
        EXPECT_LE(encoded, told == each ? 3 : 20);
      }
}

TEST(FitDraft, no_more_units_are_taken_than_there_are) {
  int encoded = 0;
  EXPECT_EQ(fitted_units(5, 5, 1000, 7, encoded), 7u);
  EXPECT_EQ(fitted_units(5, 5, 1000, 0, encoded), 0u);
}

TEST(FitDraft, a_prompt_that_never_fits_tells_what_it_needs) {
  std::uint64_t needed = 0;
  const auto fitted = fit_draft(
      draft_of(5, 9), 9, [](std::size_t units) { return std::vector<TokenId>(10 + 5 * units); }, needed);
  EXPECT_FALSE(fitted.has_value());
  EXPECT_EQ(needed, 10u);
}

}  // namespace
}  // namespace tome
