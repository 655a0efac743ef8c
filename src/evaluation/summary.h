#pragma once
// What a run comes to: cells with intervals, effective lengths, CUE, perplexity by position. Made from results.jsonl
// (results.h); read by the table on the terminal, summary.json, the report and `tome eval compare`.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "evaluation/intervals.h"
#include "evaluation/sample.h"

namespace tome {

/// The mean of the samples of one task, length, depth and condition; scores 0 … 1.
struct Cell {
  std::string task;
  std::uint64_t length = 0;     ///< tokens; 0: texts as long as they are
  std::optional<double> depth;  ///< 0 … 100; none: all depths together
  Condition condition = Condition::full;
  std::size_t samples = 0;
  double mean = 0;
  Interval interval;
  double chance = 0;
};

/// The longest length at which the score holds, from a monotone fit over the lengths.
struct EffectiveLength {
  std::string rule;          ///< "RULER, at least 0.856", "NoLiMa, at least 0.85 of the evidence-only score"
  double threshold = 0;      ///< 0 … 1
  std::uint64_t tokens = 0;  ///< 0: at no length measured
  std::uint64_t low = 0, high = 0;
};

/// Context utilization efficiency at one length.
struct CueRow {
  std::uint64_t length = 0;
  double retention = 0;  ///< CUE_ret: mean over depths of E(L, d) / E(evidence only); dimensionless
  Interval retention_interval = {};
  double rate = 0;  ///< CUE_rate: bits per 1000 tokens
  Interval rate_interval = {};
  double ceiling = 0;  ///< the rate of a model that answers everything
};

/// Mean negative log-likelihood (nats a token) of tokens [first, last) of the text or context; of a series "gain …" by
/// how much it is lower than after the shorter context.
struct PerplexityPoint {
  std::string series;  ///< "disjoint, by length", "by position, windows of 4096", "gain over 2048 tokens" …
  std::uint64_t first = 0, last = 0;
  std::uint64_t tokens = 0;
  double nll = 0;
  Interval interval = {};
};

struct RunSummary {
  std::string title;  ///< "niah, gemma3-270m, yarn × 2"
  Json settings;      ///< run.json
  std::vector<Cell> cells;
  std::vector<EffectiveLength> effective;
  std::vector<CueRow> cue;
  std::vector<PerplexityPoint> perplexity;
  std::vector<std::string> notices;
};

/// Two runs over the same samples.
struct Comparison {
  std::string run_a, run_b;  ///< titles
  struct Row {
    std::string task;
    std::uint64_t length = 0;
    std::size_t pairs = 0;
    double mean_a = 0, mean_b = 0, difference = 0;  ///< b − a
    Interval interval = {};                         ///< of the difference
    double p = 1;                                   ///< McNemar for right/wrong, else bootstrap by document
    std::string test = {};                          ///< "McNemar, exact", "bootstrap by document"
  };
  std::vector<Row> rows = {};  ///< the first is over all samples
  std::string sentence = {};   ///< whether the difference is real, in words
};

Json to_json(const RunSummary& summary);
Json to_json(const Comparison& comparison);

}  // namespace tome
