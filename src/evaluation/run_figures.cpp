#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "evaluation/figure_parts.h"
#include "evaluation/report_text.h"

namespace tome {
namespace {

using Cells = std::vector<const Cell*>;

/// Places of depths in rows; one that is no number has a place too.
double depth_key(const Cell& cell) { return std::isnan(*cell.depth) ? HUGE_VAL : *cell.depth; }

HeatPanel heat_panel(const Cells& cells, std::string title) {
  std::map<std::uint64_t, std::size_t> columns;
  std::map<double, std::size_t> rows;
  for (const Cell* cell : cells) {
    columns[cell->length] = 0;
    rows[depth_key(*cell)] = 0;
  }
  HeatPanel panel{.title = std::move(title)};
  for (auto& [length, place] : columns) {
    place = panel.columns.size();
    panel.columns.push_back(length == 0 ? "all" : axis_length_text(static_cast<double>(length)));
  }
  for (auto& [depth, place] : rows) {
    place = panel.rows.size();
    panel.rows.push_back(std::isfinite(depth) ? depth_text(depth) : "?");
  }
  panel.cells.assign(panel.rows.size(), std::vector<std::optional<HeatCell>>(panel.columns.size()));
  for (const Cell* cell : cells)
    panel.cells[rows[depth_key(*cell)]][columns[cell->length]] = {.value = cell->mean, .hover = cell_words(*cell)};
  return panel;
}

void add_heatmap(const RunSummary& run, std::vector<ReportFigure>& figures) {
  Cells cells;
  std::vector<std::pair<std::string, Condition>> groups;
  std::vector<Cells> members;
  for (const Cell& cell : run.cells) {
    if (!cell.depth) continue;
    cells.push_back(&cell);
    const std::size_t group = index_of(groups, {cell.task, cell.condition});
    members.resize(groups.size());
    members[group].push_back(&cell);
  }
  if (cells.empty()) return;
  std::vector<HeatPanel> panels;
  for (std::size_t at = 0; at < groups.size(); ++at)
    panels.push_back(heat_panel(
        members[at], fmt::format("{}, {}", task_words(groups[at].first), condition_words(groups[at].second))));
  ReportFigure figure{.name = "heatmap", .title = "Score by length and depth"};
  figure.caption =
      "Each cell is the mean score (0 to 1) of the questions whose answer lies at that depth of an input of that "
      "length: 0 % is the beginning, 100 % the end. The darkest colour is for exactly 1. The table has each cell's "
      "95 % interval and number of questions (n); with few questions a cell proves little by itself.";
  draw_both(figure, [&](double width) { return heatmap_plot(panels, "depth", "length, tokens", figure.title, width); });
  figure.table = cell_table(cells);
  figures.push_back(std::move(figure));
}

PlotPoint score_point(const Cell& cell, std::uint64_t length) {
  return {.x = static_cast<double>(length), .y = cell.mean, .interval = cell.interval, .hover = cell_words(cell)};
}

/// A baseline that does not depend on the length is a level line across all of them.
void add_level(PlotSeries& series, const Cell& cell, const std::set<std::uint64_t>& lengths) {
  series.points.push_back(score_point(cell, *lengths.begin()));
  if (lengths.size() > 1) series.points.push_back(score_point(cell, *lengths.rbegin()));
}

LinePanel score_panel(const std::string& task, const Cells& cells) {
  std::set<std::uint64_t> lengths;
  for (const Cell* cell : cells)
    if (cell->length > 0) lengths.insert(cell->length);
  LinePanel panel{.title = task_words(task)};
  for (const Condition condition : {Condition::full, Condition::evidence_only, Condition::no_context}) {
    PlotSeries series{.name = std::string(condition_words(condition)), .look = condition_look(condition)};
    PlotSeries chance{.name = "chance", .look = Look::reference};
    for (const Cell* cell : cells) {
      if (cell->condition != condition) continue;
      if (cell->length == 0) {
        add_level(series, *cell, lengths);
        continue;
      }
      series.points.push_back(score_point(*cell, cell->length));
      chance.points.push_back({.x = static_cast<double>(cell->length), .y = cell->chance});
    }
    const auto by_place = [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; };
    const auto above_zero = [](const PlotPoint& point) { return point.y > 0; };
    std::stable_sort(series.points.begin(), series.points.end(), by_place);
    std::stable_sort(chance.points.begin(), chance.points.end(), by_place);
    if (!series.points.empty()) panel.series.push_back(std::move(series));
    if (condition == Condition::full && std::any_of(chance.points.begin(), chance.points.end(), above_zero))
      panel.series.push_back(std::move(chance));
  }
  return panel;
}

/// Cells of all depths together, by task in the order of appearance. by_length: of tasks that were measured at lengths.
std::vector<std::pair<std::string, Cells>> tasks_of(const RunSummary& run, bool by_length) {
  std::set<std::string> measured_at_lengths;
  for (const Cell& cell : run.cells)
    if (!cell.depth && cell.length > 0) measured_at_lengths.insert(cell.task);
  std::vector<std::string> names;
  std::vector<std::pair<std::string, Cells>> tasks;
  for (const Cell& cell : run.cells) {
    if (cell.depth || measured_at_lengths.contains(cell.task) != by_length) continue;
    const std::size_t at = index_of(names, cell.task);
    if (at == tasks.size()) tasks.emplace_back(cell.task, Cells{});
    tasks[at].second.push_back(&cell);
  }
  return tasks;
}

void add_scores_by_length(const RunSummary& run, std::vector<ReportFigure>& figures) {
  const auto tasks = tasks_of(run, true);
  if (tasks.empty()) return;
  std::vector<LinePanel> panels;
  Cells all;
  for (const auto& [task, cells] : tasks) {
    panels.push_back(score_panel(task, cells));
    all.insert(all.end(), cells.begin(), cells.end());
  }
  ReportFigure figure{.name = "scores-by-length", .title = "Score by length of the input"};
  figure.caption =
      "Points are mean scores (0 to 1), the shaded bands their 95 % intervals. Evidence only: the model was given "
      "just the part that holds the answer, the best that it can do. No context: the question alone. Chance: the "
      "worth of a guess, drawn where it is above 0.";
  const LineAxes axes{.x_name = "length of the input, tokens", .y_name = "mean score", .y_range = Interval{0, 1}};
  draw_both(figure, [&](double width) { return line_plot(panels, axes, figure.title, width); });
  figure.table = cell_table(all);
  figures.push_back(std::move(figure));
}

DotRow score_row(const std::string& task, const Cells& cells) {
  DotRow row{.label = task_words(task)};
  for (const Cell* cell : cells) {
    row.dots.push_back({.look = condition_look(cell->condition),
                        .value = cell->mean,
                        .interval = cell->interval,
                        .hover = cell_words(*cell)});
    if (cell->condition != Condition::full) continue;
    row.value_text =
        fmt::format("{} {}, n {}", score_text(cell->mean), interval_text(cell->interval), count_text(cell->samples));
    if (cell->chance > 0)
      row.dots.push_back(
          {.look = Look::reference, .value = cell->chance, .hover = "chance " + score_text(cell->chance)});
  }
  std::stable_sort(row.dots.begin(), row.dots.end(), [](const Dot& a, const Dot& b) { return a.look < b.look; });
  return row;
}

void add_scores_by_task(const RunSummary& run, std::vector<ReportFigure>& figures) {
  const auto tasks = tasks_of(run, false);
  if (tasks.empty()) return;
  std::vector<DotRow> rows;
  Cells all;
  for (const auto& [task, cells] : tasks) {
    rows.push_back(score_row(task, cells));
    all.insert(all.end(), cells.begin(), cells.end());
  }
  DotAxes axes{.name = "mean score", .range = {0, 1}};
  for (const Condition condition : {Condition::full, Condition::evidence_only, Condition::no_context})
    if (std::any_of(all.begin(), all.end(), [&](const Cell* cell) { return cell->condition == condition; }))
      axes.legend.emplace_back(std::string(condition_words(condition)), condition_look(condition));
  if (std::any_of(all.begin(), all.end(), [](const Cell* cell) { return cell->chance > 0; }))
    axes.legend.emplace_back("chance", Look::reference);
  ReportFigure figure{.name = "scores-by-task", .title = "Score by task"};
  figure.caption =
      "Mean scores (0 to 1) of texts as long as they are; whiskers are 95 % intervals. Evidence only: the model was "
      "given just the part that holds the answer. No context: the question alone.";
  draw_both(figure, [&](double width) { return dot_plot(rows, axes, figure.title, width); });
  figure.table = cell_table(all);
  figures.push_back(std::move(figure));
}

/// Samples with the whole input at a length: of the cells by depth where there are any, else of those of all depths.
std::string samples_at(const RunSummary& run, std::uint64_t length) {
  std::size_t by_depth = 0, together = 0;
  for (const Cell& cell : run.cells)
    if (cell.length == length && cell.condition == Condition::full) (cell.depth ? by_depth : together) += cell.samples;
  const std::size_t samples = by_depth > 0 ? by_depth : together;
  return samples > 0 ? count_text(samples) : "\u2013";
}

std::vector<CueRow> cue_rows(const RunSummary& run) {
  std::vector<CueRow> rows = run.cue;
  std::stable_sort(rows.begin(), rows.end(), [](const CueRow& a, const CueRow& b) { return a.length < b.length; });
  return rows;
}

void add_cue_retention(const RunSummary& run, std::vector<ReportFigure>& figures) {
  if (run.cue.empty()) return;
  PlotSeries series{.name = "CUE_ret", .look = Look::blue};
  ReportFigure figure{.name = "cue-ret", .title = "Context utilization efficiency: CUE_ret"};
  figure.table.columns = {{"Length", true}, {"CUE_ret", true}, {"95 % interval", true}, {"n", true}};
  for (const CueRow& row : cue_rows(run)) {
    const std::string value = score_text(row.retention), interval = interval_text(row.retention_interval);
    series.points.push_back({.x = static_cast<double>(row.length),
                             .y = row.retention,
                             .interval = row.retention_interval,
                             .hover = fmt::format("{}: {} {}", length_text(row.length), value, interval)});
    figure.table.rows.push_back({length_text(row.length), value, interval, samples_at(run, row.length)});
  }
  figure.caption =
      "Of what the model can do with the evidence alone, how much is left when the evidence lies in an input of "
      "this length, as a mean over depths and less what chance gives. 1: nothing is lost; 0: no better than a "
      "guess. It has no unit.";
  const LineAxes axes{.x_name = "length of the input, tokens", .y_name = "CUE_ret", .y_range = Interval{0, 1}};
  draw_both(figure, [&](double width) { return line_plot({{"", {series}}}, axes, figure.title, width); });
  figures.push_back(std::move(figure));
}

void add_cue_rate(const RunSummary& run, std::vector<ReportFigure>& figures) {
  if (run.cue.empty()) return;
  PlotSeries rate{.name = "CUE_rate", .look = Look::blue};
  PlotSeries ceiling{.name = "ceiling: every answer right", .look = Look::reference};
  ReportFigure figure{.name = "cue-rate", .title = "Context utilization efficiency: CUE_rate"};
  figure.table.columns = {
      {"Length", true}, {"CUE_rate", true}, {"95 % interval", true}, {"Ceiling", true}, {"n", true}};
  for (const CueRow& row : cue_rows(run)) {
    const auto place = static_cast<double>(row.length);
    const std::string value = score_text(row.rate), interval = interval_text(row.rate_interval),
                      top = score_text(row.ceiling);
    rate.points.push_back(
        {.x = place,
         .y = row.rate,
         .interval = row.rate_interval,
         .hover = fmt::format("{}: {} {} of {} bits per 1000 tokens", length_text(row.length), value, interval, top)});
    ceiling.points.push_back({.x = place, .y = row.ceiling});
    figure.table.rows.push_back({length_text(row.length), value, interval, top, samples_at(run, row.length)});
  }
  figure.caption =
      "Bits of right answers per 1000 tokens of input, beside the ceiling of a model that answers everything. With "
      "one fact in the input both fall as the input grows: read the distance between them, not the fall.";
  const LineAxes axes{.x_name = "length of the input, tokens",
                      .y_name = "bits per 1000 tokens",
                      .from_zero = true,
                      .may_be_logarithmic = true};
  draw_both(figure, [&](double width) { return line_plot({{"", {rate, ceiling}}}, axes, figure.title, width); });
  figures.push_back(std::move(figure));
}

}  // namespace

std::vector<ReportFigure> run_figures(const RunSummary& run) {
  std::vector<ReportFigure> figures;
  add_heatmap(run, figures);
  add_scores_by_length(run, figures);
  add_scores_by_task(run, figures);
  add_cue_retention(run, figures);
  add_cue_rate(run, figures);
  add_perplexity(run, figures);
  return figures;
}

}  // namespace tome
