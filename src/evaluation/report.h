#pragma once
// The report of evaluation runs: one HTML file that needs nothing beside it (no network, no script, no font), light and
// dark, for phones and desktops, every figure with a table of the same values; and the figures as SVG files. Titles,
// tasks, settings and notices come from files and are escaped. Pure functions; any thread.
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/summary.h"

namespace tome {

/// Well-formed as XML too. Anything may be empty, and values may be no numbers.
std::string report_html(std::span<const RunSummary> runs, std::span<const Comparison> comparisons);

/// (name, SVG) of each figure: "heatmap", "cue-ret"; with several runs "1-heatmap", "2-heatmap". Names are unique,
/// ASCII and without an ending.
std::vector<std::pair<std::string, std::string>> report_plots(std::span<const RunSummary> runs,
                                                              std::span<const Comparison> comparisons);

}  // namespace tome
