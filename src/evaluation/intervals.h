#pragma once
// How sure a mean is. All at 95 %. Deterministic: resampling draws from a fixed seed.
#include <cstdint>
#include <span>
#include <string>

namespace tome {

struct Interval {
  double low = 0, high = 0;
};

/// Wilson's score interval of a share of right answers (Wilson 1927). 0 trials: [0, 1].
Interval wilson_interval(double successes, double trials);

/// Percentile bootstrap of the mean of `values`, whole clusters at a time (samples of one document are not
/// independent). clusters: [values], or empty: each value its own. One cluster alone says nothing: the interval is
/// [min(0, lowest), max(1, highest)].
Interval bootstrap_interval(std::span<const double> values, std::span<const std::string> clusters,
                            std::uint64_t seed = 1, int resamples = 2000);

/// Of right and wrong answers (all values 0 or 1): Wilson's, with as many trials as the samples are worth, since those
/// of one document are not independent (n / (1 + (m − 1)·ρ), m samples a document, ρ their correlation; ρ = 1 where all
/// answers are the same, so that six right answers about two documents count as two). Other scores: the bootstrap.
Interval mean_interval(std::span<const double> values, std::span<const std::string> clusters);

}  // namespace tome
