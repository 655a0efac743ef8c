// write_report WHAT FOLDER: the report of example runs, and their plots, for the browser test and for looking at.
#include <fstream>
#include <iostream>

#include "evaluation/example_runs.h"
#include "evaluation/report.h"

namespace {

using namespace tome;

struct Content {
  std::vector<RunSummary> runs;
  std::vector<Comparison> comparisons;
};

std::optional<Content> content_of(const std::string& what) {
  if (what == "one") return Content{{example::needle_run()}, {}};
  if (what == "several") {
    RunSummary scaled = example::ruler_run(2), better = example::perplexity_run(3);
    scaled.title += ", yarn × 4";
    better.title += ", yarn × 2";
    return Content{{example::needle_run(), example::ruler_run(), scaled, example::longbench_run(),
                    example::perplexity_run(), better},
                   {example::comparison()}};
  }
  if (what == "hostile")
    return Content{{example::hostile_run(), example::hostile_run()}, {example::hostile_comparison()}};
  if (what == "large") return Content{{example::large_run()}, {}};
  if (what == "empty") return Content{};
  return std::nullopt;
}

bool write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  return static_cast<bool>(file << text << std::flush);
}

}  // namespace

int main(int count, char** words) {
  const std::optional<Content> content = count == 3 ? content_of(words[1]) : std::nullopt;
  if (!content) {
    std::cerr << "usage: write_report one|several|hostile|large|empty FOLDER\n";
    return 2;
  }
  const std::string folder = words[2];
  bool written = write(folder + "/report.html", report_html(content->runs, content->comparisons));
  for (const auto& [name, svg] : report_plots(content->runs, content->comparisons))
    written = write(folder + "/" + name + ".svg", svg) && written;
  return written ? 0 : 1;
}
