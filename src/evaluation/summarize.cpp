#include "evaluation/summarize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "evaluation/cue.h"
#include "evaluation/effective_length.h"

namespace tome {
namespace {

struct Group {
  std::vector<double> scores;
  std::vector<std::string> clusters;
  double chance = 0;
  void add(const SampleResult& result) {
    scores.push_back(result.score);
    clusters.push_back(result.cluster);
    chance += result.chance;
  }
};

using Key = std::tuple<int, std::string, std::uint64_t, double>;  // condition, task, length, depth (−1: all)

Cell cell_of(const Key& key, const Group& group) {
  Cell cell;
  cell.condition = static_cast<Condition>(std::get<0>(key));
  cell.task = std::get<1>(key);
  cell.length = std::get<2>(key);
  if (std::get<3>(key) >= 0) cell.depth = std::get<3>(key);
  cell.samples = group.scores.size();
  for (const double score : group.scores) cell.mean += score;
  cell.mean /= static_cast<double>(cell.samples);
  cell.chance = group.chance / static_cast<double>(cell.samples);
  cell.interval = mean_interval(group.scores, group.clusters);
  return cell;
}

std::vector<Cell> cells_of(const std::vector<SampleResult>& results) {
  std::map<Key, Group> groups;
  std::set<std::string> tasks;
  for (const SampleResult& result : results) {
    const int condition = static_cast<int>(result.condition);
    if (result.depth) groups[{condition, result.task, result.length, *result.depth}].add(result);
    groups[{condition, result.task, result.length, -1.0}].add(result);
    tasks.insert(result.task);
  }
  std::vector<Cell> cells;
  for (const auto& [key, group] : groups) cells.push_back(cell_of(key, group));
  if (tasks.size() < 2) return cells;
  std::map<std::pair<int, std::uint64_t>, std::vector<const Cell*>> by_length;
  for (const Cell& cell : cells)
    if (!cell.depth) by_length[{static_cast<int>(cell.condition), cell.length}].push_back(&cell);
  std::vector<Cell> means;
  for (const auto& [key, of_length] : by_length) {
    Cell mean;
    mean.task = kAllTasks;
    mean.condition = static_cast<Condition>(key.first);
    mean.length = key.second;
    double below = 0, above = 0;  // squared distances: of a mean of independent means
    for (const Cell* cell : of_length) {
      mean.samples += cell->samples;
      mean.mean += cell->mean;
      mean.chance += cell->chance;
      below += (cell->mean - cell->interval.low) * (cell->mean - cell->interval.low);
      above += (cell->interval.high - cell->mean) * (cell->interval.high - cell->mean);
    }
    const auto count = static_cast<double>(of_length.size());
    mean.mean /= count;
    mean.chance /= count;
    mean.interval = {std::max(0.0, mean.mean - std::sqrt(below) / count),
                     std::min(1.0, mean.mean + std::sqrt(above) / count)};
    means.push_back(mean);
  }
  cells.insert(cells.begin(), means.begin(), means.end());
  return cells;
}

/// LongBench-E tells each task's score by words of the text: "qasper_e, 4-8k".
std::vector<Cell> bucket_cells(const std::vector<SampleResult>& results) {
  std::map<Key, Group> groups;
  for (const SampleResult& result : results) {
    const Json data = result.recipe.is_object() ? result.recipe.value("data", Json()) : Json();
    const Json bucket = data.is_object() ? data.value("bucket", Json()) : Json();
    const std::string asked = result.id.substr(0, result.id.find('/'));  // scored as "qasper", asked as "qasper_e"
    if (!asked.ends_with("_e") || !bucket.is_string()) continue;
    const std::string name = fmt::format("{}, {}", asked, bucket.get<std::string>());
    groups[{static_cast<int>(result.condition), name, result.length, -1.0}].add(result);
  }
  std::vector<Cell> cells;
  for (const auto& [key, group] : groups) cells.push_back(cell_of(key, group));
  return cells;
}

struct NllTotal {
  double sum = 0, block_sum = 0, block_square_sum = 0;
  std::uint64_t tokens = 0, blocks = 0;
  void add(const NllBucket& bucket) {
    sum += bucket.sum;
    tokens += bucket.tokens;
    blocks += bucket.blocks;
    block_sum += bucket.block_mean_sum;
    block_square_sum += bucket.block_mean_square_sum;
  }
};

PerplexityPoint point_of(std::string series, std::uint64_t first, std::uint64_t last, const NllTotal& total) {
  PerplexityPoint point{.series = std::move(series), .first = first, .last = last, .tokens = total.tokens};
  if (total.tokens == 0) return point;
  point.nll = total.sum / static_cast<double>(total.tokens);
  point.interval = {point.nll, point.nll};
  if (total.blocks < 2) return point;
  const auto blocks = static_cast<double>(total.blocks);
  const double mean = total.block_sum / blocks;
  const double variance = std::max(0.0, total.block_square_sum / blocks - mean * mean) * blocks / (blocks - 1);
  const double half = 1.96 * std::sqrt(variance / blocks);
  point.interval = {point.nll - half, point.nll + half};
  return point;
}

/// The 97.5 % point of Student's t distribution (tabulated up to 10 degrees of freedom, then Cornish–Fisher's series,
/// which is right to 0.003 there).
double student_97_5(std::size_t degrees) {
  constexpr std::array<double, 10> table = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
  if (degrees <= table.size()) return table[degrees - 1];
  constexpr double z = 1.959964;
  const auto d = static_cast<double>(degrees);
  return z + (z * z * z + z) / (4 * d) + (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / (96 * d * d);
}

double variance_of_mean(const NllTotal& total) {
  const PerplexityPoint point = point_of("", 0, 0, total);
  const double half = (point.interval.high - point.interval.low) / 2;
  return half / 1.96 * (half / 1.96);
}

/// What a longer context is worth: of each target its loss after the shortest context less that after a longer one, and
/// the mean of these differences. The interval is Student's over targets; of one target that of two independent means,
/// which is too wide rather than too narrow.
std::vector<PerplexityPoint> gains_of(const std::vector<SampleResult>& results) {
  std::map<std::uint64_t, std::map<std::string, NllTotal>> losses;  // length, target
  for (const SampleResult& result : results)
    if (result.task == "gain")
      for (const NllBucket& bucket : result.nll)
        losses[result.length][result.id.substr(result.id.rfind('/') + 1)].add(bucket);
  std::vector<PerplexityPoint> points;
  if (losses.empty()) return points;
  const auto& [shortest, before] = *losses.begin();
  for (const auto& [length, after] : losses) {
    if (length == shortest) continue;
    std::vector<double> gains;
    PerplexityPoint point{.series = fmt::format("gain over {} tokens", shortest), .first = length, .last = length};
    double variance = 0;
    for (const auto& [target, total] : after) {
      const auto found = before.find(target);
      if (found == before.end() || total.tokens == 0 || found->second.tokens == 0) continue;  // not finished yet
      gains.push_back(found->second.sum / static_cast<double>(found->second.tokens) -
                      total.sum / static_cast<double>(total.tokens));
      point.tokens += total.tokens;
      point.nll += gains.back();
      variance = variance_of_mean(total) + variance_of_mean(found->second);
    }
    if (gains.empty()) continue;
    point.nll /= static_cast<double>(gains.size());
    point.first = length - std::min(length, point.tokens / gains.size());
    double half = 1.96 * std::sqrt(variance);
    if (gains.size() > 1) {
      const auto n = static_cast<double>(gains.size());
      double squares = 0;
      for (const double gain : gains) squares += (gain - point.nll) * (gain - point.nll);
      half = student_97_5(gains.size() - 1) * std::sqrt(squares / (n - 1) / n);
    }
    point.interval = {point.nll - half, point.nll + half};
    points.push_back(std::move(point));
  }
  return points;
}

std::vector<PerplexityPoint> perplexity_of(const std::vector<SampleResult>& results) {
  std::map<std::pair<std::string, std::uint64_t>, NllTotal> whole;                                   // task, length
  std::map<std::uint64_t, std::map<std::pair<std::uint64_t, std::uint64_t>, NllTotal>> by_position;  // of disjoint
  for (const SampleResult& result : results)
    for (const NllBucket& bucket : result.nll) {
      whole[{result.task, result.length}].add(bucket);
      if (result.task == "disjoint") by_position[result.length][{bucket.first, bucket.last}].add(bucket);
    }
  std::vector<PerplexityPoint> points;
  for (const auto& [key, total] : whole)
    points.push_back(point_of(key.first == "gain" ? "last 512 tokens, by context" : key.first + ", by length", 0,
                              key.second, total));
  for (PerplexityPoint& gain : gains_of(results)) points.push_back(std::move(gain));
  for (const auto& [length, buckets] : by_position)
    for (const auto& [range, total] : buckets)
      points.push_back(point_of(fmt::format("by position, windows of {}", length), range.first, range.second, total));
  return points;
}

std::string text_of(const Json& settings, const char* name) {
  const Json value = settings.value(name, Json());
  return value.is_string() ? value.get<std::string>() : "";
}

}  // namespace

RunSummary summarize(const StoredRun& run) {
  RunSummary summary;
  summary.settings = run.settings;
  summary.title = fmt::format("{}, {}", text_of(run.settings, "suite"), text_of(run.settings, "model"));
  for (const char* name : {"rope_scaling", "attention", "kv_type"})
    if (const std::string value = text_of(run.settings, name); !value.empty()) summary.title += ", " + value;
  std::vector<SampleResult> answers;
  for (const SampleResult& result : run.results)
    if (result.nll.empty()) answers.push_back(result);
  summary.cells = cells_of(answers);
  for (Cell& cell : bucket_cells(answers)) summary.cells.push_back(std::move(cell));
  summary.effective = effective_lengths(answers);
  summary.cue = context_utilization(answers);
  summary.perplexity = perplexity_of(run.results);
  if (const Json notices = run.settings.value("notices", Json()); notices.is_array())
    for (const Json& notice : notices)
      if (notice.is_string()) summary.notices.push_back(notice.get<std::string>());
  if (const Json count = run.settings.value("sample_count", Json());
      count.is_number_unsigned() && count.get<std::uint64_t>() > run.results.size())
    summary.notices.push_back(
        fmt::format("not finished: {} of {} samples", run.results.size(), count.get<std::uint64_t>()));
  return summary;
}

Json to_json(const RunSummary& summary) {
  const auto interval = [](const Interval& i) { return Json::array({i.low, i.high}); };
  Json cells = Json::array(), effective = Json::array(), cue = Json::array(), perplexity = Json::array();
  for (const Cell& cell : summary.cells)
    cells.push_back({{"task", cell.task},
                     {"length", cell.length},
                     {"depth", cell.depth ? Json(*cell.depth) : Json()},
                     {"condition", condition_name(cell.condition)},
                     {"samples", cell.samples},
                     {"mean", cell.mean},
                     {"interval", interval(cell.interval)},
                     {"chance", cell.chance}});
  for (const EffectiveLength& one : summary.effective)
    effective.push_back({{"rule", one.rule},
                         {"threshold", one.threshold},
                         {"tokens", one.tokens},
                         {"interval", Json::array({one.low, one.high})}});
  for (const CueRow& row : summary.cue)
    cue.push_back({{"length", row.length},
                   {"retention", row.retention},
                   {"retention_interval", interval(row.retention_interval)},
                   {"bits_per_kilotoken", row.rate},
                   {"bits_per_kilotoken_interval", interval(row.rate_interval)},
                   {"ceiling", row.ceiling}});
  for (const PerplexityPoint& point : summary.perplexity)
    perplexity.push_back({{"series", point.series},
                          {"first", point.first},
                          {"last", point.last},
                          {"tokens", point.tokens},
                          {"nll", point.nll},
                          {"interval", interval(point.interval)}});
  return {{"title", summary.title},    {"settings", summary.settings},
          {"cells", std::move(cells)}, {"effective_length", std::move(effective)},
          {"cue", std::move(cue)},     {"perplexity", std::move(perplexity)},
          {"notices", summary.notices}};
}

}  // namespace tome
