#pragma once
// Runs for the report's tests: what real ones hold, and what nobody should put into one.
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/summary.h"

namespace tome::example {

inline Interval around(double mean, double half, double low = 0, double high = 1) {
  return {std::max(low, mean - half), std::min(high, mean + half)};
}

/// A share of right answers that falls with the length, differently for each task; the same numbers every time.
inline double falling(double length, double task, double strength) {
  return 1 / (1 + std::pow(length / (16384 * strength), 1.2 + 0.1 * task));
}

inline void add_cell(RunSummary& run, std::string task, std::uint64_t length, std::optional<double> depth,
                     Condition condition, double mean, std::size_t samples, double chance = 0) {
  run.cells.push_back({.task = std::move(task),
                       .length = length,
                       .depth = depth,
                       .condition = condition,
                       .samples = samples,
                       .mean = mean,
                       .interval = around(mean, 0.9 / std::sqrt(static_cast<double>(samples))),
                       .chance = chance});
}

/// Needles: lengths × depths, CUE in both forms, two effective lengths.
inline RunSummary needle_run(double strength = 1) {
  RunSummary run;
  run.title = "niah, gemma3-270m, yarn × 2";
  run.settings = {{"suite", "niah"},
                  {"model", {{"name", "gemma3-270m"}, {"fingerprint", "9f3c1a77e0b2"}}},
                  {"lengths", {4096, 8192, 16384, 32768, 65536}},
                  {"position", {{"method", "yarn"}, {"factor", 2}}},
                  {"seed", 1}};
  run.notices = {"no essays were given (--haystack): the haystack is generated text"};
  for (std::uint64_t length = 4096; length <= 65536; length *= 2) {
    for (double depth = 0; depth <= 100; depth += 12.5) {
      const double dip = 0.4 * std::exp(-std::pow((depth - 40) / 30, 2)) * static_cast<double>(length) / 65536;
      const double mean =
          std::round(std::max(0.0, falling(static_cast<double>(length), 0, 3 * strength) - dip) * 8) / 8;
      add_cell(run, "niah", length, depth, Condition::full, mean, 8);
    }
    add_cell(run, "niah", length, {}, Condition::full, falling(static_cast<double>(length), 0, 2.5 * strength), 72);
    add_cell(run, "niah", length, {}, Condition::evidence_only, 0.986, 72);
    add_cell(run, "niah", length, {}, Condition::no_context, 0.0, 72);
    const double kept = falling(static_cast<double>(length), 0, 2.5 * strength) / 0.986,
                 ceiling = 23100.0 / static_cast<double>(length);
    run.cue.push_back({.length = length,
                       .retention = kept,
                       .retention_interval = around(kept, 0.11, 0, 2),
                       .rate = kept * ceiling,
                       .rate_interval = around(kept * ceiling, 0.11 * ceiling, 0, 1e9),
                       .ceiling = ceiling});
  }
  run.effective = {{.rule = "RULER, at least 0.856", .threshold = 0.856, .tokens = 8192, .low = 4096, .high = 16384},
                   {.rule = "NoLiMa, at least 0.85 of the evidence-only score",
                    .threshold = 0.838,
                    .tokens = 8192,
                    .low = 0,
                    .high = 16384}};
  return run;
}

/// Thirteen tasks at four lengths with baselines and, for one of them, chance.
inline RunSummary ruler_run(double strength = 1) {
  RunSummary run;
  run.title = "ruler, smollm2-135m";
  run.settings = {{"suite", "ruler"}, {"samples", 50}};
  const std::vector<std::string> tasks = {"niah_single_1",
                                          "niah_single_2",
                                          "niah_single_3",
                                          "niah_multikey_1",
                                          "niah_multikey_2",
                                          "niah_multikey_3",
                                          "niah_multivalue",
                                          "niah_multiquery",
                                          "vt",
                                          "cwe",
                                          "fwe",
                                          "qa_1",
                                          "qa_2"};
  for (std::size_t task = 0; task < tasks.size(); ++task)
    for (std::uint64_t length = 1024; length <= 8192; length *= 2) {
      const auto at = static_cast<double>(task);
      const double mean = falling(static_cast<double>(length), at, strength * (1.2 - 0.08 * at));
      add_cell(run, tasks[task], length, {}, Condition::full, mean, 50, task == 12 ? 0.25 : 0);
      add_cell(run, tasks[task], length, {}, Condition::evidence_only, 0.97 - 0.03 * at, 50);
      add_cell(run, tasks[task], length, {}, Condition::no_context, 0.02 * at, 50);
    }
  return run;
}

/// Texts as long as they are.
inline RunSummary longbench_run() {
  RunSummary run;
  run.title = "longbench, smollm2-135m";
  const std::vector<std::string> tasks = {"narrativeqa", "qasper", "multifieldqa_en",     "hotpotqa",
                                          "gov_report",  "trec",   "passage_retrieval_en"};
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    const auto at = static_cast<double>(task);
    add_cell(run, tasks[task], 0, {}, Condition::full, 0.12 + 0.07 * at, 200, task == 6 ? 0.033 : 0);
    add_cell(run, tasks[task], 0, {}, Condition::evidence_only, 0.3 + 0.08 * at, 200);
    add_cell(run, tasks[task], 0, {}, Condition::no_context, 0.04 * at, 200);
  }
  return run;
}

