#include "evaluation/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "evaluation/example_runs.h"
#include "evaluation/markup_tree.h"

namespace tome {
namespace {

using markup::Element;

struct Content {
  std::string name;
  std::vector<RunSummary> runs;
  std::vector<Comparison> comparisons;
};

RunSummary one_cell_run() {
  RunSummary run;
  run.cells.push_back({.task = "niah", .length = 4096, .depth = 50.0, .samples = 1, .mean = 1, .interval = {0.2, 1}});
  run.cells.push_back({.task = "niah", .length = 4096, .depth = {}, .samples = 1, .mean = 0.75, .interval = {0.2, 1}});
  run.perplexity.push_back({.series = "disjoint", .first = 0, .last = 1, .tokens = 1, .nll = 2, .interval = {2, 2}});
  run.cue.push_back(
      {.length = 1, .retention = 0, .retention_interval = {}, .rate = 0, .rate_interval = {}, .ceiling = 0});
  return run;
}

std::vector<Content> contents() {
  return {{"nothing", {}, {}},
          {"runs without results", {RunSummary{}, RunSummary{}}, {Comparison{}}},
          {"one cell", {one_cell_run()}, {}},
          {"needles", {example::needle_run()}, {}},
          {"several",
           {example::needle_run(), example::ruler_run(), example::ruler_run(2), example::longbench_run(),
            example::perplexity_run(), example::perplexity_run(2)},
           {example::comparison(), example::comparison()}},
          {"hostile", {example::hostile_run(), example::hostile_run()}, {example::hostile_comparison()}},
          {"large", {example::large_run()}, {}}};
}

std::unique_ptr<Element> tree_of(const std::string& text) {
  markup::Reader reader(text);
  auto tree = reader.read();
  EXPECT_TRUE(tree) << reader.problem();
  return tree ? std::move(tree) : std::make_unique<Element>();
}

std::unique_ptr<Element> page_of(const std::vector<RunSummary>& runs, const std::vector<Comparison>& comparisons = {}) {
  return tree_of(report_html(runs, comparisons));
}

std::string whole_text(const Element& root) {
  std::string text;
  markup::visit(root, [&](const Element& element) { text += element.text + "\n"; });
  return text;
}

const Element& figure_of(const Element& page, const std::string& id) {
  for (const Element* figure : markup::all(page, "figure"))
    if (figure->attribute("id") == id) return *figure;
  ADD_FAILURE() << "no figure " << id;
  static const Element none;
  return none;
}

std::vector<std::vector<std::string>> rows_of(const Element& figure) {
  std::vector<std::vector<std::string>> rows;
  for (const Element* row : markup::all(figure, "tr")) {
    rows.emplace_back();
    for (const auto& cell : row->children) rows.back().push_back(cell->text);
  }
  return rows;
}

bool has_row(const std::vector<std::vector<std::string>>& rows, const std::vector<std::string>& wanted) {
  for (const auto& row : rows)
    if (row == wanted) return true;
  return false;
}

/// As printf writes it: not by the report's own functions.
std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}
std::string printed_interval(const Interval& interval) {
  return "[" + printed("%.3f", interval.low) + ", " + printed("%.3f", interval.high) + "]";
}

TEST(report, the_page_is_well_formed_whatever_the_runs_hold) {
  for (const Content& content : contents()) {
    SCOPED_TRACE(content.name);
    EXPECT_EQ(page_of(content.runs, content.comparisons)->name, "html");
  }
}

TEST(report, each_plot_is_a_well_formed_file_with_a_name_of_its_own_and_its_own_background) {
  for (const Content& content : contents()) {
    SCOPED_TRACE(content.name);
    std::set<std::string> names;
    for (const auto& [name, svg] : report_plots(content.runs, content.comparisons)) {
      EXPECT_TRUE(names.insert(name).second) << name;
      EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string::npos) << name;
      const auto picture = tree_of(svg);
      EXPECT_EQ(picture->name, "svg");
      EXPECT_EQ(picture->attribute("xmlns"), "http://www.w3.org/2000/svg");
      EXPECT_EQ(markup::all(*picture, "rect", "paper").size(), 1u);
    }
    std::size_t figures = markup::all(*page_of(content.runs, content.comparisons), "figure").size();
    EXPECT_EQ(names.size(), figures);
  }
}

