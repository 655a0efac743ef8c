#include "cli/eval_tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "cli/console.h"

namespace tome::cli {
namespace {

std::string length_name(std::uint64_t tokens) {
  if (tokens == 0) return "-";
  return tokens % 1024 == 0 ? fmt::format("{}K", tokens / 1024) : std::to_string(tokens);
}

/// "83.3 [60.8, 94.2] 18": a score of 100, its interval, how many samples.
std::string cell_text(const Cell& cell) {
  return fmt::format("{:.1f} [{:.1f}, {:.1f}] {}", 100 * cell.mean, 100 * cell.interval.low, 100 * cell.interval.high,
                     cell.samples);
}

/// Width as seen, not as bytes: "×" is one.
std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], columns_of(row[i]));
    }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - columns_of(row[i]) + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

std::string row_name(const Cell& cell) {
  std::string name = cell.task;
  if (cell.condition == Condition::evidence_only) name += ", evidence alone";
  if (cell.condition == Condition::no_context) name += ", no context";
  if (cell.depth) name += fmt::format(", depth {:g} %", *cell.depth);
  return name;
}

std::string score_table(const RunSummary& summary) {
  std::set<std::uint64_t> lengths;
  for (const Cell& cell : summary.cells) lengths.insert(cell.length);
  std::vector<std::vector<std::string>> rows{{"score of 100 [95 % interval] samples"}};
  std::map<std::string, std::size_t> places;
  for (const std::uint64_t length : lengths) rows[0].push_back(length_name(length));
  for (const Cell& cell : summary.cells) {
    if (cell.depth && cell.condition != Condition::full) continue;
    const auto [place, is_new] = places.emplace(row_name(cell), rows.size());
    if (is_new) {
      rows.push_back({place->first});
      rows.back().resize(lengths.size() + 1);
    }
    const auto column = static_cast<std::size_t>(std::distance(lengths.begin(), lengths.find(cell.length)));
    rows[place->second][column + 1] = cell_text(cell);
  }
  return aligned(rows);
}

}  // namespace

std::string summary_text(const RunSummary& summary) {
  std::string text = summary.title + "\n\n";
  if (!summary.cells.empty()) text += score_table(summary) + "\n";
  for (const EffectiveLength& one : summary.effective)
    text += fmt::format("effective length {} [{}, {}] ({}, here {:.1f})\n",
                        one.tokens == 0 ? "none" : length_name(one.tokens), length_name(one.low), length_name(one.high),
                        one.rule, 100 * one.threshold);
  if (!summary.cue.empty()) {
    std::vector<std::vector<std::string>> rows{
        {"context utilization", "CUE_ret", "CUE_rate, bits a kilotoken", "ceiling"}};
    for (const CueRow& row : summary.cue)
      rows.push_back({length_name(row.length),
                      fmt::format("{:.3f} [{:.3f}, {:.3f}]", row.retention, row.retention_interval.low,
                                  row.retention_interval.high),
                      fmt::format("{:.3f} [{:.3f}, {:.3f}]", row.rate, row.rate_interval.low, row.rate_interval.high),
                      fmt::format("{:.3f}", row.ceiling)});
    text += "\n" + aligned(rows);
  }
  if (!summary.perplexity.empty()) {
    std::vector<std::vector<std::string>> rows{
        {"perplexity", "tokens from", "to", "scored", "nats a token [95 % interval]", "perplexity"}};
    const bool by_position_comes_last = summary.perplexity.back().series.starts_with("by position");
    for (const PerplexityPoint& point : summary.perplexity) {
      // On a terminal the longest windows only; the report has all.
      if (by_position_comes_last && point.series.starts_with("by position") &&
          point.series != summary.perplexity.back().series)
        continue;
      rows.push_back({point.series, std::to_string(point.first), std::to_string(point.last),
                      std::to_string(point.tokens),
                      fmt::format("{:.4f} [{:.4f}, {:.4f}]", point.nll, point.interval.low, point.interval.high),
                      point.series.starts_with("gain") ? "-" : fmt::format("{:.3f}", std::exp(point.nll))});
    }
    text += aligned(rows);
  }
  for (const std::string& notice : summary.notices) text += "note: " + notice + "\n";
  return text;
}

std::string comparison_text(const Comparison& comparison) {
  std::vector<std::vector<std::string>> rows{
      {"task", "length", "pairs", "first", "second", "difference [95 % interval]", "p", "test"}};
  for (const Comparison::Row& row : comparison.rows)
    rows.push_back({row.task, length_name(row.length), std::to_string(row.pairs), fmt::format("{:.4f}", row.mean_a),
                    fmt::format("{:.4f}", row.mean_b),
                    fmt::format("{:+.4f} [{:+.4f}, {:+.4f}]", row.difference, row.interval.low, row.interval.high),
                    fmt::format("{:.2g}", row.p), row.test});
  return fmt::format("first:  {}\nsecond: {}\n\n{}\n{}\n", comparison.run_a, comparison.run_b, aligned(rows),
                     comparison.sentence);
}

}  // namespace tome::cli
