#include "evaluation/svg_plots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

#include "evaluation/markup_tree.h"
#include "evaluation/plot_axis.h"
#include "evaluation/report_text.h"

namespace tome {
namespace {

using markup::Element;

std::unique_ptr<Element> tree_of(const SvgPlot& plot) {
  const std::string text = standalone_svg(plot);
  markup::Reader reader(text);
  auto tree = reader.read();
  EXPECT_TRUE(tree) << reader.problem();
  for (const char* wrong : {"=\"nan", "=\"inf", "=\"-nan", "=\"-inf", ",nan", ",inf", " nan,", ",-nan", ",-inf"})
    EXPECT_EQ(text.find(wrong), std::string::npos) << wrong;
  return tree ? std::move(tree) : std::make_unique<Element>();
}

double number(const Element& element, const std::string& attribute) { return std::stod(element.attribute(attribute)); }

const Element& text_of(const Element& root, const std::string& words) {
  for (const Element* text : markup::all(root, "text"))
    if (text->text == words) return *text;
  ADD_FAILURE() << "no text " << words;
  static const Element none;
  return none;
}

LinePanel panel_of(std::vector<PlotPoint> points) {
  return {.title = "task", .series = {{.name = "a", .look = Look::blue, .points = std::move(points)}}};
}

PlotPoint point(double x, double y, std::optional<Interval> interval = {}) {
  return {.x = x, .y = y, .interval = interval, .hover = "h"};
}

const LineAxes scores = {.x_name = "length", .y_name = "score", .y_range = Interval{0, 1}};

std::vector<const Element*> marks_of(const Element& tree) { return markup::all(tree, "circle"); }

TEST(line_plot, places_grow_with_the_value_upwards_and_with_the_logarithm_of_the_length) {
  const auto tree =
      tree_of(line_plot({panel_of({point(1024, 0), point(2048, 0.5), point(8192, 1)})}, scores, "label", narrow_plot));
  const auto marks = marks_of(*tree);
  ASSERT_EQ(marks.size(), 3u);
  const double bottom = number(*marks[0], "cy"), top = number(*marks[2], "cy");
  EXPECT_GT(bottom, top + 100);
  EXPECT_NEAR(number(*marks[1], "cy"), (bottom + top) / 2, 0.11);
  EXPECT_NEAR(number(*marks[1], "cx") - number(*marks[0], "cx"),
              (number(*marks[2], "cx") - number(*marks[0], "cx")) / 3, 0.11);
  for (const auto& [words, at] : {std::pair<const char*, int>{"1K", 0}, {"2K", 1}, {"8K", 2}})
    EXPECT_NEAR(number(text_of(*tree, words), "x"), number(*marks[at], "cx"), 8) << words;
  EXPECT_NEAR(number(text_of(*tree, "0.0"), "y") - 4, bottom, 0.11);
  EXPECT_NEAR(number(text_of(*tree, "1.0"), "y") - 4, top, 0.11);
}

TEST(line_plot, a_band_runs_from_the_lower_to_the_upper_ends) {
  const auto tree = tree_of(
      line_plot({panel_of({point(1, 0.5, Interval{0, 1}), point(2, 0.5, Interval{0.5, 1})})}, scores, "", narrow_plot));
  const auto bands = markup::all(*tree, "polygon", "band");
  ASSERT_EQ(bands.size(), 1u);
  const std::string points = bands[0]->attribute("points");
  EXPECT_EQ(std::count(points.begin(), points.end(), ','), 4);
  const std::string upper = text_of(*tree, "1.0").attribute("y");
  char place[32];
  std::snprintf(place, sizeof place, ",%.1f", std::stod(upper) - 4);
  EXPECT_NE(points.find(place), std::string::npos) << points;
}

TEST(line_plot, one_point_has_a_whisker) {
  const auto tree = tree_of(line_plot({panel_of({point(4096, 0.5, Interval{0.2, 0.9})})}, scores, "", narrow_plot));
  EXPECT_EQ(markup::all(*tree, "line", "whisker").size(), 3u);
  EXPECT_EQ(marks_of(*tree).size(), 1u);
}

TEST(line_plot, a_value_that_is_no_number_breaks_the_line_and_is_counted) {
  const double none = std::numeric_limits<double>::quiet_NaN(), endless = std::numeric_limits<double>::infinity();
  const auto tree = tree_of(line_plot({panel_of({point(1, 0.1), point(2, 0.2), point(4, none), point(8, endless),
                                                 point(16, 1e300), point(32, 0.3), point(64, 0.4)})},
                                      scores, "", narrow_plot));
  EXPECT_EQ(marks_of(*tree).size(), 4u);
  EXPECT_EQ(markup::all(*tree, "polyline", "s0").size(), 2u);
  text_of(*tree, "3 not a number or too large to draw");
}

TEST(line_plot, neighbouring_values_too_close_for_an_axis_still_make_one) {
  for (const double value : {0.0, 9e11, -9e11, 3.0}) {
    const auto tree = tree_of(line_plot({panel_of({point(1, value), point(2, value + std::abs(value) * 1e-15)})},
                                        {.x_name = "", .y_name = ""}, "", narrow_plot));
    EXPECT_EQ(marks_of(*tree).size(), 2u);
    EXPECT_GE(markup::all(*tree, "line", "grid").size(), 2u);
    EXPECT_LE(markup::all(*tree, "line", "grid").size(), 20u);
    std::set<std::string> labels;
    for (const Element* text : markup::all(*tree, "text", "quiet"))
      if (text->attribute("text-anchor") == "end") {
        EXPECT_TRUE(labels.insert(text->text).second) << text->text;
      }
    EXPECT_GE(labels.size(), 2u);
  }
}

TEST(line_plot, values_above_zero_over_a_wide_range_get_a_logarithmic_axis_where_it_is_allowed) {
  LineAxes axes{.x_name = "", .y_name = "", .from_zero = true, .may_be_logarithmic = true};
  const auto wide = tree_of(line_plot({panel_of({point(1, 1), point(2, 10), point(4, 100)})}, axes, "", narrow_plot));
  const auto marks = marks_of(*wide);
  EXPECT_NEAR(number(*marks[0], "cy") - number(*marks[1], "cy"), number(*marks[1], "cy") - number(*marks[2], "cy"),
              0.21);
  const auto with_zero =
      tree_of(line_plot({panel_of({point(1, 0), point(2, 10), point(4, 100)})}, axes, "", narrow_plot));
  EXPECT_NEAR(number(*marks_of(*with_zero)[0], "cy"), number(text_of(*with_zero, "0"), "y") - 4, 0.11);
}

TEST(line_plot, a_wide_one_has_three_columns_and_a_narrow_one_has_one) {
  const std::vector<LinePanel> panels(6, panel_of({point(1, 0.5), point(2, 0.6)}));
  const SvgPlot narrow = line_plot(panels, scores, "", narrow_plot), wide = line_plot(panels, scores, "", wide_plot);
  EXPECT_EQ(narrow.width, narrow_plot);
  EXPECT_EQ(wide.width, wide_plot);
  EXPECT_GT(narrow.height, 2.5 * wide.height);
}

HeatPanel panel_of_cells(std::vector<std::vector<std::optional<HeatCell>>> cells) {
  HeatPanel panel{.title = "t", .cells = std::move(cells)};
  for (std::size_t at = 0; at < panel.cells[0].size(); ++at) panel.columns.push_back(std::to_string(at + 1) + "K");
  for (std::size_t at = 0; at < panel.cells.size(); ++at) panel.rows.push_back(std::to_string(at * 50) + " %");
  return panel;
}

TEST(heatmap, each_value_stands_in_its_row_and_column) {
  const HeatPanel panel = panel_of_cells({{HeatCell{0.11, ""}, HeatCell{0.22, ""}},
                                          {HeatCell{0.33, ""}, std::nullopt},
                                          {HeatCell{0.55, ""}, HeatCell{1, ""}}});
  const auto tree = tree_of(heatmap_plot({panel}, "depth", "length", "", narrow_plot));
  const auto expect_at = [&](const char* value, const char* row, const char* column) {
    EXPECT_EQ(text_of(*tree, value).attribute("y"), text_of(*tree, row).attribute("y")) << value;
    EXPECT_EQ(text_of(*tree, value).attribute("x"), text_of(*tree, column).attribute("x")) << value;
  };
  expect_at("0.11", "0 %", "1K");
  expect_at("0.22", "0 %", "2K");
  expect_at("0.33", "50 %", "1K");
  expect_at("0.55", "100 %", "1K");
  EXPECT_LT(number(text_of(*tree, "0 %"), "y"), number(text_of(*tree, "100 %"), "y"));
}

TEST(heatmap, only_exactly_one_looks_like_one) {
  const auto tree = tree_of(
      heatmap_plot({panel_of_cells({{HeatCell{0.9999, ""}, HeatCell{1, ""}, HeatCell{0.3, ""}, HeatCell{-5, ""}}})}, "",
                   "", "", narrow_plot));
  EXPECT_TRUE(text_of(*tree, ">.99").has_class("t9"));
  EXPECT_TRUE(text_of(*tree, "0.30").has_class("t3"));
  EXPECT_EQ(markup::all(*tree, "rect", "h10").size(), 2u);  // the cell and the scale's end
}

TEST(heatmap, with_many_columns_it_grows_rather_than_shrink_and_values_lose_their_zero) {
  const std::vector<std::optional<HeatCell>> row(20, HeatCell{0.25, ""});
  const SvgPlot plot = heatmap_plot({panel_of_cells({row})}, "", "", "", narrow_plot);
  EXPECT_GT(plot.width, 20 * 26);
  const auto tree = tree_of(plot);
  text_of(*tree, ".25");
}

TEST(heatmap, a_title_wider_than_its_cells_is_shown_whole) {
  HeatPanel panel = panel_of_cells({{HeatCell{0.5, ""}}});
  panel.title = "number, evidence only";
  for (const double width : {narrow_plot, wide_plot}) {
    const std::string svg = heatmap_plot({panel, panel, panel}, "depth", "length", "", width).body;
    EXPECT_NE(svg.find(">number, evidence only<"), std::string::npos) << width;
    EXPECT_EQ(svg.find("\u2026"), std::string::npos) << width;
  }
}

TEST(heatmap, more_cells_than_a_screen_holds_are_left_to_the_table_and_counted) {
  const std::vector<std::vector<std::optional<HeatCell>>> cells(
      60, std::vector<std::optional<HeatCell>>(50, HeatCell{0.5, ""}));
  const auto tree = tree_of(heatmap_plot({panel_of_cells(cells)}, "", "", "", wide_plot));
  text_of(*tree, "696 more");
  EXPECT_EQ(markup::all(*tree, "text", "t5").size(), 48u * 48u);
}

TEST(heatmap, a_cell_that_is_no_number_is_empty_but_outlined) {
  const auto tree = tree_of(
      heatmap_plot({panel_of_cells({{HeatCell{std::nan(""), ""}, HeatCell{HUGE_VAL, ""}}})}, "", "", "", narrow_plot));
  EXPECT_EQ(markup::all(*tree, "rect", "none").size(), 2u);
  text_of(*tree, "2 not a number or too large to draw");
}

TEST(dot_plot, a_dot_lies_between_the_ends_of_its_whisker_and_on_the_axis) {
  const DotRow row{.label = "task",
                   .value_text = "text",
                   .dots = {{.look = Look::blue, .value = 0.5, .interval = Interval{0.25, 1}, .hover = "h"}}};
  const auto tree = tree_of(dot_plot({row}, {.name = "score", .range = {0, 1}}, "", wide_plot));
  const Element& whisker = *markup::all(*tree, "line", "whisker").at(0);
  const double zero = number(text_of(*tree, "0.0"), "x"), one = number(text_of(*tree, "1.0"), "x");
  EXPECT_NEAR(number(*markup::all(*tree, "circle").at(0), "cx"), (zero + one) / 2, 0.11);
  EXPECT_NEAR(number(whisker, "x1"), zero + 0.25 * (one - zero), 0.11);
  EXPECT_NEAR(number(whisker, "x2"), one, 0.11);
  text_of(*tree, "text");
}

TEST(dot_plot, long_labels_are_shortened_with_an_ellipsis) {
  const auto tree = tree_of(
      dot_plot({{.label = std::string(200, 'm'), .value_text = ""}}, {.name = "", .range = {0, 1}}, "", narrow_plot));
  const auto texts = markup::all(*tree, "text");
  const auto is_label = [](const Element* text) {
    return text->text.starts_with("mmm") && text->text.ends_with("\u2026mmmmmm");
  };
  EXPECT_EQ(std::count_if(texts.begin(), texts.end(), is_label), 1);
}

double luminance(std::string_view colour) {
  const auto channel = [&](int at) {
    const double value = std::stoi(std::string(colour.substr(at, 2)), nullptr, 16) / 255.0;
    return value <= 0.03928 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

double contrast(std::string_view a, std::string_view b) {
  const double one = luminance(a), other = luminance(b);
  return (std::max(one, other) + 0.05) / (std::min(one, other) + 0.05);
}

TEST(plot_style, text_has_a_contrast_of_four_and_a_half_and_lines_of_three_in_light_and_dark) {
  for (const Palette* palette : {&light_palette(), &dark_palette()}) {
    for (const std::string_view ground : {palette->background, palette->surface}) {
      EXPECT_GE(contrast(palette->text, ground), 4.5);
      EXPECT_GE(contrast(palette->quiet, ground), 4.5);
    }
    for (const std::string_view series : palette->series) EXPECT_GE(contrast(series, palette->background), 3) << series;
  }
  for (const HeatStep& step : heat_scale()) EXPECT_GE(contrast(step.text, step.fill), 4.5) << step.fill;
}

TEST(plot_style, the_heat_scale_darkens_with_every_step_so_that_it_reads_without_colour) {
  for (std::size_t step = 1; step < heat_scale().size(); ++step)
    EXPECT_LT(luminance(heat_scale()[step].fill), luminance(heat_scale()[step - 1].fill));
  EXPECT_EQ(heat_step(0.3), 3);
  EXPECT_EQ(heat_step(0.999), 9);
  EXPECT_EQ(heat_step(1), 10);
  EXPECT_EQ(heat_step(-1), 0);
  EXPECT_EQ(heat_step(std::nan("")), 0);
}

TEST(report_text, numbers_read_the_same_everywhere) {
  EXPECT_EQ(score_text(0.9755), "0.976");
  EXPECT_EQ(score_text(-0.0001), "0.000");
  EXPECT_EQ(number_text(-12.5, 2), "\u221212.50");
  EXPECT_EQ(number_text(std::nan(""), 3), "NaN");
  EXPECT_EQ(number_text(-HUGE_VAL, 3), "\u2212\u221e");
  EXPECT_EQ(number_text(1.234e9, 3), "1.23e+09");
  EXPECT_EQ(probability_text(0.0002), "< 0.001");
  EXPECT_EQ(probability_text(0.031), "0.031");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(length_text(4096), "4K");
  EXPECT_EQ(length_text(1 << 20), "1M");
  EXPECT_EQ(length_text(10000), "10,000");
  EXPECT_EQ(length_text(0), "as it is");
  EXPECT_EQ(length_text(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
  EXPECT_EQ(axis_length_text(18446744073709551615.0), "1.8e+19");
  EXPECT_EQ(depth_text(12.5), "12.5 %");
}

TEST(report_text, escaping_leaves_no_markup_no_control_characters_and_no_ill_formed_bytes) {
  EXPECT_EQ(escaped("<a href=\"x\">&'\t\n"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\t\n");
  EXPECT_EQ(escaped(std::string_view("\0\x1b\x7f", 3)), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(escaped("\xff \xed\xa0\x80 \uffff"), "\ufffd \ufffd\ufffd\ufffd \ufffd");
  EXPECT_EQ(escaped("\u202eabc\u2066"), "\ufffdabc\ufffd");
  EXPECT_EQ(escaped("\u00e9\u8bed\U0001f600"), "\u00e9\u8bed\U0001f600");
}

TEST(report_text, a_shortened_text_fits_and_never_cuts_a_character) {
  const std::string text = "\u8bed\u8a00\u6a21\u578b abcdefgh";
  for (double width = 13; width < 150; width += 7) {
    const std::string shown = shortened(text, 12, width);
    EXPECT_LE(text_width(shown, 12), std::max(width, text_width("\u2026", 12))) << width;
    EXPECT_TRUE(is_valid_utf8(shown));
  }
  EXPECT_EQ(shortened(text, 12, 1000), text);
}

TEST(report_text, a_label_shortened_inside_keeps_its_end) {
  const std::string shown = shortened_inside("passage_retrieval_en, 16K", 12, 120);
  EXPECT_TRUE(shown.starts_with("pass") && shown.ends_with("\u2026n, 16K")) << shown;
  EXPECT_LE(text_width(shown, 12), 120);
  EXPECT_EQ(shortened_inside("short", 12, 10), shortened("short", 12, 10));
}

}  // namespace
}  // namespace tome