TEST(report, a_plot_by_itself_names_its_run) {
  const auto plots = report_plots({{example::needle_run()}}, {{example::comparison()}});
  EXPECT_EQ(markup::all(*tree_of(plots.front().second), "text", "title").at(0)->text,
            "Score by length and depth: niah, gemma3-270m, yarn \u00d7 2");
  EXPECT_EQ(tree_of(plots.back().second)->attribute("aria-label"),
            "Difference of the mean scores (B\u00a0\u2212\u00a0A): A: ruler, smollm2-135m, B: ruler, smollm2-135m, "
            "yarn \u00d7 4");
}

TEST(report, the_page_asks_for_nothing_and_runs_nothing) {
  for (const Content& content : contents()) {
    SCOPED_TRACE(content.name);
    const auto page = page_of(content.runs, content.comparisons);
    markup::visit(*page, [](const Element& element) {
      for (const char* forbidden : {"script", "img", "link", "iframe", "object", "use", "image"})
        EXPECT_NE(element.name, forbidden);
      for (const auto& [key, value] : element.attributes) {
        EXPECT_FALSE(key.starts_with("on") || key == "src") << key;
        if (key == "href") {
          EXPECT_TRUE(value.starts_with("#")) << value;
        }
      }
      if (element.name == "style") {
        EXPECT_EQ(element.text.find("url("), std::string::npos);
        EXPECT_EQ(element.text.find("@import"), std::string::npos);
      }
    });
  }
}

TEST(report, ids_are_unique_and_links_lead_somewhere) {
  const Content several = contents()[4];
  const auto page = page_of(several.runs, several.comparisons);
  std::set<std::string> ids;
  markup::visit(*page, [&](const Element& element) {
    const std::string id = element.attribute("id");
    if (!id.empty()) {
      EXPECT_TRUE(ids.insert(id).second) << id;
    }
  });
  const auto links = markup::all(*page, "a");
  EXPECT_EQ(links.size(), 10u);  // two comparisons, side by side, six runs, how to read
  for (const Element* link : links)
    EXPECT_TRUE(ids.contains(link->attribute("href").substr(1))) << link->attribute("href");
}

TEST(report, markup_in_titles_tasks_settings_notices_and_tests_stays_text) {
  const auto page = page_of({example::hostile_run()}, {example::hostile_comparison()});
  EXPECT_EQ(markup::all(*page, "style").size(), 1u);
  EXPECT_EQ(markup::all(*page, "h2").at(1)->text, std::string(example::injection) + " \ufffd\ufffd\ufffd");
  const auto settings = rows_of(*markup::all(*page, "details", "settings").at(0));
  EXPECT_TRUE(has_row(settings, {example::injection, example::injection}));
  EXPECT_TRUE(has_row(settings, {"list", std::string(example::injection) + ", 1, null"}));
  EXPECT_TRUE(has_row(settings, {"bytes", "\ufffd\ufffd"}));
  EXPECT_EQ(markup::all(*page, "ul", "notices").at(0)->children.at(0)->text, example::injection);
  EXPECT_EQ(markup::all(*page, "p", "verdict").at(0)->text, example::injection);
  const auto differences = rows_of(figure_of(*page, "comparison-1-difference"));
  EXPECT_EQ(differences.at(1).at(0), std::string(example::injection) + ", 1");
  EXPECT_EQ(differences.at(1).back(), example::injection);
}

/// "what: 0.975 [0.871, 0.996], n 40" → the score, the interval, n.
std::vector<std::string> values_of_hover(const std::string& hover) {
  const std::size_t open = hover.rfind(" ["), close = hover.rfind("]"), before = hover.rfind(' ', open - 1),
                    n = hover.find("n ", close);
  std::vector<std::string> values = {hover.substr(before + 1, open - before - 1), hover.substr(open + 1, close - open)};
  if (n != std::string::npos) values.push_back(hover.substr(n + 2, hover.find(", p", n) - n - 2));
  return values;
}

