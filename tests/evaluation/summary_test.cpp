// Effective length, CUE, cells, perplexity sums and paired comparisons, against values worked out by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "evaluation/compare.h"
#include "evaluation/cue.h"
#include "evaluation/effective_length.h"
#include "evaluation/perplexity.h"
#include "evaluation/summarize.h"

namespace tome {
namespace {

SampleResult sample(std::uint64_t length, int cluster, double score, Condition condition = Condition::full,
                    double depth = 50) {
  SampleResult result;
  result.id = std::to_string(length) + "/" + std::to_string(cluster) + "/" + std::string(condition_name(condition)) +
              "/" + std::to_string(depth);
  result.task = "number";
  result.cluster = std::to_string(length) + "/" + std::to_string(cluster);
  result.length = length;
  result.depth = depth;
  result.condition = condition;
  result.prompt_tokens = length;
  result.score = score;
  result.bits = 20;
  return result;
}

TEST(EffectiveLength, the_fit_never_rises_and_pools_neighbours_by_weight) {
  const double means[] = {0.9, 0.5, 0.8, 0.1}, weights[] = {1, 1, 3, 1};
  const auto fit = non_increasing_fit(means, weights);
  ASSERT_EQ(fit.size(), 4u);
  EXPECT_DOUBLE_EQ(fit[0], 0.9);
  EXPECT_DOUBLE_EQ(fit[1], (0.5 + 3 * 0.8) / 4);
  EXPECT_DOUBLE_EQ(fit[2], fit[1]);
  EXPECT_DOUBLE_EQ(fit[3], 0.1);
}

TEST(EffectiveLength, is_the_longest_length_that_holds_under_each_rule) {
  std::vector<SampleResult> results;
  for (int i = 0; i < 20; ++i) {
    results.push_back(sample(1000, i, 1));
    results.push_back(sample(2000, i, i < 18 ? 1 : 0));  // 0.9
    results.push_back(sample(4000, i, i < 14 ? 1 : 0));  // 0.7
    results.push_back(sample(8000, i, 0));
    results.push_back(sample(1000, i, i < 16 ? 1 : 0, Condition::evidence_only));  // 0.8: 0.68 is wanted
    results.push_back(sample(8000, i, 1, Condition::no_context));                  // counts for nothing
  }
  const auto lengths = effective_lengths(results);
  ASSERT_EQ(lengths.size(), 2u);
  EXPECT_EQ(lengths[0].tokens, 2000u);
  EXPECT_DOUBLE_EQ(lengths[0].threshold, 0.856);
  EXPECT_EQ(lengths[1].tokens, 4000u);
  EXPECT_DOUBLE_EQ(lengths[1].threshold, 0.85 * 0.8);
  for (const auto& one : lengths) {
    EXPECT_LE(one.low, one.tokens);
    EXPECT_GE(one.high, one.tokens);
    EXPECT_LT(one.low, one.high);  // 18 of 20 and 14 of 20 are no certainties
  }
  results.erase(std::remove_if(results.begin(), results.end(), [](const auto& r) { return r.length != 1000; }),
                results.end());
  EXPECT_TRUE(effective_lengths(results).empty());
}

TEST(Cue, retention_rate_and_ceiling_follow_their_definitions) {
  std::vector<SampleResult> results;
  for (int i = 0; i < 4; ++i) {
    results.push_back(sample(2000, i, 1, Condition::full, 0));
    results.push_back(sample(2000, i, i < 2 ? 1 : 0, Condition::full, 100));  // 6 of 8
    results.push_back(sample(2000, i, i < 3 ? 1 : 0, Condition::evidence_only, 0));
    results.push_back(sample(2000, i, 1, Condition::evidence_only, 100));  // 7 of 8
  }
  for (SampleResult& result : results) result.chance = 0.25;
  const auto rows = context_utilization(results);
  ASSERT_EQ(rows.size(), 1u);
  const double full = (0.75 - 0.25) / 0.75, alone = (0.875 - 0.25) / 0.75;
  EXPECT_NEAR(rows[0].retention, full / alone, 1e-12);
  EXPECT_NEAR(rows[0].rate, 1000.0 * 20 * 6 / (8 * 2000), 1e-12);
  EXPECT_NEAR(rows[0].ceiling, 1000.0 * 20 * 8 / (8 * 2000), 1e-12);
  EXPECT_LT(rows[0].retention_interval.low, rows[0].retention);
  EXPECT_GT(rows[0].retention_interval.high, rows[0].retention);
  EXPECT_LE(rows[0].rate_interval.high, rows[0].ceiling + 1e-12);
}

TEST(Compare, mcnemars_exact_test_has_its_textbook_values) {
  EXPECT_DOUBLE_EQ(mcnemar_exact(0, 0), 1);
  EXPECT_DOUBLE_EQ(mcnemar_exact(1, 0), 1);
  EXPECT_NEAR(mcnemar_exact(0, 5), 2.0 / 32, 1e-12);
  EXPECT_NEAR(mcnemar_exact(1, 9), 2.0 * (1 + 10) / 1024, 1e-12);
  EXPECT_NEAR(mcnemar_exact(9, 1), 2.0 * (1 + 10) / 1024, 1e-12);
  EXPECT_DOUBLE_EQ(mcnemar_exact(4, 4), 1);
}

StoredRun run_of(const std::vector<double>& scores) {
  StoredRun run{.folder = "run", .settings = {{"suite", "niah"}, {"model", "m"}}};
  for (std::size_t i = 0; i < scores.size(); ++i) run.results.push_back(sample(1000, static_cast<int>(i), scores[i]));
  return run;
}

TEST(Compare, says_whether_the_difference_is_real_and_refuses_other_samples) {
  std::vector<double> right(20, 1.0), worse(20, 1.0), graded(20, 0.5);
  for (int i = 0; i < 8; ++i) worse[static_cast<std::size_t>(i)] = 0;
  const auto real = compare_runs(run_of(right), run_of(worse));
  ASSERT_TRUE(real) << real.error().message;
  EXPECT_NEAR(real->rows[0].p, 2.0 / 256, 1e-9);
  EXPECT_NEAR(real->rows[0].difference, -0.4, 1e-12);
  EXPECT_LT(real->rows[0].interval.high, 0);
  EXPECT_EQ(real->sentence.find("The second is worse"), 0u) << real->sentence;
  worse[0] = worse[1] = worse[2] = worse[3] = 1;
  const auto unclear = compare_runs(run_of(worse), run_of(right));
  EXPECT_NEAR(unclear->rows[0].p, 2.0 / 16, 1e-9);
  EXPECT_EQ(unclear->sentence.find("Not shown to differ"), 0u) << unclear->sentence;
  const auto bootstrap = compare_runs(run_of(graded), run_of(right));
  EXPECT_EQ(bootstrap->rows[0].test, "bootstrap by document");
  EXPECT_LT(bootstrap->rows[0].p, 0.01);
  EXPECT_EQ(bootstrap->sentence.find("The second is better"), 0u);
  const auto same = compare_runs(run_of(graded), run_of(graded));
  EXPECT_DOUBLE_EQ(same->rows[0].p, 1);
  StoredRun other = run_of(right);
  other.results[3].recipe = {{"seed", 9}};
  const auto refused = compare_runs(run_of(right), other);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("result 4"), std::string::npos);
  other.results.pop_back();
  EXPECT_FALSE(compare_runs(run_of(right), other));
}

TEST(Perplexity, sums_keep_every_token_and_whole_blocks_of_32) {
  NllSums sums(64);
  double total = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const double nll = 1.0 + static_cast<double>(i % 7);
    sums.add(i, nll);
    total += nll;
  }
  const auto buckets = sums.finish();
  ASSERT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets[0].tokens, 64u);
  EXPECT_EQ(buckets[0].blocks, 2u);
  EXPECT_EQ(buckets[1].first, 64u);
  EXPECT_EQ(buckets[1].tokens, 36u);
  EXPECT_EQ(buckets[1].blocks, 1u);  // 4 tokens are no block
  EXPECT_NEAR(buckets[0].sum + buckets[1].sum, total, 1e-9);
  EXPECT_NEAR(buckets[0].block_mean_sum * 32, buckets[0].sum, 1e-9);
}