inline RunSummary perplexity_run(double strength = 1) {
  RunSummary run;
  run.title = "perplexity, gemma3-270m";
  run.settings = {{"suite", "perplexity"}, {"text", "war-and-peace.txt"}};
  for (std::uint64_t first = 0; first < 65536; first += 4096) {
    const auto at = static_cast<double>(first);
    for (const auto& [name, shift] : {std::pair<const char*, double>{"by position", 0}, {"sliding 512", 0.18}}) {
      const double nll = 3.1 + shift + 0.6 / (1 + at / 4096) + (at > 32768 ? (at - 32768) / 40000 / strength : 0);
      run.perplexity.push_back({.series = name,
                                .first = first,
                                .last = first + 4096,
                                .tokens = 4096,
                                .nll = nll,
                                .interval = around(nll, 0.05, 0, 99)});
    }
    const double gain = 0.25 * std::log2(1 + at / 4096) - 0.1;
    run.perplexity.push_back({.series = "gain of context",
                              .first = first,
                              .last = first + 4096,
                              .tokens = 4096,
                              .nll = gain,
                              .interval = around(gain, 0.08, -9, 9)});
  }
  run.perplexity.push_back(
      {.series = "disjoint", .first = 0, .last = 65536, .tokens = 65536, .nll = 3.52, .interval = {3.5, 3.54}});
  return run;
}

inline Comparison comparison() {
  Comparison pair;
  pair.run_a = "ruler, smollm2-135m";
  pair.run_b = "ruler, smollm2-135m, yarn × 4";
  pair.sentence = "B is better: 0.062 more right answers [0.031, 0.093], p < 0.001 over 2600 questions.";
  pair.rows.push_back({.task = "",
                       .length = 0,
                       .pairs = 2600,
                       .mean_a = 0.481,
                       .mean_b = 0.543,
                       .difference = 0.062,
                       .interval = {0.031, 0.093},
                       .p = 0.0002,
                       .test = "McNemar, exact"});
  const std::vector<std::string> tasks = {"niah_single_1", "niah_multikey_3", "vt", "qa_2"};
  for (std::size_t task = 0; task < tasks.size(); ++task)
    for (std::uint64_t length = 2048; length <= 8192; length *= 2) {
      const double difference = 0.04 * static_cast<double>(task) - 0.09 + static_cast<double>(length) / 60000;
      pair.rows.push_back({.task = tasks[task],
                           .length = length,
                           .pairs = 50,
                           .mean_a = 0.5,
                           .mean_b = 0.5 + difference,
                           .difference = difference,
                           .interval = {difference - 0.05, difference + 0.05},
                           .p = 0.2,
                           .test = "bootstrap by document"});
    }
  return pair;
}

constexpr const char* injection =
    "</title></style></svg><script>alert(1)</script>\"'&lt;<img src=x onerror=alert(2)>]]>";

