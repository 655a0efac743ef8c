#pragma once
// What a report shows of a run: pictures, each with what it means and a table of the same values. Pure functions; any
// thread.
#include <span>
#include <string>
#include <vector>

#include "evaluation/summary.h"
#include "evaluation/svg_canvas.h"

namespace tome {

struct ReportTable {
  struct Column {
    std::string name = {};
    bool number = false;
  };
  std::vector<Column> columns = {};
  std::vector<std::vector<std::string>> rows = {};  ///< plain text
};

struct ReportFigure {
  std::string name = {};                 ///< "needle-heatmap": for file names and links, ASCII
  std::string title = {}, caption = {};  ///< plain text
  SvgPlot narrow = {}, wide = {};
  ReportTable table = {};
};

/// In the order in which they are shown; only those that the run has values for.
std::vector<ReportFigure> run_figures(const RunSummary& run);
/// Several runs in one picture, where they measured the same.
std::vector<ReportFigure> overlay_figures(std::span<const RunSummary> runs);
/// No figure for a comparison without rows.
std::vector<ReportFigure> comparison_figures(const Comparison& comparison);

}  // namespace tome
