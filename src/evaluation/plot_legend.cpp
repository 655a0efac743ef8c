#include "evaluation/plot_legend.h"

#include <fmt/format.h>

#include <algorithm>

#include "evaluation/report_text.h"

namespace tome {

double draw_legend(SvgCanvas& canvas, const std::vector<std::pair<std::string, Look>>& items, LegendSample sample,
                   double y, double width) {
  constexpr double row = 20, gap = 18;
  const double swatch = sample == LegendSample::line ? 34 : 16;
  double x = 0;
  for (const auto& [name, look] : items) {
    const std::string shown = shortened(name, SvgCanvas::font, width - swatch);
    const double needed = swatch + text_width(shown, SvgCanvas::font);
    if (x > 0 && x + needed > width) {
      x = 0;
      y += row;
    }
    if (sample == LegendSample::line)
      canvas.line(x + 1, y + 8, x + 27, y + 8, fmt::format("{} line", look_class(look)));
    if (sample == LegendSample::mark || look != Look::reference)
      canvas.mark(x + (sample == LegendSample::line ? 14 : 6), y + 8, look);
    canvas.text(x + swatch, y + 12, shown);
    x += needed + gap;
  }
  return items.empty() ? y : y + row + 4;
}

double draw_omissions(SvgCanvas& canvas, const Omissions& omissions, double y, double width) {
  std::vector<std::string> parts;
  if (omissions.over_limit > 0) parts.push_back(fmt::format("{} more", count_text(omissions.over_limit)));
  if (omissions.not_drawable > 0)
    parts.push_back(fmt::format("{} not a number or too large to draw", count_text(omissions.not_drawable)));
  if (parts.empty()) return y;
  canvas.text(0, y + 12, "In the table only:", Anchor::start, "quiet");
  for (const std::string& part : parts) {
    y += 16;
    canvas.text(0, y + 12, shortened(part, SvgCanvas::font, width), Anchor::start, "quiet");
  }
  return y + 18;
}

}  // namespace tome