/// Markup in every text, ill-formed UTF-8, control characters, long names, values that are no numbers or huge.
inline RunSummary hostile_run() {
  const double none = std::numeric_limits<double>::quiet_NaN(), endless = std::numeric_limits<double>::infinity();
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  RunSummary run;
  run.title = std::string(injection) + " \x01\xff\xc3";
  run.settings = {{injection, injection},
                  {"bytes", "\xff\xfe"},
                  {"list", {injection, 1, nullptr}},
                  {"deep", {{"er", {{"est", Json::array({Json::object({{"a", injection}})})}}}}}};
  run.notices = {injection, std::string(3000, 'n')};
  const std::string long_name(500, 'W');
  for (const std::string& task : {std::string(injection), long_name, std::string("\xe2\x80\xae right to left"),
                                  std::string("语言模型的长上下文评测")}) {
    for (const double value : {none, endless, -endless, 1e300, -1e300, 0.5})
      for (const std::uint64_t length : {std::uint64_t{1}, std::uint64_t{10000}, most}) {
        run.cells.push_back({.task = task,
                             .length = length,
                             .depth = value,
                             .samples = most,
                             .mean = value,
                             .interval = {value, none},
                             .chance = value});
        run.cells.push_back({.task = task,
                             .length = length,
                             .depth = {},
                             .samples = 0,
                             .mean = value,
                             .interval = {-endless, value},
                             .chance = value});
      }
    run.cells.push_back({.task = task + "0",
                         .length = 0,
                         .depth = {},
                         .samples = 1,
                         .mean = none,
                         .interval = {none, none},
                         .chance = endless});
    run.perplexity.push_back(
        {.series = task, .first = most, .last = 0, .tokens = most, .nll = endless, .interval = {none, none}});
    run.perplexity.push_back(
        {.series = task, .first = 0, .last = 0, .tokens = 0, .nll = 1e11, .interval = {-1e11, 1e12}});
    run.cue.push_back({.length = 0,
                       .retention = none,
                       .retention_interval = {endless, none},
                       .rate = 1e300,
                       .rate_interval = {},
                       .ceiling = endless});
    run.effective.push_back({.rule = task, .threshold = none, .tokens = most, .low = 0, .high = most});
  }
  return run;
}

inline Comparison hostile_comparison() {
  const double none = std::numeric_limits<double>::quiet_NaN();
  Comparison pair{.run_a = injection, .run_b = std::string(400, 'B'), .rows = {}, .sentence = injection};
  pair.rows.push_back({.task = injection,
                       .length = 1,
                       .pairs = 0,
                       .mean_a = none,
                       .mean_b = 1e300,
                       .difference = none,
                       .interval = {none, none},
                       .p = none,
                       .test = injection});
  pair.rows.push_back({.task = "\xc0",
                       .length = 2,
                       .pairs = 1,
                       .mean_a = 0,
                       .mean_b = 0,
                       .difference = -1e300,
                       .interval = {-1e300, 1e300},
                       .p = -1,
                       .test = ""});
  return pair;
}

/// Thousands of cells of hundreds of tasks.
inline RunSummary large_run() {
  RunSummary run;
  run.title = "large";
  for (int task = 0; task < 100; ++task)
    for (std::uint64_t length = 1; length <= 60; ++length) {
      add_cell(run, "task_" + std::to_string(task), length * 1000, {}, Condition::full, 0.5, 10);
      if (task < 2)
        for (double depth = 0; depth < 60; ++depth)
          add_cell(run, "task_" + std::to_string(task), length * 1000, depth, Condition::full, depth / 60, 10);
    }
  for (std::uint64_t first = 0; first < 5000; ++first)
    run.perplexity.push_back({.series = "by position",
                              .first = first,
                              .last = first + 1,
                              .tokens = 1,
                              .nll = 3 + std::sin(static_cast<double>(first)),
                              .interval = {2, 4}});
  for (int task = 0; task < 300; ++task)
    add_cell(run, "whole_" + std::to_string(task), 0, {}, Condition::full, 0.4, 10);
  return run;
}

}  // namespace tome::example
