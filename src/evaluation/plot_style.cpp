#include "evaluation/plot_style.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tome {

std::string_view look_class(Look look) {
  constexpr std::string_view classes[] = {"s0", "s1", "s2", "s3", "s4", "s5", "ref"};
  return classes[static_cast<int>(look)];
}

const Palette& light_palette() {
  static constexpr Palette palette = {
      .background = "#ffffff",
      .surface = "#f4f6f8",
      .text = "#1a1f26",
      .quiet = "#56606c",
      .grid = "#dfe3e8",
      .series = {"#0b5fa5", "#b8480a", "#00755a", "#8a3ea8", "#7a6200", "#b3266b", "#5a6472"}};
  return palette;
}

const Palette& dark_palette() {
  static constexpr Palette palette = {
      .background = "#14181f",
      .surface = "#1e242d",
      .text = "#e8ebef",
      .quiet = "#a3adba",
      .grid = "#333b47",
      .series = {"#6cb6ff", "#f4a259", "#4fd1a5", "#d19af2", "#d9c04a", "#ff8fb8", "#a3adba"}};
  return palette;
}

const std::array<HeatStep, heat_steps>& heat_scale() {
  static constexpr std::array<HeatStep, heat_steps> scale = {{{"#ffffd9", "#000000"},
                                                              {"#f1f9b9", "#000000"},
                                                              {"#d6efb3", "#000000"},
                                                              {"#aadeb7", "#000000"},
                                                              {"#73c8bd", "#000000"},
                                                              {"#41b6c4", "#000000"},
                                                              {"#2498c1", "#000000"},
                                                              {"#2072b2", "#ffffff"},
                                                              {"#234da0", "#ffffff"},
                                                              {"#1f2f88", "#ffffff"},
                                                              {"#081d58", "#ffffff"}}};
  return scale;
}

int heat_step(double value) {
  if (!(value > 0)) return 0;
  // 0.3 · 10 is 2.9999…96
  return std::min(heat_steps - 1, static_cast<int>(std::floor(std::min(value, 1.0) * (heat_steps - 1) + 1e-9)));
}

std::string plot_shapes() {
  std::string rules =
      ".plot text{font:12px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif;"
      "font-variant-numeric:tabular-nums}\n"
      ".plot .title{font-weight:600}\n"
      ".plot .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n"
      ".plot .whisker{fill:none;stroke-width:1.5}\n"
      ".plot .band{stroke:none;fill-opacity:.16}\n"
      ".plot .mark{stroke-width:1.5}\n"
      ".plot .s1.line{stroke-dasharray:7 4}\n"
      ".plot .s2.line{stroke-dasharray:2 4}\n"
      ".plot .s3.line{stroke-dasharray:9 3 2 3}\n"
      ".plot .s4.line{stroke-dasharray:12 4}\n"
      ".plot .s5.line{stroke-dasharray:5 2 1 2 1 2}\n"
      ".plot .ref.line{stroke-width:1.5;stroke-dasharray:4 3}\n"
      ".plot .none{stroke-dasharray:3 3}\n";
  for (std::size_t step = 0; step < heat_scale().size(); ++step)
    rules += fmt::format(".plot .h{0}{{fill:{1}}}.plot text.t{0}{{fill:{2}}}\n", step, heat_scale()[step].fill,
                         heat_scale()[step].text);
  return rules;
}

std::string plot_rules(const Palette& palette) {
  std::string rules = fmt::format(
      ".plot text{{fill:{text}}}.plot text.quiet{{fill:{quiet}}}\n"
      ".plot .paper{{fill:{background}}}\n"
      ".plot .grid{{stroke:{grid};stroke-width:1;fill:none}}.plot .axis{{stroke:{quiet};stroke-width:1;fill:none}}\n"
      ".plot .none{{fill:{surface};stroke:{quiet}}}.plot .swatch{{stroke:{grid};stroke-width:1}}\n",
      fmt::arg("text", palette.text), fmt::arg("quiet", palette.quiet), fmt::arg("background", palette.background),
      fmt::arg("grid", palette.grid), fmt::arg("surface", palette.surface));
  for (std::size_t at = 0; at < palette.series.size(); ++at)
    rules += fmt::format(
        ".plot .{0}.line,.plot .{0}.whisker{{stroke:{1}}}.plot .{0}.band{{fill:{1}}}.plot "
        ".{0}.mark{{fill:{1};stroke:{2}}}.plot .{0}.hollow{{fill:{2};stroke:{1}}}\n",
        look_class(static_cast<Look>(at)), palette.series[at], palette.background);
  return rules;
}

}  // namespace tome
