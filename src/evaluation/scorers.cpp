#include "evaluation/scorers.h"

#include <algorithm>
#include <array>
#include <vector>

#include "evaluation/choice_letter.h"
#include "evaluation/longbench_scores.h"
#include "evaluation/ruler_scores.h"
#include "evaluation/ruler_tasks.h"
#include "evaluation/scoring_options.h"
#include "evaluation/token_f1.h"

namespace tome {
namespace {

/// The 13 and their groups by RULER's names ("niah", "qa", "variable_tracking" …).
bool is_ruler_task(std::string_view task) {
  constexpr std::array<std::string_view, 5> groups = {"niah", "qa", "variable_tracking", "common_words_extraction",
                                                      "freq_words_extraction"};
  const auto named = [&](const RulerTask& one) { return one.name == task; };
  return std::any_of(ruler_tasks().begin(), ruler_tasks().end(), named) ||
         std::find(groups.begin(), groups.end(), task) != groups.end();
}

Status need_answers(const Gold& gold) {
  if (!gold.answers.empty()) return {};
  return fail(ErrorKind::format, "answers: found none, expected at least one");
}

/// An answer in the form of the official script, else a letter alone.
Result<double> longbench_v2_score(std::string_view prediction, const Gold& gold) {
  TOME_TRY(need_answers(gold));
  const auto letter = choice_letter(python::decode(prediction));
  return letter && gold.answers[0] == std::string_view(&*letter, 1) ? 1.0 : 0.0;
}

/// Liu et al. 2023: the value stands in the answer, lower case.
Result<double> value_found(std::string_view prediction, const Gold& gold) {
  TOME_TRY(need_answers(gold));
  const python::Text value = python::lower(python::decode(gold.answers[0]));
  return python::lower(python::decode(prediction)).find(value) != python::Text::npos ? 1.0 : 0.0;
}

double best_english_f1(std::string_view prediction, const Gold& gold) {
  const python::Text text = python::decode(prediction);
  double best = 0;
  for (const std::string& answer : gold.answers) best = std::max(best, english_f1(text, python::decode(answer)));
  return best;
}

}  // namespace

Status check_task(Suite suite, std::string_view task) {
  if (suite == Suite::longbench && !is_longbench_task(task))
    return fail(ErrorKind::usage, "[scorers] longbench task '{}', expected one of {}", task,
                fmt::join(longbench_tasks(), ", "));
  if (suite == Suite::infinitebench && !is_infinitebench_task(task))
    return fail(ErrorKind::usage,
                "[scorers] infinitebench task '{}', expected one of passkey, number_string, kv_retrieval, "
                "longbook_sum_eng, longbook_choice_eng, longbook_qa_eng, longbook_qa_chn, longdialogue_qa_eng, "
                "math_find, math_calc, code_run, code_debug",
                task);
  if (suite == Suite::ruler && !is_ruler_task(task)) {
    std::vector<std::string_view> names;
    for (const RulerTask& one : ruler_tasks()) names.push_back(one.name);
    return fail(ErrorKind::usage, "[scorers] ruler task '{}', expected one of {}", task, fmt::join(names, ", "));
  }
  return {};
}

Result<double> score_prediction(Suite suite, std::string_view task, std::string_view prediction, const Gold& gold,
                                const ScoringOptions& options) {
  const python::Text text = suite == Suite::niah || suite == Suite::cue || suite == Suite::ruler
                                ? python::decode(prediction)
                                : python::Text();
  switch (suite) {
    case Suite::longbench:
      return longbench_score(task, prediction, gold, options.code_ratio);
    case Suite::longbench_v2:
      return longbench_v2_score(prediction, gold);
    case Suite::infinitebench:
      return infinitebench_score(task, prediction, gold, options.infinitebench);
    case Suite::ruler:
      TOME_TRY(check_task(suite, task));
      TOME_TRY(need_answers(gold));
      return task.starts_with("qa") ? match_part(text, gold.answers) : match_all(text, gold.answers);
    case Suite::niah:
    case Suite::cue:
      TOME_TRY(need_answers(gold));
      return match_all(text, gold.answers);
    case Suite::kv_retrieval:
      return value_found(prediction, gold);
    case Suite::bookqa:
      return best_english_f1(prediction, gold);
    case Suite::govreport:
      return longbench_score("gov_report", prediction, gold);
    case Suite::qmsum:
      return longbench_score("qmsum", prediction, gold);
    case Suite::perplexity:
      break;
  }
  return fail(ErrorKind::usage, "[scorers] {}: has no answers to score", suite_name(suite));
}

Result<double> score_prediction(Suite suite, std::string_view task, std::string_view prediction, const Gold& gold) {
  return score_prediction(suite, task, prediction, gold, ScoringOptions{});
}

double chance_score(Suite suite, std::string_view task, const Gold& gold) {
  const bool choice = suite == Suite::longbench_v2 || gold.options.size() == 4 ||
                      (suite == Suite::infinitebench && (task == "longbook_choice_eng" || task == "code_debug"));
  return choice ? 0.25 : 0.0;
}

}  // namespace tome
