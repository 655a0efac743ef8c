#pragma once
// The colours of plots, for light and dark, safe for colour-blind readers: what a colour tells, a marker's shape, a
// line's dashes or a written value tells as well. Text keeps a contrast of 4.5 and lines of 3 (WCAG 2.1, 1.4.3 and
// 1.4.11).
#include <array>
#include <string>
#include <string_view>

namespace tome {

/// How a series is drawn. The first three stand for the conditions; plots of several runs take them in turn.
enum class Look { blue, orange, teal, purple, ochre, pink, reference };
constexpr int turning_looks = 6;
std::string_view look_class(Look look);  ///< the CSS class, "s0" … "s5", "ref"

constexpr int heat_steps = 11;

struct Palette {
  std::string_view background, surface, text, quiet, grid;
  std::array<std::string_view, turning_looks + 1> series;  ///< by Look
};

/// The colour of a heatmap's cell and of the text in it, the same in light and dark, so that pictures compare.
struct HeatStep {
  std::string_view fill, text;
};

const Palette& light_palette();
const Palette& dark_palette();
const std::array<HeatStep, heat_steps>& heat_scale();
/// The step of a value 0 … 1; 1 has one of its own.
int heat_step(double value);

/// CSS for everything with the class "plot".
std::string plot_rules(const Palette& palette);
/// CSS that is the same in light and dark.
std::string plot_shapes();

}  // namespace tome
