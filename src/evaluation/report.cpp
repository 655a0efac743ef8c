#include "evaluation/report.h"

#include <fmt/format.h>

#include <iterator>

#include "evaluation/report_figures.h"
#include "evaluation/report_style.h"
#include "evaluation/report_text.h"

namespace tome {
namespace {

std::string run_title(const RunSummary& run, std::size_t number) {
  return run.title.empty() ? fmt::format("Run {}", number + 1) : run.title;
}

/// Long texts wrap, the rest stays on one line.
std::string_view cell_class(bool number, const std::string& text) {
  if (number) return " class=\"number\"";
  return text_width(text, 1) > 24 ? " class=\"long\"" : "";
}

std::string table_html(const ReportTable& table) {
  std::string html = "<table><thead><tr>";
  const auto out = std::back_inserter(html);
  for (const ReportTable::Column& column : table.columns)
    fmt::format_to(out, "<th scope=\"col\"{}>{}</th>", column.number ? " class=\"number\"" : "", escaped(column.name));
  html += "</tr></thead><tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    html += "<tr>";
    for (std::size_t at = 0; at < row.size(); ++at) {
      const std::string_view tag = at == 0 && !table.columns[at].number ? "th" : "td";
      fmt::format_to(out, "<{}{}{}>{}</{}>", tag, tag == "th" ? " scope=\"row\"" : "",
                     cell_class(table.columns[at].number, row[at]), escaped(row[at]), tag);
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table>";
}

std::string figure_html(const ReportFigure& figure, const std::string& id) {
  const std::string title = escaped(figure.title);
  return fmt::format(
      "<figure id=\"{id}\"><h3>{title}</h3>\n<p class=\"caption\">{caption}</p>\n"
      "<div class=\"scroll narrow\">{narrow}</div>\n<div class=\"scroll wide\">{wide}</div>\n"
      "<details><summary>The same values as a table ({rows} {noun})</summary>\n"
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Table: "
      "{title}\">{table}</div></details></figure>\n",
      fmt::arg("id", id), fmt::arg("title", title), fmt::arg("caption", escaped(figure.caption)),
      fmt::arg("narrow", inline_svg(figure.narrow)), fmt::arg("wide", inline_svg(figure.wide)),
      fmt::arg("rows", count_text(figure.table.rows.size())),
      fmt::arg("noun", figure.table.rows.size() == 1 ? "row" : "rows"), fmt::arg("table", table_html(figure.table)));
}

std::string effective_html(const std::vector<EffectiveLength>& lengths) {
  if (lengths.empty()) return "";
  const auto words = [](std::uint64_t tokens) { return tokens == 0 ? std::string("none") : length_text(tokens); };
  std::string html = "<dl class=\"facts\">\n";
  for (const EffectiveLength& length : lengths)
    fmt::format_to(std::back_inserter(html),
                   "<div><dt>Effective length, tokens</dt><dd class=\"value\">{}</dd><dd>95 % interval {} to {}</dd>"
                   "<dd class=\"quiet\">{}; threshold {}</dd></div>\n",
                   words(length.tokens), words(length.low), words(length.high), escaped(length.rule),
                   score_text(length.threshold));
  return html + "</dl>\n";
}

std::string notices_html(const std::vector<std::string>& notices) {
  if (notices.empty()) return "";
  std::string html = "<ul class=\"notices\" aria-label=\"Notices\">\n";
  for (const std::string& notice : notices) html += fmt::format("<li>{}</li>\n", escaped(notice));
  return html + "</ul>\n";
}

bool is_plain_list(const Json& value) {
  if (!value.is_array()) return false;
  for (const Json& item : value)
    if (item.is_structured()) return false;
  return true;
}

std::string plain_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!is_plain_list(value)) return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text;
  for (const Json& item : value) text += (text.empty() ? "" : ", ") + plain_text(item);
  return text.empty() ? "none" : text;
}

/// Objects in objects become "position.method" and so on.
void add_settings(const Json& settings, const std::string& name, ReportTable& table) {
  if (!settings.is_object() || settings.empty()) {
    table.rows.push_back({name, settings.is_object() ? "none" : plain_text(settings)});
    return;
  }
  for (const auto& [key, value] : settings.items()) add_settings(value, name.empty() ? key : name + "." + key, table);
}

std::string settings_html(const Json& settings) {
  if (settings.is_null() || (settings.is_structured() && settings.empty()))
    return "<p class=\"quiet\">The settings of this run were not recorded.</p>\n";
  ReportTable table{.columns = {{"Setting"}, {"Value"}}};
  add_settings(settings, "", table);
  return fmt::format(
      "<details class=\"settings\"><summary>Settings of the run</summary>\n<div class=\"scroll\" role=\"region\" "
      "tabindex=\"0\" aria-label=\"Settings\">{}</div></details>\n",
      table_html(table));
}

std::string run_html(const RunSummary& run, std::size_t number, bool single) {
  const std::string id = fmt::format("run-{}", number + 1);
  // The only run's title is the page's.
  std::string html = fmt::format("<section id=\"{}\">{}\n", id,
                                 single ? "<h2>Results</h2>" : "<h2>" + escaped(run_title(run, number)) + "</h2>");
  html += effective_html(run.effective) + notices_html(run.notices);
  const std::vector<ReportFigure> figures = run_figures(run);
  for (const ReportFigure& figure : figures) html += figure_html(figure, id + "-" + figure.name);
  if (figures.empty()) html += "<p>This run has no results.</p>\n";
  return html + settings_html(run.settings) + "</section>\n";
}

std::string comparison_html(const Comparison& comparison, std::size_t number) {
  const std::string id = fmt::format("comparison-{}", number + 1);
  std::string html =
      fmt::format("<section id=\"{}\"><h2>Comparison</h2>\n<p><strong>A</strong>: {}<br/><strong>B</strong>: {}</p>\n",
                  id, escaped(comparison.run_a), escaped(comparison.run_b));
  if (!comparison.sentence.empty()) html += fmt::format("<p class=\"verdict\">{}</p>\n", escaped(comparison.sentence));
  for (const ReportFigure& figure : comparison_figures(comparison)) html += figure_html(figure, id + "-" + figure.name);
  if (comparison.rows.empty()) html += "<p>The runs have no sample in common.</p>\n";
  return html + "</section>\n";
}

std::string overlay_html(const std::vector<ReportFigure>& figures) {
  if (figures.empty()) return "";
  std::string html = "<section id=\"side-by-side\"><h2>The runs side by side</h2>\n";
  for (const ReportFigure& figure : figures) html += figure_html(figure, "side-by-side-" + figure.name);
  return html + "</section>\n";
}

constexpr std::string_view how_to_read = R"html(<section id="how-to-read"><h2>How to read the numbers</h2>
<p><strong>Score.</strong> The mean over questions of what the benchmark's own rule gives an answer, from 0 to 1; n is the number of questions.</p>
<p><strong>95 % interval.</strong> Other questions of the same kind would have given another mean. The interval is made by a rule whose intervals hold the mean of very many such questions in about 95 cases of 100. For answers that are right or wrong it is Wilson's; for other scores, and where several questions share a document, it comes from drawing whole documents again and again (bootstrap). A mean of a few questions has a wide interval: of a single question it says next to nothing.</p>
<p><strong>Comparing.</strong> Two intervals that overlap do not show that two means are equal. Where two runs answered the same questions, the comparison takes the difference question by question; p is the chance of a difference at least as large if the runs were equally good.</p>
<p><strong>Effective length.</strong> The longest input up to which a fit that never rises with the length stays at or above the rule's threshold; "none" where no measured length does.</p>
<p><strong>Given.</strong> Whole input; evidence only: just the part that holds the answer; no context: the question alone. Chance is the worth of a guess.</p>
</section>
)html";

