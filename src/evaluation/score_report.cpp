#include "evaluation/score_report.h"

#include <algorithm>
#include <cmath>

#include "evaluation/chinese_words.h"
#include "evaluation/longbench_scores.h"
#include "evaluation/python_number.h"
#include "evaluation/rouge_l.h"

namespace tome {
namespace {

struct Scored {
  const Prediction* prediction = nullptr;
  double score = 0;
};
using ScoredList = std::vector<Scored>;

std::vector<double> values_of(const ScoredList& list) {
  std::vector<double> values;
  for (const Scored& scored : list) values.push_back(scored.score);
  return values;
}

/// Documents, when the lines name any.
std::vector<std::string> clusters_of(const ScoredList& list) {
  std::vector<std::string> clusters;
  bool named = false;
  for (const Scored& scored : list) {
    const std::string& cluster = scored.prediction->cluster;
    named = named || !cluster.empty();
    clusters.push_back(cluster.empty() ? scored.prediction->place : cluster);
  }
  if (!named) clusters.clear();
  return clusters;
}

ScoreRow row_of(const std::string& name, Suite suite, const ScoredList& list) {
  const std::vector<double> values = values_of(list);
  const Interval share = mean_interval(values, clusters_of(list));
  const double scale = score_scale(suite);
  return {name, benchmark_score(suite, values), list.size(), {scale * share.low, scale * share.high}};
}

/// LongBench-E's buckets go through numpy.
ScoreRow longbench_e_row(const std::string& name, const ScoredList& list) {
  ScoreRow row = row_of(name, Suite::longbench, list);
  row.score = python::numpy_round(100 * python::numpy_mean(values_of(list)), 2);
  return row;
}

template <class Name>
std::vector<std::pair<std::string, ScoredList>> groups(const ScoredList& list, const std::vector<std::string>& order,
                                                       Name name) {
  std::vector<std::pair<std::string, ScoredList>> result;
  for (const std::string& one : order) {
    ScoredList members;
    for (const Scored& scored : list)
      if (name(*scored.prediction) == one) members.push_back(scored);
    if (!members.empty()) result.emplace_back(one, std::move(members));
  }
  return result;
}

std::string length_bucket(const Prediction& prediction) {
  const double length = prediction.length.value_or(0);
  return length < 4000 ? "0-4k" : length < 8000 ? "4-8k" : "8k+";
}

void add_longbench_v2_rows(const ScoredList& list, ScoreReport& report) {
  const auto known = [&](auto field) {
    return std::all_of(list.begin(), list.end(), [&](const Scored& one) { return !field(*one.prediction).empty(); });
  };
  // As in result.py: what is not "easy" is hard, what is neither "short" nor "medium" is long.
  const auto difficulty = [](const Prediction& one) { return one.difficulty; };
  const auto length = [](const Prediction& one) { return one.length_class; };
  if (known(difficulty))
    for (const auto& [name, members] : groups(list, {"easy", "hard"}, [](const Prediction& one) {
           return std::string(one.difficulty == "easy" ? "easy" : "hard");
         }))
      report.by_difficulty.push_back(row_of(name, Suite::longbench_v2, members));
  if (known(length))
    for (const auto& [name, members] : groups(list, {"short", "medium", "long"}, [](const Prediction& one) {
           return one.length_class == "short" || one.length_class == "medium" ? one.length_class : "long";
         }))
      report.by_length.push_back(row_of(name, Suite::longbench_v2, members));
}

/// The mean over tasks; its interval from theirs, which are independent: √Σ(half widths)²/k on each side.
ScoreRow mean_of_tasks(Suite suite, const std::vector<ScoreRow>& tasks) {
  ScoreRow total;
  double below = 0, above = 0, middle = 0;
  for (const ScoreRow& task : tasks) {
    total.score += task.score;
    total.n += task.n;
    middle += task.score;
    below += std::pow(std::max(0.0, task.score - task.interval.low), 2);
    above += std::pow(std::max(0.0, task.interval.high - task.score), 2);
  }
  const auto count = static_cast<double>(tasks.size());
  middle /= count;
  total.score = suite == Suite::infinitebench ? middle : python::round_decimals(middle, 2);
  total.interval = {std::max(0.0, middle - std::sqrt(below) / count),
                    std::min(score_scale(suite), middle + std::sqrt(above) / count)};
  return total;
}

std::vector<std::string> tasks_of(const ScoredList& list) {
  std::vector<std::string> tasks;
  for (const Scored& scored : list)
    if (std::find(tasks.begin(), tasks.end(), scored.prediction->task) == tasks.end())
      tasks.push_back(scored.prediction->task);
  return tasks;
}

/// NarrativeQA's other score, over every reference.
Status add_book_rouge(const ScoredList& list, ScoreReport& report) {
  std::vector<double> values;
  for (const Scored& scored : list) {
    TOME_ASSIGN(const double one, longbench_score("qmsum", scored.prediction->text, scored.prediction->gold));
    values.push_back(one);
  }
  report.others.emplace_back("rouge_l", benchmark_score(Suite::bookqa, values));
  return {};
}

/// What the other form of InfiniteBench's rules gives, when that differs.
Status add_other_rules(const ScoredList& list, const ScoreReportOptions& options, ScoreReport& report) {
  ScoreReportOptions other = options;
  const bool published = options.scoring.infinitebench.rules == InfiniteBenchRules::cascades;
  other.scoring.infinitebench.rules = published ? InfiniteBenchRules::last_letter : InfiniteBenchRules::cascades;
  std::vector<ScoreRow> rows;
  for (const auto& [task, members] : groups(list, tasks_of(list), [](const Prediction& one) { return one.task; })) {
    ScoredList again = members;
    for (Scored& scored : again) {
      TOME_ASSIGN(scored.score, score_prediction(options.suite, task, scored.prediction->text, scored.prediction->gold,
                                                 other.scoring));
    }
    rows.push_back(row_of(task, options.suite, again));
  }
  const double score = rows.size() == 1 ? rows[0].score : mean_of_tasks(options.suite, rows).score;
  if (score == report.total.score) return {};
  report.others.emplace_back(published ? "score_last_letter" : "score_cascades", score);
  report.notices.push_back(
      fmt::format("InfiniteBench changed its rules in August 2024; under the {} ones the score is {}",
                  published ? "newer" : "older", python::repr(score)));
  return {};
}

Result<ScoredList> score_lines(const std::vector<Prediction>& predictions, const ScoreReportOptions& options,
                               const LineReport& tell, std::size_t& skipped) {
  ScoredList list;
  for (const Prediction& prediction : predictions) {
    if (prediction.judge) {
      list.push_back({&prediction, *prediction.judge ? 1.0 : 0.0});
      continue;
    }
    const auto score =
        score_prediction(options.suite, prediction.task, prediction.text, prediction.gold, options.scoring);
    if (score) {
      list.push_back({&prediction, *score});
      continue;
    }
    if (score.error().kind == ErrorKind::usage) return tl::unexpected(score.error());
    ++skipped;
    tell(fmt::format("{}: {}", prediction.place, score.error().message));
  }
  return list;
}

}  // namespace

double score_scale(Suite suite) { return suite == Suite::infinitebench || suite == Suite::kv_retrieval ? 1.0 : 100.0; }

double benchmark_score(Suite suite, std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  const auto count = static_cast<double>(values.size());
  switch (suite) {
    case Suite::infinitebench:
    case Suite::kv_retrieval:
      return sum / count;
    case Suite::longbench_v2:
      return python::round_decimals(100 * sum / count, 1);
    case Suite::ruler:
    case Suite::niah:
    case Suite::cue:
      return python::round_decimals(sum / count * 100, 2);
    default:
      return python::round_decimals(100 * sum / count, 2);
  }
}

Result<ScoreReport> score_predictions(const std::vector<Prediction>& predictions, const ScoreReportOptions& options,
                                      const LineReport& tell) {
  ScoreReport report;
  TOME_ASSIGN(const ScoredList list, score_lines(predictions, options, tell, report.skipped));
  if (list.empty()) return fail(ErrorKind::format, "[eval score] no line could be scored");
  const std::vector<std::string> tasks = tasks_of(list);
  if (tasks.size() == 1) {
    report.total = row_of(tasks[0], options.suite, list);
  } else {
    for (const auto& [task, members] : groups(list, tasks, [](const Prediction& one) { return one.task; }))
      report.by_task.push_back(row_of(task, options.suite, members));
    report.total = mean_of_tasks(options.suite, report.by_task);
  }
  if (options.longbench_e)
    for (const auto& [name, members] : groups(list, {"0-4k", "4-8k", "8k+"}, length_bucket))
      report.by_length.push_back(longbench_e_row(name, members));
  if (options.suite == Suite::longbench_v2) add_longbench_v2_rows(list, report);
  if (options.suite == Suite::bookqa) TOME_TRY(add_book_rouge(list, report));
  if (options.suite == Suite::infinitebench) TOME_TRY(add_other_rules(list, options, report));
  const bool chinese =
      options.suite == Suite::longbench &&
      std::any_of(tasks.begin(), tasks.end(), [](const auto& one) { return longbench_needs_segmenter(one); });
  if (const std::string notice = chinese ? chinese_segmenter_notice() : ""; !notice.empty())
    report.notices.push_back(notice);
  return report;
}

}  // namespace tome