TEST(report, each_figure_has_a_table_that_holds_every_value_of_its_plot) {
  const Content several = contents()[4];
  const auto page = page_of(several.runs, several.comparisons);
  std::size_t compared = 0;
  for (const Element* figure : markup::all(*page, "figure")) {
    SCOPED_TRACE(figure->attribute("id"));
    ASSERT_EQ(markup::all(*figure, "table").size(), 1u);
    const auto rows = rows_of(*figure);
    std::size_t hovers = 0;
    for (const Element* title : markup::all(*figure, "title")) {
      if (title->text.starts_with("chance")) continue;
      ++hovers;
      const auto values = values_of_hover(title->text);
      bool found = false;
      for (const auto& row : rows) {
        std::size_t held = 0;
        for (const std::string& value : values) held += std::count(row.begin(), row.end(), value) > 0 ? 1 : 0;
        found = found || held == values.size();
      }
      EXPECT_TRUE(found) << title->text;
    }
    EXPECT_GT(hovers, 0u);
    compared += hovers;
  }
  EXPECT_GT(compared, 800u);
}

TEST(report, the_tables_hold_the_numbers_that_were_given) {
  const RunSummary needles = example::needle_run();
  const auto page = page_of({needles});
  const auto grid = rows_of(figure_of(*page, "run-1-heatmap")),
             lines = rows_of(figure_of(*page, "run-1-scores-by-length"));
  EXPECT_EQ(grid.size(), 1u + 5 * 9);
  EXPECT_EQ(lines.size(), 1u + 5 * 3);
  EXPECT_EQ(grid.at(0), (std::vector<std::string>{"Task", "Length", "Depth", "Score", "95 % interval", "n"}));
  const std::map<Condition, std::string> given = {{Condition::full, "whole input"},
                                                  {Condition::evidence_only, "evidence only"},
                                                  {Condition::no_context, "no context"}};
  for (const Cell& cell : needles.cells) {
    const std::string length = std::to_string(cell.length / 1024) + "K", score = printed("%.3f", cell.mean);
    const std::string interval = printed_interval(cell.interval), n = std::to_string(cell.samples);
    if (cell.depth) {
      EXPECT_TRUE(has_row(grid, {"niah", length, printed("%.4g", *cell.depth) + " %", score, interval, n}));
    } else {
      EXPECT_TRUE(has_row(lines, {"niah", length, given.at(cell.condition), score, interval, n}));
    }
  }
  for (const CueRow& row : needles.cue) {
    const std::string length = std::to_string(row.length / 1024) + "K";
    EXPECT_TRUE(has_row(rows_of(figure_of(*page, "run-1-cue-ret")),
                        {length, printed("%.3f", row.retention), printed_interval(row.retention_interval), "72"}));
    EXPECT_TRUE(has_row(
        rows_of(figure_of(*page, "run-1-cue-rate")),
        {length, printed("%.3f", row.rate), printed_interval(row.rate_interval), printed("%.3f", row.ceiling), "72"}));
  }
}

TEST(report, perplexity_stands_beside_the_likelihood_and_a_gain_has_a_figure_of_its_own) {
  const auto page = page_of({example::perplexity_run()});
  const auto rows = rows_of(figure_of(*page, "run-1-perplexity"));
  EXPECT_EQ(rows.size(), 1u + 16 * 2 + 1);
  EXPECT_TRUE(has_row(
      rows, {"disjoint", "0\u201365,536", "65,536", "3.5200", "[3.5000, 3.5400]", printed("%.3f", std::exp(3.52))}));
  EXPECT_EQ(rows_of(figure_of(*page, "run-1-context-gain")).size(), 1u + 16);
}

