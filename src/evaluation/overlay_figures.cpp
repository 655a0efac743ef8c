#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "evaluation/figure_parts.h"
#include "evaluation/report_text.h"

namespace tome {
namespace {

std::string run_name(const RunSummary& run, std::size_t number) {
  return run.title.empty() ? fmt::format("run {}", number + 1) : run.title;
}

/// Points by panel and run.
class Overlay {
 public:
  void add(const std::string& panel, std::size_t run, PlotPoint point) {
    const std::size_t at = index_of(titles_, panel);
    points_.resize(titles_.size());
    points_[at][run].push_back(std::move(point));
  }

  /// Only what two runs or more have; a run looks the same in all panels.
  std::vector<LinePanel> panels(std::span<const RunSummary> runs) {
    std::vector<LinePanel> panels;
    std::vector<std::size_t> shown;
    for (std::size_t at = 0; at < titles_.size(); ++at) {
      if (points_[at].size() < 2) continue;
      LinePanel& panel = panels.emplace_back(LinePanel{.title = titles_[at]});
      for (auto& [run, points] : points_[at]) {
        std::stable_sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
        const auto look = static_cast<Look>(index_of(shown, run) % turning_looks);
        panel.series.push_back({.name = run_name(runs[run], run), .look = look, .points = std::move(points)});
      }
    }
    return panels;
  }

 private:
  std::vector<std::string> titles_;
  std::vector<std::map<std::size_t, std::vector<PlotPoint>>> points_;
};

bool has_panel(const std::vector<LinePanel>& panels, const std::string& title) {
  return std::any_of(panels.begin(), panels.end(), [&](const LinePanel& panel) { return panel.title == title; });
}

void add_scores(std::span<const RunSummary> runs, std::vector<ReportFigure>& figures) {
  const auto belongs = [](const Cell& cell) {
    return !cell.depth && cell.length > 0 && cell.condition == Condition::full;
  };
  Overlay overlay;
  for (std::size_t run = 0; run < runs.size(); ++run)
    for (const Cell& cell : runs[run].cells)
      if (belongs(cell)) {
        const std::string name = run_name(runs[run], run);
        overlay.add(task_words(cell.task), run,
                    {.x = static_cast<double>(cell.length),
                     .y = cell.mean,
                     .interval = cell.interval,
                     .hover = name + ": " + cell_words(cell)});
      }
  const std::vector<LinePanel> panels = overlay.panels(runs);
  if (panels.empty()) return;
  ReportFigure figure{.name = "runs-scores", .title = "Score by length, run by run"};
  figure.caption =
      "Mean scores (0 to 1) with the whole input; shaded: each run's own 95 % interval. Bands that overlap do not "
      "prove the runs equal: where both read the same samples, a paired comparison is the sharper test.";
  figure.table.columns = {{"Task"}, {"Run"}, {"Length", true}, {"Score", true}, {"95 % interval", true}, {"n", true}};
  for (const LinePanel& panel : panels)
    for (std::size_t run = 0; run < runs.size(); ++run)
      for (const Cell& cell : runs[run].cells)
        if (belongs(cell) && task_words(cell.task) == panel.title)
          figure.table.rows.push_back({panel.title, run_name(runs[run], run), length_text(cell.length),
                                       score_text(cell.mean), interval_text(cell.interval), count_text(cell.samples)});
  const LineAxes axes{.x_name = "length of the input, tokens", .y_name = "mean score", .y_range = Interval{0, 1}};
  draw_both(figure, [&](double width) { return line_plot(panels, axes, figure.title, width); });
  figures.push_back(std::move(figure));
}

void add_likelihoods(std::span<const RunSummary> runs, std::vector<ReportFigure>& figures) {
  Overlay overlay;
  for (std::size_t run = 0; run < runs.size(); ++run)
    for (const PerplexityPoint& point : runs[run].perplexity)
      if (!is_gain(point)) overlay.add(point.series, run, perplexity_plot_point(point));
  const std::vector<LinePanel> panels = overlay.panels(runs);
  if (panels.empty()) return;
  ReportFigure figure{.name = "runs-perplexity", .title = "Negative log-likelihood by position, run by run"};
  figure.caption = "Mean \u2212ln(probability) of the tokens of each stretch, lower is better; shaded: 95 % intervals.";
  figure.table.columns = {
      {"Series"}, {"Run"}, {"Tokens from\u2013to", true}, {"NLL, nats", true}, {"95 % interval", true}, {"n", true}};
  for (std::size_t run = 0; run < runs.size(); ++run)
    for (const PerplexityPoint& point : runs[run].perplexity)
      if (has_panel(panels, point.series) && !is_gain(point))
        figure.table.rows.push_back({point.series, run_name(runs[run], run),
                                     fmt::format("{}\u2013{}", count_text(point.first), count_text(point.last)),
                                     number_text(point.nll, 4), interval_text(point.interval, 4),
                                     count_text(point.tokens)});
  const LineAxes axes{.x_name = "position in the text or context, tokens",
                      .y_name = "negative log-likelihood, nats a token"};
  draw_both(figure, [&](double width) { return line_plot(panels, axes, figure.title, width); });
  figures.push_back(std::move(figure));
}

}  // namespace

std::vector<ReportFigure> overlay_figures(std::span<const RunSummary> runs) {
  std::vector<ReportFigure> figures;
  if (runs.size() < 2) return figures;
  add_scores(runs, figures);
  add_likelihoods(runs, figures);
  return figures;
}

}  // namespace tome
