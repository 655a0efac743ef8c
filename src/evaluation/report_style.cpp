#include "evaluation/report_style.h"

#include <fmt/format.h>

#include "evaluation/plot_style.h"

namespace tome {
namespace {

/// Phones first. From 976 px on there is room for the wide plots.
constexpr std::string_view layout = R"css(
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0 auto;max-width:928px;padding:20px 16px 48px;background:var(--background);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px}
h2{font-size:1.3rem;line-height:1.25;margin:0 0 12px}
h3{font-size:1.05rem;line-height:1.3;margin:0 0 4px}
p{margin:0 0 12px;max-width:68ch}
a{color:var(--accent)}
.quiet,.caption{color:var(--quiet)}
.caption{font-size:.9rem;margin-bottom:14px}
section{margin-top:36px;padding-top:24px;border-top:1px solid var(--grid)}
figure{margin:32px 0 0}
nav ul{padding-left:1.2em;margin:12px 0 0}
.scroll{overflow-x:auto;max-width:100%}
.plot{display:block;width:100%;height:auto}
.wide{display:none}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,250px),1fr));gap:12px;margin:16px 0 0}
.facts div{background:var(--surface);border-radius:8px;padding:12px 14px}
.facts dt{font-size:.85rem;color:var(--quiet)}
.facts dd{margin:0;font-size:.9rem}
.facts dd.value{font-size:1.5rem;font-weight:600;line-height:1.3}
.notices{list-style:none;margin:16px 0 0;padding:10px 14px;background:var(--surface);border-left:4px solid var(--warning)}
.notices li+li{margin-top:6px}
.verdict{font-size:1.1rem;border-left:4px solid var(--accent);padding:4px 0 4px 14px;margin:16px 0}
details{margin-top:12px}
summary{cursor:pointer;padding:6px 0;color:var(--accent)}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:5px 14px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid);unicode-bidi:isolate}
thead th{color:var(--quiet);font-weight:600;white-space:nowrap}
th,td{white-space:nowrap}
tbody th{font-weight:400}
tbody th:not(.long),thead th:first-child:not(.number){position:sticky;left:0;background:var(--background)}
.long{white-space:normal;min-width:16em;max-width:24em}
.number{text-align:right}
.settings th{color:var(--quiet)}
.settings td{white-space:pre-wrap;min-width:0;max-width:none}
@media (min-width:976px){
body{padding-top:40px;padding-left:24px;padding-right:24px}
.wide{display:block}
.narrow{display:none}
h1{font-size:2rem}
h2{font-size:1.5rem}
}
@media print{.scroll{overflow:visible}}
)css";

std::string colours(const Palette& palette) {
  return fmt::format(":root{{--background:{};--surface:{};--text:{};--quiet:{};--grid:{};--accent:{};--warning:{}}}\n",
                     palette.background, palette.surface, palette.text, palette.quiet, palette.grid,
                     palette.series[static_cast<int>(Look::blue)], palette.series[static_cast<int>(Look::orange)]);
}

}  // namespace

std::string report_style() {
  return fmt::format(
      ":root{{color-scheme:light dark}}\n{}{}{}@media "
      "(prefers-color-scheme:dark){{\n{}{}}}\n{}",
      colours(light_palette()), plot_shapes(), plot_rules(light_palette()), colours(dark_palette()),
      plot_rules(dark_palette()), layout);
}

}  // namespace tome
