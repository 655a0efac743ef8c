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
/// independent). clusters: [values], or empty: each value its own. One cluster alone: [0, 1] clipped to the values'
/// possible range is not guessed at: the interval is [min(0, lowest), max(1, highest)].
Interval bootstrap_interval(std::span<const double> values, std::span<const std::string> clusters,
                            std::uint64_t seed = 1, int resamples = 2000);

/// Wilson where all values are 0 or 1 and no two share a cluster, else the bootstrap.
Interval mean_interval(std::span<const double> values, std::span<const std::string> clusters);

}  // namespace tome
