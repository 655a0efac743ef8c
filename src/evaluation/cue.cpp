#include "evaluation/cue.h"

#include <algorithm>
#include <map>

#include "base/rng.h"

namespace tome {
namespace {

constexpr int kResamples = 2000;

/// A document's share of the sums.
struct Cluster {
  double full = 0, full_samples = 0;    ///< Σ E(L, d)
  double alone = 0, alone_samples = 0;  ///< Σ E(evidence alone)
  double bits_won = 0, bits = 0, tokens = 0;
  void add(const Cluster& other) {
    full += other.full;
    full_samples += other.full_samples;
    alone += other.alone;
    alone_samples += other.alone_samples;
    bits_won += other.bits_won;
    bits += other.bits;
    tokens += other.tokens;
  }
  double retention() const {
    if (full_samples == 0 || alone_samples == 0 || alone <= 0) return 0;
    return (full / full_samples) / (alone / alone_samples);
  }
  double rate() const { return tokens > 0 ? 1000.0 * bits_won / tokens : 0; }
};

double above_chance(const SampleResult& result) {
  return result.chance < 1 ? (result.score - result.chance) / (1 - result.chance) : 0;
}

Interval percentiles(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  return {at(0.025), at(0.975)};
}

CueRow row_of(std::uint64_t length, const std::vector<Cluster>& clusters) {
  Cluster all;
  for (const Cluster& cluster : clusters) all.add(cluster);
  CueRow row{.length = length, .retention = all.retention(), .rate = all.rate()};
  row.ceiling = all.tokens > 0 ? 1000.0 * all.bits / all.tokens : 0;
  Rng rng(1);
  std::vector<double> retentions, rates;
  for (int i = 0; i < kResamples; ++i) {
    Cluster drawn;
    for (std::size_t n = 0; n < clusters.size(); ++n) drawn.add(clusters[rng.below(clusters.size())]);
    // And one more document that a toss makes right or wrong: three that are all right are no certainty.
    const double share = 1.0 / static_cast<double>(clusters.size()), toss = rng.below(2) == 0 ? 0.0 : 1.0;
    drawn.add({.full = toss * all.full_samples * share,
               .full_samples = all.full_samples * share,
               .bits_won = toss * all.bits * share,
               .bits = all.bits * share,
               .tokens = all.tokens * share});
    if (drawn.alone > 0) retentions.push_back(drawn.retention());
    rates.push_back(drawn.rate());
  }
  if (retentions.empty()) retentions.push_back(row.retention);
  row.retention_interval = percentiles(std::move(retentions));
  row.rate_interval = percentiles(std::move(rates));
  if (clusters.size() == 1) {  // one document says nothing about others
    row.retention_interval = {0, std::max(1.0, row.retention)};
    row.rate_interval = {0, row.ceiling};
  }
  return row;
}

}  // namespace

std::vector<CueRow> context_utilization(const std::vector<SampleResult>& results) {
  std::map<std::uint64_t, std::map<std::string, Cluster>> by_length;
  for (const SampleResult& result : results) {
    if (result.bits <= 0 || result.length == 0 || result.condition == Condition::no_context) continue;
    Cluster& cluster = by_length[result.length][result.cluster];
    if (result.condition == Condition::evidence_only) {
      cluster.alone += above_chance(result);
      cluster.alone_samples += 1;
    } else {
      cluster.full += above_chance(result);
      cluster.full_samples += 1;
      cluster.bits_won += result.bits * result.score;
      cluster.bits += result.bits;
      cluster.tokens += static_cast<double>(result.prompt_tokens);
    }
  }
  std::vector<CueRow> rows;
  for (const auto& [length, of_length] : by_length) {
    std::vector<Cluster> clusters;
    double full = 0, alone = 0, alone_right = 0;
    for (const auto& [name, cluster] : of_length) {
      clusters.push_back(cluster);
      full += cluster.full_samples;
      alone += cluster.alone_samples;
      alone_right += cluster.alone;
    }
    if (full > 0 && alone > 0 && alone_right > 0) rows.push_back(row_of(length, clusters));
  }
  return rows;
}

}  // namespace tome
