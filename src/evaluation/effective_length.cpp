#include "evaluation/effective_length.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/rng.h"

namespace tome {
namespace {

constexpr double kRulerThreshold = 0.856, kNolimaShare = 0.85;
constexpr int kResamples = 1000;

/// A document's sums at a length: what a resample draws.
struct Cluster {
  double score = 0, samples = 0;
};
using ByLength = std::map<std::uint64_t, std::vector<Cluster>>;

struct Score {
  double sum = 0, weight = 0;
};

/// Draws as many clusters as there are, with replacement, and one more document that a toss makes right or wrong: three
/// documents that are all right are no certainty. No rng: each cluster once.
Score total_of(const std::vector<Cluster>& clusters, Rng* rng) {
  Score score;
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    const Cluster& one = clusters[rng != nullptr ? rng->below(clusters.size()) : i];
    score.sum += one.score;
    score.weight += one.samples;
  }
  if (rng != nullptr && !clusters.empty()) {
    const double size = score.weight / static_cast<double>(clusters.size());
    score.sum += rng->below(2) == 0 ? 0 : size;
    score.weight += size;
  }
  return score;
}

std::uint64_t longest_that_holds(const ByLength& full, const std::vector<Cluster>& base, bool nolima, Rng* rng,
                                 double* threshold = nullptr) {
  std::vector<double> means, weights;
  std::vector<std::uint64_t> lengths;
  for (const auto& [length, clusters] : full) {
    const Score score = total_of(clusters, rng);
    lengths.push_back(length);
    means.push_back(score.sum / score.weight);
    weights.push_back(score.weight);
  }
  double wanted = kRulerThreshold;
  if (nolima) {
    const Score score = base.empty() ? Score{means[0], 1} : total_of(base, rng);
    wanted = kNolimaShare * score.sum / score.weight;
  }
  if (threshold != nullptr) *threshold = wanted;
  if (wanted <= 0) return 0;  // what cannot be done on the evidence alone holds nowhere
  const std::vector<double> fit = non_increasing_fit(means, weights);
  std::uint64_t longest = 0;
  for (std::size_t i = 0; i < fit.size(); ++i)
    if (fit[i] >= wanted && fit[i] > 0) longest = lengths[i];
  return longest;
}

}  // namespace

std::vector<double> non_increasing_fit(std::span<const double> means, std::span<const double> weights) {
  struct Pool {
    double mean, weight;
    std::size_t count;
  };
  std::vector<Pool> pools;
  for (std::size_t i = 0; i < means.size(); ++i) {
    pools.push_back({means[i], weights[i], 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean < pools.back().mean) {
      const Pool last = pools.back();
      pools.pop_back();
      Pool& to = pools.back();
      to.mean = (to.mean * to.weight + last.mean * last.weight) / (to.weight + last.weight);
      to.weight += last.weight;
      to.count += last.count;
    }
  }
  std::vector<double> fit;
  for (const Pool& pool : pools) fit.insert(fit.end(), pool.count, pool.mean);
  return fit;
}

std::vector<EffectiveLength> effective_lengths(const std::vector<SampleResult>& results) {
  std::map<std::pair<std::uint64_t, std::string>, Cluster> of_full;
  std::map<std::string, Cluster> of_base;
  for (const SampleResult& result : results) {
    if (result.condition == Condition::no_context || result.length == 0) continue;
    Cluster& to =
        result.condition == Condition::full ? of_full[{result.length, result.cluster}] : of_base[result.cluster];
    to.score += result.score;
    to.samples += 1;
  }
  ByLength full;
  for (const auto& [key, cluster] : of_full) full[key.first].push_back(cluster);
  std::vector<Cluster> base;
  for (const auto& [key, cluster] : of_base) base.push_back(cluster);
  if (full.size() < 2) return {};
  std::vector<EffectiveLength> lengths;
  for (const bool nolima : {false, true}) {
    EffectiveLength one;
    one.tokens = longest_that_holds(full, base, nolima, nullptr, &one.threshold);
    one.rule = !nolima        ? "RULER: at least 85.6 %"
               : base.empty() ? "NoLiMa: at least 0.85 × the score at the shortest length"
                              : "NoLiMa: at least 0.85 × the score on the evidence alone";
    Rng rng(1);
    std::vector<std::uint64_t> resampled;
    for (int i = 0; i < kResamples; ++i) resampled.push_back(longest_that_holds(full, base, nolima, &rng));
    std::sort(resampled.begin(), resampled.end());
    one.low = resampled[static_cast<std::size_t>(kResamples * 0.025)];
    one.high = resampled[static_cast<std::size_t>(kResamples * 0.975)];
    lengths.push_back(std::move(one));
  }
  return lengths;
}

}  // namespace tome
