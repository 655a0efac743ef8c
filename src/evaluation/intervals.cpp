#include "evaluation/intervals.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <vector>

#include "base/rng.h"

namespace tome {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;  ///< of 97.5 %

struct ClusterSum {
  double sum = 0;
  std::size_t count = 0;
};

std::vector<ClusterSum> cluster_sums(std::span<const double> values, std::span<const std::string> clusters) {
  std::vector<ClusterSum> sums;
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t place = clusters.empty() ? i : places.emplace(clusters[i], places.size()).first->second;
    if (place == sums.size()) sums.emplace_back();
    sums[place].sum += values[i];
    ++sums[place].count;
  }
  return sums;
}

/// How many times the variance of a mean of independent values (Kish 1965): 1 + (m − 1)·ρ, with the correlation ρ
/// within clusters from the analysis of variance; where all values are the same nothing is known of it, and it is 1.
double design_effect(const std::vector<ClusterSum>& clusters, double successes, double count) {
  const auto groups = static_cast<double>(clusters.size());
  if (clusters.size() >= static_cast<std::size_t>(count) || clusters.empty()) return 1;
  const double mean = successes / count;
  double between = 0, within = 0, squares = 0;
  for (const ClusterSum& cluster : clusters) {
    const auto size = static_cast<double>(cluster.count);
    const double own = cluster.sum / size;
    between += size * (own - mean) * (own - mean);
    within += size * own * (1 - own);
    squares += size * size;
  }
  const double largest = count / groups;  // the mean size, for the effect
  if (between + within == 0 || groups < 2) return largest;
  const double size = (count - squares / count) / (groups - 1);
  const double mean_square_between = between / (groups - 1), mean_square_within = within / (count - groups);
  const double correlation =
      (mean_square_between - mean_square_within) / (mean_square_between + (size - 1) * mean_square_within);
  return 1 + (largest - 1) * std::clamp(correlation, 0.0, 1.0);
}

/// Linear between the two nearest of the sorted list.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

}  // namespace

Interval wilson_interval(double successes, double trials) {
  if (trials <= 0) return {0, 1};
  const double share = successes / trials, z2 = kNormalQuantile * kNormalQuantile;
  const double scale = 1 / (1 + z2 / trials);
  const double centre = scale * (share + z2 / (2 * trials));
  const double half = scale * kNormalQuantile * std::sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials));
  return {successes <= 0 ? 0.0 : std::max(0.0, centre - half),
          successes >= trials ? 1.0 : std::min(1.0, centre + half)};
}

Interval bootstrap_interval(std::span<const double> values, std::span<const std::string> clusters, std::uint64_t seed,
                            int resamples) {
  const std::vector<ClusterSum> sums = cluster_sums(values, clusters);
  if (sums.size() < 2 || resamples < 1) {
    Interval open{0, 1};
    for (const double value : values) open = {std::min(open.low, value), std::max(open.high, value)};
    return open;
  }
  Rng rng(seed);
  std::vector<double> means;
  means.reserve(static_cast<std::size_t>(resamples));
  for (int resample = 0; resample < resamples; ++resample) {
    ClusterSum total;
    for (std::size_t draw = 0; draw < sums.size(); ++draw) {
      const ClusterSum& cluster = sums[rng.below(sums.size())];
      total.sum += cluster.sum;
      total.count += cluster.count;
    }
    means.push_back(total.sum / static_cast<double>(total.count));
  }
  std::sort(means.begin(), means.end());
  return {quantile(means, 0.025), quantile(means, 0.975)};
}

Interval mean_interval(std::span<const double> values, std::span<const std::string> clusters) {
  const bool right_or_wrong = std::all_of(values.begin(), values.end(), [](double v) { return v == 0 || v == 1; });
  if (!right_or_wrong) return bootstrap_interval(values, clusters);
  double successes = 0;
  for (const double value : values) successes += value;
  const auto count = static_cast<double>(values.size());
  const double worth = count / design_effect(cluster_sums(values, clusters), successes, count);
  return wilson_interval(count > 0 ? successes / count * worth : 0, worth);
}

}  // namespace tome
