#include "evaluation/svg_canvas.h"

#include <fmt/format.h>

#include <iterator>

#include "evaluation/report_text.h"

namespace tome {
namespace {

std::string coordinates(const std::vector<std::pair<double, double>>& points) {
  std::string text;
  for (const auto& [x, y] : points) fmt::format_to(std::back_inserter(text), "{:.1f},{:.1f} ", x, y);
  if (!text.empty()) text.pop_back();
  return text;
}

}  // namespace

void SvgCanvas::text(double x, double y, std::string_view text, Anchor anchor, std::string_view classes) {
  if (text.empty()) return;
  constexpr std::string_view anchors[] = {"start", "middle", "end"};
  fmt::format_to(std::back_inserter(body_),
                 "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y,
                 anchors[static_cast<int>(anchor)], classes, escaped(text));
}

void SvgCanvas::line(double x1, double y1, double x2, double y2, std::string_view classes) {
  fmt::format_to(std::back_inserter(body_),
                 "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1, x2, y2,
                 classes);
}

void SvgCanvas::rectangle(double x, double y, double width, double height, std::string_view classes, double radius) {
  fmt::format_to(std::back_inserter(body_),
                 "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"{:.0f}\" class=\"{}\"/>\n", x,
                 y, width, height, radius, classes);
}

void SvgCanvas::polyline(const std::vector<std::pair<double, double>>& points, std::string_view classes) {
  fmt::format_to(std::back_inserter(body_), "<polyline points=\"{}\" class=\"{}\"/>\n", coordinates(points), classes);
}

void SvgCanvas::polygon(const std::vector<std::pair<double, double>>& points, std::string_view classes) {
  fmt::format_to(std::back_inserter(body_), "<polygon points=\"{}\" class=\"{}\"/>\n", coordinates(points), classes);
}

void SvgCanvas::mark(double x, double y, Look look, bool hollow) {
  const std::string classes = fmt::format("{} mark{}", look_class(look), hollow ? " hollow" : "");
  switch (look) {
    case Look::orange:
      return rectangle(x - 4, y - 4, 8, 8, classes);
    case Look::teal:
      return polygon({{x, y - 5}, {x + 5, y + 4}, {x - 5, y + 4}}, classes);
    case Look::purple:
      return polygon({{x, y - 5.5}, {x + 5.5, y}, {x, y + 5.5}, {x - 5.5, y}}, classes);
    case Look::ochre:
      return polygon({{x, y + 5}, {x + 5, y - 4}, {x - 5, y - 4}}, classes);
    case Look::pink:
      return rectangle(x - 5, y - 2.5, 10, 5, classes);
    case Look::reference:
      return rectangle(x - 1.5, y - 6, 3, 12, classes);
    case Look::blue:
      break;
  }
  fmt::format_to(std::back_inserter(body_), "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4.5\" class=\"{}\"/>\n", x, y,
                 classes);
}

void SvgCanvas::begin_hover(std::string_view text) {
  fmt::format_to(std::back_inserter(body_), "<g><title>{}</title>", escaped(text));
}

SvgPlot SvgCanvas::finish(std::string label, double width, double height) {
  return {.label = std::move(label), .width = width, .height = height, .body = std::move(body_)};
}

std::string inline_svg(const SvgPlot& plot) {
  return fmt::format(
      "<svg class=\"plot\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {:.0f} {:.0f}\" "
      "style=\"min-width:{:.0f}px;max-width:{:.0f}px\">\n{}</svg>\n",
      escaped(plot.label), plot.width, plot.height, plot.width * 0.85, plot.width * 1.4, plot.body);
}

std::string standalone_svg(const SvgPlot& plot) {
  constexpr double margin = 16, title = 28;
  SvgCanvas heading;
  heading.text(0, -title + 10, shortened(plot.label, SvgCanvas::title_font, plot.width), Anchor::start, "title");
  const double width = plot.width + 2 * margin, height = plot.height + 2 * margin + title;
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" aria-label=\"{}\" "
      "viewBox=\"{:.0f} {:.0f} {:.0f} {:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\">\n<style>{}{}</style>\n"
      "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" class=\"paper\"/>\n{}{}</svg>\n",
      escaped(plot.label), -margin, -margin - title, width, height, width, height, plot_shapes(),
      plot_rules(light_palette()), -margin, -margin - title, width, height, heading.finish("", width, height).body,
      plot.body);
}

}  // namespace tome