TEST(Summary, cells_group_by_task_length_depth_and_condition) {
  StoredRun run{.folder = "r", .settings = {{"suite", "niah"}, {"model", "m"}}};
  for (int i = 0; i < 4; ++i)
    for (const double depth : {0.0, 100.0}) {
      run.results.push_back(sample(1000, i, depth == 0 ? 1 : 0, Condition::full, depth));
      run.results.push_back(sample(1000, i, 1, Condition::evidence_only, depth));
    }
  const RunSummary summary = summarize(run);
  const auto find = [&](Condition condition, std::optional<double> depth) -> const Cell* {
    for (const Cell& cell : summary.cells)
      if (cell.condition == condition && cell.depth == depth) return &cell;
    return nullptr;
  };
  ASSERT_NE(find(Condition::full, std::nullopt), nullptr);
  EXPECT_DOUBLE_EQ(find(Condition::full, std::nullopt)->mean, 0.5);
  EXPECT_EQ(find(Condition::full, std::nullopt)->samples, 8u);
  EXPECT_DOUBLE_EQ(find(Condition::full, 0.0)->mean, 1.0);
  EXPECT_DOUBLE_EQ(find(Condition::full, 100.0)->mean, 0.0);
  EXPECT_DOUBLE_EQ(find(Condition::evidence_only, std::nullopt)->mean, 1.0);
  ASSERT_EQ(summary.cue.size(), 1u);
  EXPECT_DOUBLE_EQ(summary.cue[0].retention, 0.5);
}

