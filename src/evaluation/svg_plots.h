#pragma once
// Three kinds of picture: lines with bands over an axis of tokens, a heatmap of lengths and depths, and rows of dots
// with whiskers. Pure functions, any thread. Widths are CSS pixels at which the text has its natural size (12), so a
// narrow screen gets a plot that was laid out narrow instead of a wide one shrunk. A value that is no number, infinite
// or beyond ±10¹² is not drawn, and the plot says how many there are.
#include <optional>
#include <string>
#include <vector>

#include "evaluation/intervals.h"
#include "evaluation/plot_style.h"
#include "evaluation/svg_canvas.h"

namespace tome {

constexpr double narrow_plot = 328, wide_plot = 880;

struct PlotPoint {
  double x = 0;                      ///< tokens
  std::optional<double> x_end = {};  ///< the value holds from x to x_end
  double y = 0;
  std::optional<Interval> interval = {};
  std::string hover = {};
};

struct PlotSeries {
  std::string name = {};
  Look look = Look::blue;
  std::vector<PlotPoint> points = {};  ///< x ascends
};

struct LinePanel {
  std::string title = {};
  std::vector<PlotSeries> series = {};
};

struct LineAxes {
  std::string x_name = {}, y_name = {};
  std::optional<Interval> y_range = {};  ///< at least; none: of the data
  bool from_zero = false;                ///< the y axis holds 0, unless it is logarithmic
  bool may_be_logarithmic = false;       ///< y, when all is above 0 and the range is wide
};

/// Small multiples under one legend; as many columns as the width allows.
SvgPlot line_plot(const std::vector<LinePanel>& panels, const LineAxes& axes, std::string label, double width);

struct HeatCell {
  double value = 0;  ///< 0 … 1
  std::string hover = {};
};

struct HeatPanel {
  std::string title = {};
  std::vector<std::string> columns = {}, rows = {};
  std::vector<std::vector<std::optional<HeatCell>>> cells = {};  ///< [rows][columns]
};

SvgPlot heatmap_plot(const std::vector<HeatPanel>& panels, std::string row_name, std::string column_name,
                     std::string label, double width);

struct Dot {
  Look look = Look::blue;
  double value = 0;
  std::optional<Interval> interval = {};
  bool hollow = false;
  std::string hover = {};
};

struct DotRow {
  std::string label = {}, value_text = {};  ///< value_text stands at the right where there is room
  std::vector<Dot> dots = {};
};

struct DotAxes {
  std::string name = {};
  Interval range = {};                   ///< at least
  std::optional<double> reference = {};  ///< a line at this value
  std::vector<std::pair<std::string, Look>> legend = {};
};

SvgPlot dot_plot(const std::vector<DotRow>& rows, const DotAxes& axes, std::string label, double width);

}  // namespace tome