std::string contents_html(std::span<const RunSummary> runs, std::span<const Comparison> comparisons, bool overlay) {
  if (runs.size() + comparisons.size() < 2) return "";
  std::string html = "<nav aria-label=\"Contents\"><ul>\n";
  const auto add = [&](const std::string& id, const std::string& words) {
    html += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", id, escaped(words));
  };
  for (std::size_t at = 0; at < comparisons.size(); ++at)
    add(fmt::format("comparison-{}", at + 1),
        fmt::format("Comparison: {} against {}", comparisons[at].run_a, comparisons[at].run_b));
  if (overlay) add("side-by-side", "The runs side by side");
  for (std::size_t at = 0; at < runs.size(); ++at) add(fmt::format("run-{}", at + 1), run_title(runs[at], at));
  return html + "</ul></nav>\n";
}

}  // namespace

std::string report_html(std::span<const RunSummary> runs, std::span<const Comparison> comparisons) {
  const bool single = runs.size() == 1 && comparisons.empty();
  const std::string title = escaped(single ? run_title(runs[0], 0) : "Evaluation report");
  const std::vector<ReportFigure> overlay = overlay_figures(runs);
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{}</title>\n<style>{}</style></head>\n"
      "<body><header><h1>{}</h1>\n<p class=\"quiet\">Made by Tome \u00b7 <a href=\"#how-to-read\">How to read "
      "the numbers</a></p>\n{}</header><main>\n",
      title, report_style(), title, contents_html(runs, comparisons, !overlay.empty()));
  for (std::size_t at = 0; at < comparisons.size(); ++at) html += comparison_html(comparisons[at], at);
  html += overlay_html(overlay);
  for (std::size_t at = 0; at < runs.size(); ++at) html += run_html(runs[at], at, single);
  if (runs.empty() && comparisons.empty())
    html += "<section><p>There is nothing to report: no run was given.</p></section>\n";
  html += how_to_read;
  return html + "</main></body></html>\n";
}

std::vector<std::pair<std::string, std::string>> report_plots(std::span<const RunSummary> runs,
                                                              std::span<const Comparison> comparisons) {
  std::vector<std::pair<std::string, std::string>> plots;
  // Away from its page a picture has to say whose it is.
  const auto add = [&](std::vector<ReportFigure> figures, const std::string& prefix, const std::string& whose) {
    for (ReportFigure& figure : figures) {
      figure.wide.label = whose.empty() ? figure.title : figure.title + ": " + whose;
      plots.emplace_back(prefix + figure.name, standalone_svg(figure.wide));
    }
  };
  for (std::size_t at = 0; at < runs.size(); ++at)
    add(run_figures(runs[at]), runs.size() == 1 ? "" : fmt::format("{}-", at + 1), runs[at].title);
  add(overlay_figures(runs), "", "");
  for (std::size_t at = 0; at < comparisons.size(); ++at)
    add(comparison_figures(comparisons[at]), comparisons.size() == 1 ? "" : fmt::format("comparison-{}-", at + 1),
        fmt::format("A: {}, B: {}", comparisons[at].run_a, comparisons[at].run_b));
  return plots;
}

}  // namespace tome
