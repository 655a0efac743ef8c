#include <fmt/format.h>

#include "evaluation/figure_parts.h"
#include "evaluation/report_text.h"

namespace tome {
namespace {

std::string signed_text(double value) { return (value > 0 ? "+" : "") + score_text(value); }

std::string row_words(const Comparison::Row& row) {
  const std::string task = row.task.empty() ? "all samples" : row.task;
  return row.length == 0 ? task : fmt::format("{}, {}", task, length_text(row.length));
}

DotRow difference_row(const Comparison::Row& row) {
  const std::string value = fmt::format("{} {}", signed_text(row.difference), interval_text(row.interval));
  const Look look = row.interval.low > 0 ? Look::blue : row.interval.high < 0 ? Look::orange : Look::reference;
  const std::string words = row_words(row);
  return {.label = words,
          .value_text = fmt::format("{}, n {}", value, count_text(row.pairs)),
          .dots = {{.look = look,
                    .value = row.difference,
                    .interval = row.interval,
                    .hover = fmt::format("{}: {}, n {}, p {}", words, value, count_text(row.pairs),
                                         probability_text(row.p))}}};
}

}  // namespace

std::vector<ReportFigure> comparison_figures(const Comparison& comparison) {
  if (comparison.rows.empty()) return {};
  ReportFigure figure{.name = "difference", .title = "Difference of the mean scores (B\u00a0\u2212\u00a0A)"};
  figure.caption =
      "Both runs answered the same questions, so that the difference is taken question by question. Whiskers are "
      "its 95 % interval: where it does not hold 0, the difference is more than chance. With many rows one in "
      "twenty does so by chance alone; the first row is over all samples.";
  std::vector<DotRow> rows;
  figure.table.columns = {
      {"Samples"}, {"B \u2212 A", true}, {"95 % interval", true}, {"p", true}, {"n", true}, {"A", true}, {"B", true},
      {"Test"}};
  for (const Comparison::Row& row : comparison.rows) {
    rows.push_back(difference_row(row));
    figure.table.rows.push_back({row_words(row), signed_text(row.difference), interval_text(row.interval),
                                 probability_text(row.p), count_text(row.pairs), score_text(row.mean_a),
                                 score_text(row.mean_b), row.test});
  }
  const DotAxes axes{
      .name = "difference of the mean scores",
      .range = {-0.1, 0.1},
      .reference = 0,
      .legend = {{"B is better", Look::blue}, {"not told apart", Look::reference}, {"A is better", Look::orange}}};
  draw_both(figure, [&](double width) { return dot_plot(rows, axes, figure.title, width); });
  std::vector<ReportFigure> figures;
  figures.push_back(std::move(figure));
  return figures;
}

}  // namespace tome
