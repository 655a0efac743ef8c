#include "evaluation/svg_plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "evaluation/plot_axis.h"
#include "evaluation/plot_legend.h"
#include "evaluation/report_text.h"

namespace tome {
namespace {

constexpr std::size_t most_panels = 24, most_cells = 48, most_rows = 120;
constexpr double font = SvgCanvas::font;

/// "0.98", or where that has no room ".98"; "1" for exactly 1, so that 0.996 does not pass for it.
std::string cell_text(double value, double room) {
  const std::string full = value == 1 ? "1" : value == 0 ? "0" : number_text(value, 2);
  const std::string rounded = full == "1.00" ? ">.99" : full;
  const std::string bare = rounded.starts_with("0.") ? rounded.substr(1) : rounded;
  for (const std::string& text : {rounded, bare})
    if (text_width(text, font) <= room) return text;
  return std::isnan(value) ? "\u2013" : "\u2026";
}

struct HeatLayout {
  double left = 0, cell_width = 0, cell_height = 0;
  double width = 0, height = 0;  ///< of one panel
  double title = 0;
};

HeatLayout heat_layout(const std::vector<HeatPanel>& panels, double width) {
  HeatLayout layout;
  std::size_t columns = 1, rows = 1;
  double column_label = 0, title = 0;
  for (const HeatPanel& panel : panels) {
    columns = std::max(columns, std::min(panel.columns.size(), most_cells));
    rows = std::max(rows, std::min(panel.rows.size(), most_cells));
    for (const std::string& row : panel.rows) layout.left = std::max(layout.left, text_width(row, font) + 8);
    for (const std::string& column : panel.columns) column_label = std::max(column_label, text_width(column, font) + 4);
    if (!panel.title.empty()) layout.title = 22;
    title = std::max(title, text_width(panel.title, SvgCanvas::title_font));
  }
  layout.left = std::min(layout.left, 90.0);
  const double room = (width - layout.left) / static_cast<double>(columns);
  layout.cell_width = std::clamp(room, std::min(column_label, 40.0), 84.0);
  layout.cell_width = std::max(layout.cell_width, 26.0);
  layout.cell_height = 26;
  layout.width = std::max(layout.left + layout.cell_width * static_cast<double>(columns), std::min(title, width));
  layout.height = layout.title + layout.cell_height * static_cast<double>(rows) + 22;
  return layout;
}

void draw_cell(SvgCanvas& canvas, const HeatLayout& layout, const HeatCell& cell, double x, double y) {
  const bool drawable = is_drawable(cell.value);
  const int step = heat_step(cell.value);
  canvas.begin_hover(cell.hover);
  canvas.rectangle(x + 0.75, y + 0.75, layout.cell_width - 1.5, layout.cell_height - 1.5,
                   drawable ? fmt::format("h{}", step) : "none", 2);
  canvas.text(x + layout.cell_width / 2, y + layout.cell_height / 2 + 4, cell_text(cell.value, layout.cell_width - 3),
              Anchor::middle, drawable ? fmt::format("t{}", step) : "quiet");
  canvas.end_hover();
}

void draw_heat_panel(SvgCanvas& canvas, const HeatPanel& panel, const HeatLayout& layout, double x, double y,
                     Omissions& omissions) {
  canvas.text(x, y + 13, shortened(panel.title, SvgCanvas::title_font, layout.width), Anchor::start, "title");
  y += layout.title;
  const std::size_t rows = std::min(panel.rows.size(), most_cells),
                    columns = std::min(panel.columns.size(), most_cells);
  omissions.over_limit += panel.rows.size() * panel.columns.size() - rows * columns;
  for (std::size_t row = 0; row < rows; ++row) {
    const double top = y + layout.cell_height * static_cast<double>(row);
    canvas.text(x + layout.left - 6, top + layout.cell_height / 2 + 4,
                shortened(panel.rows[row], font, layout.left - 6), Anchor::end, "quiet");
    for (std::size_t column = 0; column < columns; ++column) {
      const double left = x + layout.left + layout.cell_width * static_cast<double>(column);
      const std::optional<HeatCell>& cell = panel.cells[row][column];
      if (!cell) continue;
      omissions.not_drawable += is_drawable(cell->value) ? 0 : 1;
      draw_cell(canvas, layout, *cell, left, top);
    }
  }
  const double bottom = y + layout.cell_height * static_cast<double>(rows);
  double limit = 1e300;
  for (std::size_t column = columns; column-- > 0;) {
    const double half = text_width(panel.columns[column], font) / 2;
    const double middle =
        std::min(x + layout.left + layout.cell_width * (static_cast<double>(column) + 0.5), x + layout.width - half);
    if (middle + half > limit || middle - half < x) continue;
    canvas.text(middle, bottom + 16, panel.columns[column], Anchor::middle, "quiet");
    limit = middle - half - 2;
  }
}

double draw_heat_scale(SvgCanvas& canvas, double y) {
  constexpr double swatch = 18;
  const double left = text_width("0", font) + 6;
  canvas.text(0, y + 12, "0", Anchor::start, "quiet");
  for (int step = 0; step < heat_steps; ++step)
    canvas.rectangle(left + swatch * step, y + 2, swatch, 12, fmt::format("h{} swatch", step));
  canvas.text(left + swatch * heat_steps + 6, y + 12, "1", Anchor::start, "quiet");
  return y + 22;
}

/// Where things stand in a dot plot.
struct DotLayout {
  double label = 0, value = 0, row = 24;
  Axis axis;
};

DotLayout dot_layout(const std::vector<DotRow>& rows, const DotAxes& axes, double width) {
  DotLayout layout;
  ValueRange range;
  range.show(axes.range);
  if (axes.reference) range.show(*axes.reference);
  for (const DotRow& row : rows) {
    layout.label = std::max(layout.label, text_width(row.label, font));
    if (width >= 600) layout.value = std::max(layout.value, text_width(row.value_text, font) + 12);
    for (const Dot& dot : row.dots) {
      range.show(dot.value);
      if (dot.interval) range.show(*dot.interval);
    }
  }
  layout.label = std::min(layout.label, width * 0.46);
  layout.value = std::min(layout.value, width * 0.35);
  const Interval shown = range.get();
  const double pad = range.wide() ? 0 : std::max(0.5, std::abs(shown.low) * 0.1);
  layout.axis = {
      .low = shown.low - pad, .high = shown.high + pad, .begin = layout.label + 18, .end = width - layout.value - 10};
  return layout;
}

void draw_dot(SvgCanvas& canvas, const Axis& axis, const Dot& dot, double y) {
  const std::string name(look_class(dot.look));
  canvas.begin_hover(dot.hover);
  if (dot.interval && is_drawable(*dot.interval)) {
    const double low = axis.at(dot.interval->low), high = axis.at(dot.interval->high);
    canvas.line(low, y, high, y, name + " whisker");
    for (const double end : {low, high}) canvas.line(end, y - 4, end, y + 4, name + " whisker");
  }
  canvas.mark(axis.at(dot.value), y, dot.look, dot.hollow);
  canvas.end_hover();
}

void draw_dot_row(SvgCanvas& canvas, const DotLayout& layout, const DotRow& row, double y, double width,
                  Omissions& omissions) {
  const double middle = y + layout.row / 2;
  canvas.text(layout.label, middle + 4, shortened_inside(row.label, font, layout.label), Anchor::end);
  if (layout.value > 0)
    canvas.text(width, middle + 4, shortened(row.value_text, font, layout.value - 10), Anchor::end, "quiet");
  // The first look is drawn last, on top.
  for (auto dot = row.dots.rbegin(); dot != row.dots.rend(); ++dot) {
    if (is_drawable(dot->value)) draw_dot(canvas, layout.axis, *dot, middle);
    omissions.not_drawable += is_drawable(dot->value) ? 0 : 1;
  }
}

double draw_dot_axis(SvgCanvas& canvas, const DotLayout& layout, const DotAxes& axes, double top, double bottom) {
  double limit = -1e300;
  const Axis& axis = layout.axis;
  for (const Tick& tick : round_ticks(axis.low, axis.high, axis.end - axis.begin < 260 ? 3 : 6)) {
    const double at = axis.at(tick.value), half = text_width(tick.label, font) / 2;
    canvas.line(at, top, at, bottom, "grid");
    if (at - half < limit) continue;
    canvas.text(at, bottom + 16, tick.label, Anchor::middle, "quiet");
    limit = at + half + 6;
  }
  if (axes.reference) canvas.line(axis.at(*axes.reference), top, axis.at(*axes.reference), bottom, "axis");
  return bottom + 24;
}

}  // namespace

SvgPlot heatmap_plot(const std::vector<HeatPanel>& all, std::string row_name, std::string column_name,
                     std::string label, double width) {
  const std::vector<HeatPanel> panels(all.begin(), all.begin() + std::min(all.size(), most_panels));
  Omissions omissions{.over_limit = all.size() - panels.size()};
  constexpr double gap = 28;
  // Side by side only where each keeps room for its values.
  HeatLayout layout = heat_layout(panels, width);
  if (panels.size() > 1 && width >= 600) layout = heat_layout(panels, (width - gap) / 2);
  const auto fitting = static_cast<std::size_t>(std::max(1.0, std::floor((width + gap) / (layout.width + gap))));
  const std::size_t across = std::clamp<std::size_t>(panels.size(), 1, fitting);
  const double whole = std::max(width, layout.width);

  SvgCanvas canvas;
  canvas.text(0, 12, shortened(fmt::format("rows: {}; columns: {}", row_name, column_name), font, whole), Anchor::start,
              "quiet");
  double y = 24;
  for (std::size_t at = 0; at < panels.size(); ++at) {
    draw_heat_panel(canvas, panels[at], layout, static_cast<double>(at % across) * (layout.width + gap), y, omissions);
    if (at % across == across - 1 || at + 1 == panels.size()) y += layout.height + 12;
  }
  y = draw_heat_scale(canvas, y);
  y = draw_omissions(canvas, omissions, y, whole);
  return canvas.finish(std::move(label), whole, y);
}

SvgPlot dot_plot(const std::vector<DotRow>& all, const DotAxes& axes, std::string label, double width) {
  const std::vector<DotRow> rows(all.begin(), all.begin() + std::min(all.size(), most_rows));
  Omissions omissions{.over_limit = all.size() - rows.size()};
  const DotLayout layout = dot_layout(rows, axes, width);
  SvgCanvas canvas;
  const double top = draw_legend(canvas, axes.legend, LegendSample::mark, 0, width) + 4;
  const double bottom = top + layout.row * static_cast<double>(rows.size());
  double y = draw_dot_axis(canvas, layout, axes, top, bottom);
  for (std::size_t at = 0; at < rows.size(); ++at)
    draw_dot_row(canvas, layout, rows[at], top + layout.row * static_cast<double>(at), width, omissions);
  canvas.text(width, y + 8, shortened(axes.name, font, width), Anchor::end, "quiet");
  y = draw_omissions(canvas, omissions, y + 14, width);
  return canvas.finish(std::move(label), width, y);
}

}  // namespace tome
