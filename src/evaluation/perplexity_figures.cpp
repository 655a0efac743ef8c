#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "evaluation/figure_parts.h"
#include "evaluation/report_text.h"

namespace tome {
namespace {

constexpr int decimals = 4;

std::string stretch_words(const PerplexityPoint& point) {
  return fmt::format("{}\u2013{}", count_text(point.first), count_text(point.last));
}

std::vector<PerplexityPoint> points_of(const RunSummary& run, bool gain) {
  std::vector<PerplexityPoint> points;
  for (const PerplexityPoint& point : run.perplexity)
    if (is_gain(point) == gain) points.push_back(point);
  return points;
}

std::vector<PlotSeries> series_of(const std::vector<PerplexityPoint>& points) {
  std::vector<std::string> names;
  std::vector<PlotSeries> series;
  for (const PerplexityPoint& point : points) {
    const std::size_t at = index_of(names, point.series);
    if (at == series.size()) series.push_back({.name = point.series, .look = static_cast<Look>(at % turning_looks)});
    series[at].points.push_back(perplexity_plot_point(point));
  }
  for (PlotSeries& one : series)
    std::stable_sort(one.points.begin(), one.points.end(),
                     [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
  return series;
}

ReportTable table_of(const std::vector<PerplexityPoint>& points, bool gain) {
  ReportTable table;
  table.columns = {{"Series"},
                   {"Tokens from\u2013to", true},
                   {"n", true},
                   {gain ? "Gain, nats" : "NLL, nats", true},
                   {"95 % interval", true}};
  if (!gain) table.columns.push_back({"Perplexity", true});
  for (const PerplexityPoint& point : points) {
    table.rows.push_back({point.series, stretch_words(point), count_text(point.tokens),
                          number_text(point.nll, decimals), interval_text(point.interval, decimals)});
    if (!gain) table.rows.back().push_back(number_text(std::exp(point.nll), 3));
  }
  return table;
}

void add_figure(const std::vector<PerplexityPoint>& points, bool gain, ReportFigure figure,
                std::vector<ReportFigure>& figures) {
  if (points.empty()) return;
  const LineAxes axes{.x_name = "position in the text or context, tokens",
                      .y_name = gain ? "gain, nats a token" : "negative log-likelihood, nats a token",
                      .from_zero = gain};
  const std::vector<LinePanel> panels = {{"", series_of(points)}};
  draw_both(figure, [&](double width) { return line_plot(panels, axes, figure.title, width); });
  figure.table = table_of(points, gain);
  figures.push_back(std::move(figure));
}

}  // namespace

bool is_gain(const PerplexityPoint& point) { return point.series.starts_with("gain"); }

PlotPoint perplexity_plot_point(const PerplexityPoint& point) {
  return {.x = static_cast<double>(point.first),
          .x_end = static_cast<double>(std::max(point.first, point.last)),
          .y = point.nll,
          .interval = point.interval,
          .hover = fmt::format("{}, tokens {}: {} {}, n {}", point.series, stretch_words(point),
                               number_text(point.nll, decimals), interval_text(point.interval, decimals),
                               count_text(point.tokens))};
}

void add_perplexity(const RunSummary& run, std::vector<ReportFigure>& figures) {
  add_figure(points_of(run, false), false,
             {.name = "perplexity",
              .title = "Negative log-likelihood by position",
              .caption = "How surprised the model is by the tokens of each stretch of the text: the mean of "
                         "\u2212ln(probability), lower is better; its exponential, the perplexity, is in the table. "
                         "A line that rises behind some position shows where the model no longer copes with the "
                         "length. Shaded: 95 % intervals."},
             figures);
  add_figure(points_of(run, true), true,
             {.name = "context-gain",
              .title = "Gain of the long context",
              .caption = "By how much the last tokens of a stretch become likelier when the model has read so many "
                         "tokens before them instead of the fewest: of the same tokens. Above 0 the longer context "
                         "helps. Shaded: 95 % intervals of the stretches' differences; of one stretch alone, of two "
                         "independent means, which is wider."},
             figures);
}

}  // namespace tome
