#include "evaluation/figure_parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "evaluation/report_text.h"

namespace tome {

std::string_view condition_words(Condition condition) {
  switch (condition) {
    case Condition::full:
      return "whole input";
    case Condition::evidence_only:
      return "evidence only";
    case Condition::no_context:
      return "no context";
  }
  return "";
}

Look condition_look(Condition condition) {
  switch (condition) {
    case Condition::full:
      return Look::blue;
    case Condition::evidence_only:
      return Look::orange;
    case Condition::no_context:
      return Look::teal;
  }
  return Look::blue;
}

std::string task_words(const std::string& task) { return task.empty() ? "all" : task; }

std::string cell_words(const Cell& cell) {
  std::string place = fmt::format("{}, {}", task_words(cell.task), length_text(cell.length));
  if (cell.depth) place += ", depth " + depth_text(*cell.depth);
  return fmt::format("{}, {}: {} {}, n {}", place, condition_words(cell.condition), score_text(cell.mean),
                     interval_text(cell.interval), count_text(cell.samples));
}

ReportTable cell_table(const std::vector<const Cell*>& cells) {
  const auto any = [&](auto has) {
    return std::any_of(cells.begin(), cells.end(), [&](const Cell* c) { return has(*c); });
  };
  const bool depth = any([](const Cell& cell) { return cell.depth.has_value(); });
  const bool length = any([](const Cell& cell) { return cell.length > 0; });
  const bool condition = any([](const Cell& cell) { return cell.condition != Condition::full; });
  const bool chance = any([](const Cell& cell) { return cell.chance != 0; });
  ReportTable table;
  table.columns = {{"Task"}};
  if (length) table.columns.push_back({"Length", true});
  if (depth) table.columns.push_back({"Depth", true});
  if (condition) table.columns.push_back({"Given"});
  table.columns.insert(table.columns.end(), {{"Score", true}, {"95 % interval", true}, {"n", true}});
  if (chance) table.columns.push_back({"Chance", true});
  for (const Cell* cell : cells) {
    std::vector<std::string> row = {task_words(cell->task)};
    if (length) row.push_back(length_text(cell->length));
    if (depth) row.push_back(cell->depth ? depth_text(*cell->depth) : "all");
    if (condition) row.emplace_back(condition_words(cell->condition));
    row.insert(row.end(), {score_text(cell->mean), interval_text(cell->interval), count_text(cell->samples)});
    if (chance) row.push_back(score_text(cell->chance));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace tome