TEST(report, a_comparison_gives_its_sentence_each_row_and_the_sign_of_the_difference) {
  const auto page = page_of({}, {example::comparison()});
  EXPECT_EQ(markup::all(*page, "p", "verdict").at(0)->text, example::comparison().sentence);
  const Element& figure = figure_of(*page, "comparison-1-difference");
  const auto rows = rows_of(figure);
  EXPECT_EQ(rows.size(), 1u + 1 + 12);
  EXPECT_EQ(rows.at(1), (std::vector<std::string>{"all samples", "+0.062", "[0.031, 0.093]", "< 0.001", "2,600",
                                                  "0.481", "0.543", "McNemar, exact"}));
  EXPECT_EQ(rows.at(2).at(1), "\u22120.056");
  // In each of the two plots, with one of each in the legend.
  int blue = 0, orange = 0, grey = 0;
  for (const Comparison::Row& row : example::comparison().rows)
    ++(row.interval.low > 0 ? blue : row.interval.high < 0 ? orange : grey);
  EXPECT_EQ(markup::all(figure, "circle", "s0").size(), 2u * (blue + 1));
  EXPECT_EQ(markup::all(figure, "rect", "s1").size(), 2u * (orange + 1));
  EXPECT_EQ(markup::all(figure, "rect", "ref").size(), 2u * (grey + 1));
  EXPECT_GT(blue, 0);
  EXPECT_GT(orange, 0);
  EXPECT_GT(grey, 0);
}

TEST(report, effective_lengths_notices_and_settings_are_shown) {
  const auto page = page_of({example::needle_run()});
  const auto facts = markup::all(*page, "dd");
  ASSERT_EQ(facts.size(), 6u);
  EXPECT_EQ(facts[0]->text, "8K");
  EXPECT_EQ(facts[1]->text, "95 % interval 4K to 16K");
  EXPECT_EQ(facts[4]->text, "95 % interval none to 16K");
  EXPECT_EQ(markup::all(*page, "ul", "notices").at(0)->children.at(0)->text, example::needle_run().notices[0]);
  const auto settings = rows_of(*markup::all(*page, "details", "settings").at(0));
  EXPECT_TRUE(has_row(settings, {"model.name", "gemma3-270m"}));
  EXPECT_TRUE(has_row(settings, {"lengths", "4096, 8192, 16384, 32768, 65536"}));
  EXPECT_NE(whole_text(*page).find("95 cases of 100"), std::string::npos);
}

TEST(report, a_setting_is_shown_once_under_its_path_and_settings_may_be_missing) {
  RunSummary run;
  EXPECT_NE(report_html({{run}}, {}).find("were not recorded"), std::string::npos);
  run.settings = Json::parse(R"({"a":{"b":{"c":[1,[2]],"d":{}}},"e":false})");
  const auto rows = rows_of(*markup::all(*page_of({run}), "details", "settings").at(0));
  EXPECT_EQ(rows, (std::vector<std::vector<std::string>>{
                      {"Setting", "Value"}, {"a.b.c", "[1,[2]]"}, {"a.b.d", "none"}, {"e", "false"}}));
}

TEST(report, runs_stand_side_by_side_only_where_two_of_them_measured_the_same) {
  RunSummary second = example::ruler_run(2);
  second.title = "second";
  const auto both = page_of({example::ruler_run(), second});
  const auto rows = rows_of(figure_of(*both, "side-by-side-runs-scores"));
  EXPECT_EQ(rows.size(), 1u + 2 * 13 * 4);
  EXPECT_TRUE(has_row(rows, {"vt", "second", "1K", printed("%.3f", second.cells[8 * 12].mean),
                             printed_interval(second.cells[8 * 12].interval), "50"}));
  const auto unlike = page_of({example::ruler_run(), example::longbench_run()});
  for (const Element* figure : markup::all(*unlike, "figure"))
    EXPECT_FALSE(figure->attribute("id").starts_with("side-by-side"));
}

TEST(report, a_page_of_nothing_says_so) {
  EXPECT_NE(report_html({}, {}).find("no run was given"), std::string::npos);
  EXPECT_TRUE(report_plots({}, {}).empty());
  const RunSummary empty;
  EXPECT_NE(report_html({{empty}}, {}).find("This run has no results."), std::string::npos);
}

}  // namespace
}  // namespace tome
