#pragma once
// Which look is which series, in rows across the top of a plot; and the line that owns up to what a plot leaves out.
#include <string>
#include <utility>
#include <vector>

#include "evaluation/svg_canvas.h"

namespace tome {

enum class LegendSample { line, mark };

/// Draws from y down; returns where the plot may begin. Names too long for the width are shortened.
double draw_legend(SvgCanvas& canvas, const std::vector<std::pair<std::string, Look>>& items, LegendSample sample,
                   double y, double width);

struct Omissions {
  std::size_t not_drawable = 0;  ///< values
  std::size_t over_limit = 0;    ///< panels, rows, columns, points
};

/// "In the table only: …", if there is anything to say; returns the plot's new height.
double draw_omissions(SvgCanvas& canvas, const Omissions& omissions, double y, double width);

}  // namespace tome
