#pragma once
// A picture in the making: SVG shapes with classes (plot_style.h colours them), every text escaped. One thread.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evaluation/plot_style.h"

namespace tome {

struct SvgPlot {
  std::string label = {};  ///< what a screen reader says instead of the picture
  double width = 0, height = 0;
  std::string body = {};
};

/// Inside a page that has plot_shapes() and plot_rules(): scales with its column between 0.85 and 1.4 of its size.
std::string inline_svg(const SvgPlot& plot);
/// A file of its own: light colours on its own background, a margin, and the label as title.
std::string standalone_svg(const SvgPlot& plot);

enum class Anchor { start, middle, end };

class SvgCanvas {
 public:
  static constexpr double font = 12;
  static constexpr double title_font = 14;  ///< bold text is as wide as plain text of this size

  void text(double x, double y, std::string_view text, Anchor anchor = Anchor::start, std::string_view classes = "");
  void line(double x1, double y1, double x2, double y2, std::string_view classes);
  void rectangle(double x, double y, double width, double height, std::string_view classes, double radius = 0);
  void polyline(const std::vector<std::pair<double, double>>& points, std::string_view classes);
  void polygon(const std::vector<std::pair<double, double>>& points, std::string_view classes);
  /// The look's own shape, some 8 units wide.
  void mark(double x, double y, Look look, bool hollow = false);
  /// What is drawn until end_hover() shows this text under a pointer.
  void begin_hover(std::string_view text);
  void end_hover() { body_ += "</g>\n"; }

  SvgPlot finish(std::string label, double width, double height);

 private:
  std::string body_;
};

}  // namespace tome
