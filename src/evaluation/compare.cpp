#include "evaluation/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/rng.h"
#include "evaluation/summarize.h"

namespace tome {
namespace {

constexpr int kResamples = 10000;

struct Pairs {
  std::vector<double> a, b;
  std::vector<std::string> clusters;
  bool right_or_wrong = true;
  void add(const SampleResult& one, const SampleResult& other, double score_a, double score_b) {
    a.push_back(score_a);
    b.push_back(score_b);
    clusters.push_back(one.cluster);
    const auto whole = [](double score) { return score == 0.0 || score == 1.0; };
    right_or_wrong = right_or_wrong && one.nll.empty() && other.nll.empty() && whole(score_a) && whole(score_b);
  }
};

struct NllMean {
  std::uint64_t tokens = 0;
  double mean = 0;
};

NllMean mean_nll(const SampleResult& result) {
  NllMean mean;
  for (const NllBucket& bucket : result.nll) {
    mean.tokens += bucket.tokens;
    mean.mean += bucket.sum;
  }
  mean.mean /= static_cast<double>(std::max<std::uint64_t>(mean.tokens, 1));
  return mean;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

struct Resampled {
  std::vector<double> means = {};  ///< of b − a, sorted
  std::size_t clusters = 0;
};

/// Under resampling of whole clusters.
Resampled resampled_differences(const Pairs& pairs) {
  std::map<std::string, std::pair<double, double>> sums;  // cluster → Σ difference, pairs
  for (std::size_t i = 0; i < pairs.a.size(); ++i) {
    auto& sum = sums[pairs.clusters[i]];
    sum.first += pairs.b[i] - pairs.a[i];
    sum.second += 1;
  }
  std::vector<std::pair<double, double>> clusters;
  for (const auto& [name, sum] : sums) clusters.push_back(sum);
  Rng rng(1);
  Resampled result{.clusters = clusters.size()};
  std::vector<double>& means = result.means;
  for (int i = 0; i < kResamples; ++i) {
    double difference = 0, count = 0;
    for (std::size_t n = 0; n < clusters.size(); ++n) {
      const auto& drawn = clusters[rng.below(clusters.size())];
      difference += drawn.first;
      count += drawn.second;
    }
    means.push_back(difference / count);
  }
  std::sort(means.begin(), means.end());
  return result;
}

Comparison::Row row_of(std::string task, std::uint64_t length, const Pairs& pairs) {
  Comparison::Row row{.task = std::move(task), .length = length, .pairs = pairs.a.size()};
  row.mean_a = mean_of(pairs.a);
  row.mean_b = mean_of(pairs.b);
  row.difference = row.mean_b - row.mean_a;
  const auto [means, clusters] = resampled_differences(pairs);
  row.interval = {means[static_cast<std::size_t>(kResamples * 0.025)],
                  means[static_cast<std::size_t>(kResamples * 0.975)]};
  if (clusters == 1)
    row.interval = {std::min(-1.0, row.difference), std::max(1.0, row.difference)};  // nothing is known
  if (pairs.right_or_wrong) {
    std::uint64_t only_a = 0, only_b = 0;
    for (std::size_t i = 0; i < pairs.a.size(); ++i) {
      only_a += pairs.a[i] > pairs.b[i] ? 1 : 0;
      only_b += pairs.b[i] > pairs.a[i] ? 1 : 0;
    }
    row.p = mcnemar_exact(only_a, only_b);
    row.test = fmt::format("McNemar, exact: {} against {}", only_a, only_b);
    return row;
  }
  row.test = "bootstrap by document";
  const auto below = std::upper_bound(means.begin(), means.end(), 0.0) - means.begin();
  const auto above = means.end() - std::lower_bound(means.begin(), means.end(), 0.0);
  row.p = std::min(1.0, 2.0 * (static_cast<double>(std::min(below, above)) + 1) / (kResamples + 1));
  row.p = std::max(row.p, std::exp2(1.0 - static_cast<double>(clusters)));  // all of one sign by chance
  return row;
}

std::string sentence_of(const Comparison& comparison, bool nll) {
  const Comparison::Row& row = comparison.rows.front();
  const char* unit = nll ? "nats a token" : "of 1";
  const std::string figures = fmt::format(
      "{:.4f} against {:.4f} {}, difference {:+.4f} (95 % interval {:+.4f} to {:+.4f}, {} pairs, p = {:.2g}, {})",
      row.mean_b, row.mean_a, unit, row.difference, row.interval.low, row.interval.high, row.pairs, row.p, row.test);
  // The interval draws whole documents, McNemar's test counts answers: a difference has to pass both.
  if (row.p >= 0.05 || (row.interval.low <= 0 && row.interval.high >= 0))
    return "Not shown to differ: " + figures + ".";
  const bool better = nll ? row.difference < 0 : row.difference > 0;
  return fmt::format("The second is {}: {}.", better ? "better" : "worse", figures);
}

}  // namespace

double mcnemar_exact(std::uint64_t only_a, std::uint64_t only_b) {
  const std::uint64_t n = only_a + only_b, least = std::min(only_a, only_b);
  if (n == 0) return 1;
  double tail = 0;
  for (std::uint64_t k = 0; k <= least; ++k) {
    const auto whole = static_cast<double>(n), part = static_cast<double>(k);
    tail += std::exp(std::lgamma(whole + 1) - std::lgamma(part + 1) - std::lgamma(whole - part + 1) -
                     whole * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

Result<Comparison> compare_runs(const StoredRun& a, const StoredRun& b) {
  if (a.results.size() != b.results.size())
    return fail(ErrorKind::usage, "[eval] {} has {} results, {} has {}: not the same samples", a.folder,
                a.results.size(), b.folder, b.results.size());
  if (a.results.empty()) return fail(ErrorKind::usage, "[eval] {}: no results", a.folder);
  Pairs all;
  std::map<std::pair<std::string, std::uint64_t>, Pairs> groups;
  bool nll = false;
  std::uint64_t longest = 0;
  for (const SampleResult& result : a.results) longest = std::max(longest, result.length);
  for (std::size_t i = 0; i < a.results.size(); ++i) {
    const SampleResult &one = a.results[i], &other = b.results[i];
    if (one.id != other.id || one.recipe != other.recipe || one.nll.empty() != other.nll.empty())
      return fail(ErrorKind::usage, "[eval] result {}: '{}' in {}, '{}' in {}: not the same samples", i + 1, one.id,
                  a.folder, other.id, b.folder);
    if (one.condition != Condition::full) continue;
    if (one.nll.empty()) {
      all.add(one, other, one.score, other.score);
      groups[{one.task, one.length}].add(one, other, one.score, other.score);
      continue;
    }
    nll = true;
    const NllMean x = mean_nll(one), y = mean_nll(other);
    if (x.tokens != y.tokens || x.tokens == 0)
      return fail(ErrorKind::usage, "[eval] result {}: {} tokens scored in {}, {} in {}", i + 1, x.tokens, a.folder,
                  y.tokens, b.folder);
    groups[{one.task, one.length}].add(one, other, x.mean, y.mean);
    if (one.task == "disjoint" && one.length == longest) all.add(one, other, x.mean, y.mean);
  }
  if (all.a.empty()) return fail(ErrorKind::usage, "[eval] {}: no samples to compare", a.folder);
  Comparison comparison{.run_a = summarize(a).title, .run_b = summarize(b).title};
  comparison.rows.push_back(row_of(nll ? "disjoint" : std::string(kAllTasks), nll ? longest : 0, all));
  if (groups.size() > 1)
    for (const auto& [key, pairs] : groups) comparison.rows.push_back(row_of(key.first, key.second, pairs));
  comparison.sentence = sentence_of(comparison, nll);
  return comparison;
}

Json to_json(const Comparison& comparison) {
  Json rows = Json::array();
  for (const Comparison::Row& row : comparison.rows)
    rows.push_back({{"task", row.task},
                    {"length", row.length},
                    {"pairs", row.pairs},
                    {"mean_a", row.mean_a},
                    {"mean_b", row.mean_b},
                    {"difference", row.difference},
                    {"interval", Json::array({row.interval.low, row.interval.high})},
                    {"p", row.p},
                    {"test", row.test}});
  return {
      {"a", comparison.run_a}, {"b", comparison.run_b}, {"rows", std::move(rows)}, {"sentence", comparison.sentence}};
}

}  // namespace tome
