#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "evaluation/plot_axis.h"
#include "evaluation/plot_legend.h"
#include "evaluation/report_text.h"
#include "evaluation/svg_plots.h"

namespace tome {
namespace {

constexpr std::size_t most_panels = 60, most_points = 4000, most_marks = 40, most_named_lengths = 40;
constexpr double font = SvgCanvas::font, inset = 9;

/// What all panels share.
struct Frame {
  Axis x, y;  ///< places relative to the panel's top left corner
  std::vector<Tick> x_ticks, y_ticks;
  double width = 0, height = 0;  ///< of a panel, with its title and the labels of its axes
  double left = 0, title = 0;    ///< room for labels, for the title
};

bool drawable(const PlotPoint& point) {
  return is_drawable(point.y) && point.x >= 0 && (point.x > 0 || point.x_end) && point.x_end.value_or(1) > 0;
}

Axis y_axis(const std::vector<LinePanel>& panels, const LineAxes& axes) {
  ValueRange range, values;
  for (const LinePanel& panel : panels)
    for (const PlotSeries& series : panel.series)
      for (const PlotPoint& point : series.points) {
        values.show(point.y);
        range.show(point.y);
        if (point.interval) range.show(*point.interval);
      }
  const Interval seen = values.get();
  if (axes.may_be_logarithmic && seen.low > 0 && seen.high / seen.low >= 20)
    return {.low = seen.low / 1.5, .high = std::max(range.get().high, seen.high) * 1.2, .logarithmic = true};
  if (axes.from_zero) range.show(0);
  if (axes.y_range) range.show(*axes.y_range);
  Interval shown = range.get();
  const double span = shown.high - shown.low;
  const double pad = range.wide() ? 0.06 * span : std::max(0.5, std::abs(shown.low) * 0.1);
  const bool low_is_firm = axes.y_range ? shown.low == axes.y_range->low : axes.from_zero && shown.low == 0;
  const bool high_is_firm = axes.y_range && shown.high == axes.y_range->high;
  if (!low_is_firm) shown.low -= pad;
  if (!high_is_firm) shown.high += pad;
  return {.low = shown.low, .high = shown.high};
}

/// Lengths grow by factors, so their axis is logarithmic; buckets of a text only where they do so too.
Axis x_axis(const std::vector<LinePanel>& panels, std::set<double>& places, bool& buckets) {
  ValueRange positive, ends, begins;
  buckets = false;
  for (const LinePanel& panel : panels)
    for (const PlotSeries& series : panel.series)
      for (const PlotPoint& point : series.points) {
        if (!drawable(point)) continue;
        places.insert(point.x);
        buckets = buckets || point.x_end;
        begins.show(std::min(point.x, 1e12));
        ends.show(std::min(point.x_end.value_or(point.x), 1e12));
        positive.show(std::min(point.x > 0 ? point.x : *point.x_end / 2, 1e12));
      }
  if (ends.empty()) return {.low = 1, .high = 2, .logarithmic = true};
  Axis axis = {.low = positive.get().low, .high = ends.get().high, .logarithmic = true};
  if (buckets && ends.get().high < 32 * ends.get().low) axis = {.low = begins.get().low, .high = ends.get().high};
  if (axis.low < axis.high) return axis;
  return {.low = axis.low / 2, .high = axis.low * 2, .logarithmic = true};
}

Frame frame_of(const std::vector<LinePanel>& panels, const LineAxes& axes, double width, double height) {
  Frame frame;
  frame.width = width;
  frame.height = height;
  std::set<double> places;
  bool buckets = false;
  frame.x = x_axis(panels, places, buckets);
  frame.y = y_axis(panels, axes);
  frame.y_ticks =
      frame.y.logarithmic ? decade_ticks(frame.y.low, frame.y.high) : round_ticks(frame.y.low, frame.y.high, 5);
  if (!buckets && places.size() <= most_named_lengths) {
    for (const double place : places) frame.x_ticks.push_back({place, axis_length_text(place)});
  } else {
    frame.x_ticks = token_ticks(frame.x.low, frame.x.high, 5, frame.x.logarithmic);
  }
  for (const Tick& tick : frame.y_ticks) frame.left = std::max(frame.left, text_width(tick.label, font) + 8);
  for (const LinePanel& panel : panels) frame.title = std::max(frame.title, panel.title.empty() ? 0.0 : 24.0);
  frame.x.begin = frame.left + inset;
  frame.x.end = width - inset;
  frame.y.begin = height - 22;
  frame.y.end = frame.title + 8;
  return frame;
}

void draw_axes(SvgCanvas& canvas, const Frame& frame, double x, double y) {
  for (const Tick& tick : frame.y_ticks) {
    const double at = y + frame.y.at(tick.value);
    // Where values may lie below 0, its line stands out.
    const bool zero = tick.value == 0 && frame.y.low < 0;
    canvas.line(x + frame.left, at, x + frame.width, at, zero ? "axis" : "grid");
    canvas.text(x + frame.left - 6, at + 4, tick.label, Anchor::end, "quiet");
  }
  canvas.line(x + frame.left, y + frame.y.begin, x + frame.width, y + frame.y.begin, "axis");
  // From the right, so that the longest length keeps its label.
  double limit = x + frame.width;
  for (auto tick = frame.x_ticks.rbegin(); tick != frame.x_ticks.rend(); ++tick) {
    const double at = x + frame.x.at(tick->value), half = text_width(tick->label, font) / 2;
    canvas.line(at, y + frame.y.begin, at, y + frame.y.begin + 4, "axis");
    const double middle = std::min(at, x + frame.width - half);
    if (middle + half > limit || middle - half < x) continue;
    canvas.text(middle, y + frame.y.begin + 17, tick->label, Anchor::middle, "quiet");
    limit = middle - half - 6;
  }
}

using Places = std::vector<std::pair<double, double>>;

/// The corners of a run of neighbouring points: one a point, or two where a value holds over a stretch.
void add_corners(Places& places, const Frame& frame, const PlotPoint& point, double value, double x, double y) {
  places.emplace_back(x + frame.x.at(point.x), y + frame.y.at(value));
  if (point.x_end) places.emplace_back(x + frame.x.at(*point.x_end), y + frame.y.at(value));
}

/// One stretch without gaps, as [first, last) of the points.
void draw_stretch(SvgCanvas& canvas, const Frame& frame, const PlotSeries& series, std::size_t first, std::size_t last,
                  double x, double y) {
  const std::string name(look_class(series.look));
  Places line, low, high;
  bool banded = true;
  for (std::size_t at = first; at < last; ++at) {
    const PlotPoint& point = series.points[at];
    add_corners(line, frame, point, point.y, x, y);
    banded = banded && point.interval && is_drawable(*point.interval);
    if (!banded) continue;
    add_corners(low, frame, point, point.interval->low, x, y);
    add_corners(high, frame, point, point.interval->high, x, y);
  }
  if (banded && line.size() > 1) {
    high.insert(high.end(), low.rbegin(), low.rend());
    canvas.polygon(high, name + " band");
  } else if (banded && line.size() == 1) {
    canvas.line(line[0].first, low[0].second, line[0].first, high[0].second, name + " whisker");
    for (const double end : {low[0].second, high[0].second})
      canvas.line(line[0].first - 4, end, line[0].first + 4, end, name + " whisker");
  }
  const bool alone = line.size() == 1;
  if (alone) {
    const double middle = line[0].first, height = line[0].second;
    line = {{std::max(middle - 14, x + frame.left), height}, {std::min(middle + 14, x + frame.width), height}};
  }
  // A point by itself has its mark; a reference has none.
  if (!alone || series.look == Look::reference) canvas.polyline(line, name + " line");
}

void draw_series(SvgCanvas& canvas, const Frame& frame, const PlotSeries& series, double x, double y,
                 Omissions& omissions) {
  const std::size_t count = std::min(series.points.size(), most_points);
  omissions.over_limit += series.points.size() - count;
  std::size_t drawn = 0;
  for (std::size_t first = 0; first < count;) {
    std::size_t last = first;
    while (last < count && drawable(series.points[last])) ++last;
    if (last > first) draw_stretch(canvas, frame, series, first, last, x, y);
    drawn += last - first;
    first = last + 1;
  }
  omissions.not_drawable += count - drawn;
  const bool marks = count <= most_marks && series.look != Look::reference;
  for (std::size_t at = 0; at < count; ++at) {
    const PlotPoint& point = series.points[at];
    if (!drawable(point) || !marks) continue;
    canvas.begin_hover(point.hover);
    const double from = frame.x.at(point.x), to = frame.x.at(point.x_end.value_or(point.x));
    canvas.mark(x + (from + to) / 2, y + frame.y.at(point.y), series.look);
    canvas.end_hover();
  }
}

/// Each look once, in the order of its first series. Series of one look share a name.
std::vector<std::pair<std::string, Look>> legend_of(const std::vector<LinePanel>& panels) {
  std::vector<std::pair<std::string, Look>> items;
  for (const LinePanel& panel : panels)
    for (const PlotSeries& series : panel.series) {
      const auto same = [&](const auto& item) { return item.first == series.name && item.second == series.look; };
      if (std::none_of(items.begin(), items.end(), same) && items.size() < 24)
        items.emplace_back(series.name, series.look);
    }
  return items;
}

}  // namespace

SvgPlot line_plot(const std::vector<LinePanel>& all, const LineAxes& axes, std::string label, double width) {
  const std::vector<LinePanel> panels(all.begin(), all.begin() + std::min(all.size(), most_panels));
  Omissions omissions{.over_limit = all.size() - panels.size()};
  constexpr double column_gap = 24, row_gap = 14;
  const std::size_t columns = width < 600 ? 1 : std::clamp<std::size_t>(panels.size(), 1, 3);
  const double panel_width = (width - column_gap * static_cast<double>(columns - 1)) / static_cast<double>(columns);
  const Frame frame = frame_of(panels, axes, panel_width, columns == 1 && width >= 600 ? 320 : 210);

  SvgCanvas canvas;
  // The name of a lone series is that of the axis.
  const auto legend = legend_of(panels);
  double y = legend.size() > 1 ? draw_legend(canvas, legend, LegendSample::line, 0, width) : 0;
  canvas.text(0, y + 12, shortened(axes.y_name, font, width), Anchor::start, "quiet");
  y += 20;
  for (std::size_t at = 0; at < panels.size(); ++at) {
    const double x = static_cast<double>(at % columns) * (panel_width + column_gap);
    canvas.text(x, y + 14, shortened(panels[at].title, SvgCanvas::title_font, panel_width), Anchor::start, "title");
    draw_axes(canvas, frame, x, y);
    for (const PlotSeries& series : panels[at].series) draw_series(canvas, frame, series, x, y, omissions);
    if (at % columns == columns - 1 || at + 1 == panels.size()) y += frame.height + row_gap;
  }
  canvas.text(width, y + 6, shortened(axes.x_name, font, width), Anchor::end, "quiet");
  y = draw_omissions(canvas, omissions, y + 12, width);
  return canvas.finish(std::move(label), width, y);
}

}  // namespace tome
