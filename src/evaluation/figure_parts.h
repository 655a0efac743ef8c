#pragma once
// What the figures of a report share: both layouts of a picture, and the rows of tables.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evaluation/report_figures.h"
#include "evaluation/svg_plots.h"

namespace tome {

/// draw(width) makes a plot; a figure has it narrow and wide.
template <typename Draw>
void draw_both(ReportFigure& figure, Draw draw) {
  figure.narrow = draw(narrow_plot);
  figure.wide = draw(wide_plot);
}

std::string_view condition_words(Condition condition);  ///< "whole input", "evidence only", "no context"
Look condition_look(Condition condition);
std::string task_words(const std::string& task);  ///< "all" for none

/// "qa_1, 8K, depth 50 %, whole input: 0.975 [0.871, 0.996], n 40"
std::string cell_words(const Cell& cell);

/// Columns that say nothing (one condition, no depth, chance 0 everywhere) are left out.
ReportTable cell_table(const std::vector<const Cell*>& cells);

/// Negative log-likelihood, and the gain of a long context, by position (perplexity_figures.cpp).
void add_perplexity(const RunSummary& run, std::vector<ReportFigure>& figures);
bool is_gain(const PerplexityPoint& point);
PlotPoint perplexity_plot_point(const PerplexityPoint& point);

/// The values in the order in which they first appear.
template <typename Value>
std::size_t index_of(std::vector<Value>& values, const Value& value) {
  for (std::size_t at = 0; at < values.size(); ++at)
    if (values[at] == value) return at;
  values.push_back(value);
  return values.size() - 1;
}

}  // namespace tome