/// The loss of the last tokens before `end`, after a context of `length`.
SampleResult gain_sample(std::uint64_t length, std::uint64_t end, double mean) {
  SampleResult result;
  result.id = fmt::format("gain/{}/{}", length, end);
  result.task = "gain";
  result.length = length;
  result.nll = {{.first = 0,
                 .last = length,
                 .tokens = 512,
                 .sum = 512 * mean,
                 .blocks = 16,
                 .block_mean_sum = 16 * mean,
                 .block_mean_square_sum = 16 * mean * mean}};
  return result;
}

TEST(Summary, gains_are_paired_by_target) {
  StoredRun run{.folder = "r", .settings = {{"suite", "perplexity"}, {"model", "m"}}};
  // Targets differ by far more than the contexts do: only pairs show the gain.
  for (int target = 0; target < 6; ++target) {
    const double base = 2.0 + target;
    run.results.push_back(gain_sample(1024, 1000u * static_cast<unsigned>(target), base));
    run.results.push_back(gain_sample(4096, 1000u * static_cast<unsigned>(target), base - 0.25));
  }
  run.results.push_back(gain_sample(4096, 9999, 100));  // without its pair
  const RunSummary summary = summarize(run);
  std::vector<PerplexityPoint> gains;
  for (const PerplexityPoint& point : summary.perplexity)
    if (point.series.starts_with("gain")) gains.push_back(point);
  ASSERT_EQ(gains.size(), 1u);
  EXPECT_EQ(gains[0].series, "gain over 1024 tokens");
  EXPECT_EQ(gains[0].first, 4096u - 512u);
  EXPECT_EQ(gains[0].last, 4096u);
  EXPECT_EQ(gains[0].tokens, 6u * 512u);
  EXPECT_NEAR(gains[0].nll, 0.25, 1e-12);
  EXPECT_NEAR(gains[0].interval.low, 0.25, 1e-9);
  EXPECT_NEAR(gains[0].interval.high, 0.25, 1e-9);
}

TEST(Summary, the_interval_of_a_gain_is_students_over_targets) {
  StoredRun run{.folder = "r", .settings = {{"suite", "perplexity"}, {"model", "m"}}};
  const double gains[] = {0.1, 0.3, 0.2};
  for (unsigned target = 0; target < 3; ++target) {
    run.results.push_back(gain_sample(1024, target, 3));
    run.results.push_back(gain_sample(4096, target, 3 - gains[target]));
  }
  const RunSummary summary = summarize(run);
  for (const PerplexityPoint& point : summary.perplexity) {
    if (!point.series.starts_with("gain")) continue;
    EXPECT_NEAR(point.nll, 0.2, 1e-12);
    EXPECT_NEAR(point.interval.high - point.nll, 4.303 * 0.1 / std::sqrt(3.0), 1e-9);
    return;
  }
  FAIL() << "no gain";
}

TEST(Summary, the_gain_of_one_target_has_the_interval_of_independent_means) {
  StoredRun run{.folder = "r", .settings = {{"suite", "perplexity"}, {"model", "m"}}};
  for (const std::uint64_t length : {1024u, 4096u}) {
    run.results.push_back(gain_sample(length, 7, 3));
    run.results.back().nll[0].block_mean_square_sum = 16 * (9 + 0.15);  // variance of blocks 0.15 · 16 / 15 = 0.16
  }
  const RunSummary summary = summarize(run);
  const PerplexityPoint* gain = nullptr;
  for (const PerplexityPoint& point : summary.perplexity)
    if (point.series.starts_with("gain")) gain = &point;
  ASSERT_NE(gain, nullptr);
  EXPECT_NEAR(gain->nll, 0, 1e-12);
  EXPECT_NEAR(gain->interval.high, 1.96 * std::sqrt(2 * 0.16 / 16), 1e-6);
  EXPECT_NEAR(gain->interval.low, -gain->interval.high, 1e-12);
}

TEST(Summary, longbench_e_has_a_cell_for_each_range_of_words) {
  for (const std::string asked : {"qasper_e", "qasper"}) {
    StoredRun run{.folder = "r", .settings = {{"suite", "longbench"}, {"model", "m"}}};
    for (int i = 0; i < 6; ++i) {
      SampleResult result = sample(0, i, i < 2 ? 1 : 0);
      result.id = fmt::format("{}/full/{}", asked, i);
      result.task = "qasper";  // what it is scored as
      result.depth.reset();
      result.recipe = {{"data", {{"bucket", i < 4 ? "0-4k" : "8k+"}}}};
      run.results.push_back(result);
    }
    const RunSummary summary = summarize(run);
    std::map<std::string, std::pair<std::size_t, double>> cells;
    for (const Cell& cell : summary.cells) cells[cell.task] = {cell.samples, cell.mean};
    EXPECT_EQ(cells["qasper"].first, 6u);
    EXPECT_EQ(cells.size(), asked == "qasper_e" ? 3u : 1u) << asked;
    if (asked != "qasper_e") continue;
    EXPECT_EQ(cells["qasper_e, 0-4k"], std::make_pair(std::size_t{4}, 0.5));
    EXPECT_EQ(cells["qasper_e, 8k+"], std::make_pair(std::size_t{2}, 0.0));
  }
}

}  // namespace
}  // namespace tome
