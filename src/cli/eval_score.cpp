#include "cli/eval_score.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/console.h"
#include "evaluation/chinese_words.h"
#include "evaluation/score_report.h"

namespace tome::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct EvalScoreFlags {
  std::string suite, task, jieba, rules = "cascades", code_ratio = "difflib", model_name;
  std::vector<std::string> files, data;
  bool buckets = false, json = false;
};

/// On standard error as it is: FILE:LINE must stand at the line's beginning for editors to find it.
void report_line(const std::string& line) { std::fprintf(stderr, "%s\n", one_line(printable(line), 1000).c_str()); }

Result<Suite> suite_of(const std::string& name) {
  const auto suite = suite_by_name(name);
  if (suite && *suite != Suite::perplexity) return *suite;
  return fail(ErrorKind::usage,
              "[eval score] suite '{}', expected one of niah, ruler, longbench, longbench-v2, infinitebench, bookqa, "
              "govreport, qmsum, kv-retrieval, cue",
              name);
}

Result<ScoreReportOptions> options_of(const EvalScoreFlags& flags) {
  ScoreReportOptions options;
  TOME_ASSIGN(options.suite, suite_of(flags.suite));
  if (!flags.task.empty()) TOME_TRY(check_task(options.suite, flags.task));
  options.longbench_e = flags.buckets;
  if (flags.buckets && options.suite != Suite::longbench)
    return fail(ErrorKind::usage, "[eval score] --e: belongs to longbench, found {}", flags.suite);
  options.scoring.infinitebench.rules =
      flags.rules == "last-letter" ? InfiniteBenchRules::last_letter : InfiniteBenchRules::cascades;
  options.scoring.infinitebench.skip_first_number = flags.model_name == "gpt4";
  options.scoring.code_ratio = flags.code_ratio == "indel" ? StringRatio::indel : StringRatio::matching_blocks;
  return options;
}

Status use_jieba(const std::string& flag) {
  const char* environment = std::getenv("TOME_JIEBA");
  const std::string path = !flag.empty() ? flag : environment != nullptr ? environment : "";
  if (path.empty()) return {};
  TOME_ASSIGN(auto segmenter, load_chinese_segmenter(path));
  use_chinese_segmenter(std::move(segmenter));
  return {};
}

OrderedJson interval_json(const Interval& interval) { return OrderedJson::array({interval.low, interval.high}); }

OrderedJson rows_json(const std::vector<ScoreRow>& rows) {
  OrderedJson json = OrderedJson::object();
  for (const ScoreRow& row : rows)
    json[row.name] = {{"score", row.score}, {"n", row.n}, {"interval", interval_json(row.interval)}};
  return json;
}

std::string report_json(const ScoreReport& report, std::size_t skipped) {
  OrderedJson json = {
      {"score", report.total.score}, {"n", report.total.n}, {"interval", interval_json(report.total.interval)}};
  if (!report.by_task.empty()) json["by_task"] = rows_json(report.by_task);
  if (!report.by_length.empty()) json["by_length"] = rows_json(report.by_length);
  if (!report.by_difficulty.empty()) json["by_difficulty"] = rows_json(report.by_difficulty);
  for (const auto& [name, score] : report.others) json[name] = score;
  if (skipped > 0) json["skipped"] = skipped;
  if (!report.notices.empty()) json["notes"] = report.notices;
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string row_text(const std::string& name, const ScoreRow& row, int decimals) {
  return fmt::format("{:<24} {:>9.{}f} {:>7}   {:.{}f} to {:.{}f}\n", name, row.score, decimals, row.n,
                     row.interval.low, decimals, row.interval.high, decimals);
}

std::string report_text(const ScoreReport& report, const ScoreReportOptions& options) {
  const int decimals = score_scale(options.suite) == 1.0 ? 4 : options.suite == Suite::longbench_v2 ? 1 : 2;
  std::string text = fmt::format("{:<24} {:>9} {:>7}   95 %\n", "", "score", "n");
  for (const auto* rows : {&report.by_task, &report.by_difficulty, &report.by_length})
    for (const ScoreRow& row : *rows) text += row_text(row.name, row, decimals);
  const std::string name = report.total.name.empty() ? "all" : report.total.name;
  text += row_text(name, report.total, decimals);
  for (const auto& [other, score] : report.others) text += fmt::format("{:<24} {:>9.{}f}\n", other, score, decimals);
  return text;
}

Status run_eval_score(const EvalScoreFlags& flags) {
  TOME_ASSIGN(const ScoreReportOptions options, options_of(flags));
  TOME_TRY(use_jieba(flags.jieba));
  GoldRecords gold;
  for (const std::string& path : flags.data) TOME_TRY(gold.add(path));
  std::vector<Prediction> predictions;
  std::size_t skipped = 0;
  for (const std::string& path : flags.files) {
    const PredictionOptions reading{.suite = options.suite, .task = flags.task, .need_length = flags.buckets};
    TOME_ASSIGN(PredictionFile file, read_predictions(path, reading, gold, report_line));
    skipped += file.skipped;
    std::move(file.predictions.begin(), file.predictions.end(), std::back_inserter(predictions));
  }
  const std::size_t read = predictions.size() + skipped;
  TOME_ASSIGN(const ScoreReport report, score_predictions(predictions, options, report_line));
  skipped += report.skipped;
  TOME_TRY(print(flags.json ? report_json(report, skipped) : report_text(report, options)));
  for (const std::string& notice : report.notices) print_notice(notice);
  if (skipped > 0)
    return fail(ErrorKind::format, "[eval score] {} of {} lines were skipped, the rest was scored", skipped, read);
  return {};
}

}  // namespace

Command add_eval_score(CLI::App& eval) {
  const auto flags = std::make_shared<EvalScoreFlags>();
  CLI::App* app = eval.add_subcommand("score", "the official scorers on predictions made anywhere");
  app->add_option("SUITE", flags->suite,
                  "niah, ruler, longbench, longbench-v2, infinitebench, bookqa, govreport, qmsum, kv-retrieval, cue")
      ->required();
  app->add_option("PREDICTIONS", flags->files, "JSON lines in the benchmark's own format")->required();
  app->add_option("--task", flags->task,
                  "the benchmark's name of it (default: the file's name, then each line's task)");
  app->add_option("--data", flags->data, "the dataset, for predictions without gold answers");
  app->add_flag("--e", flags->buckets, "LongBench-E: by length too");
  app->add_option("--jieba", flags->jieba, "jieba's folder or dictionary, for LongBench's Chinese (or TOME_JIEBA)");
  app->add_option("--rules", flags->rules, "infinitebench: cascades (as published) or last-letter (since August 2024)")
      ->check(CLI::IsMember({"cascades", "last-letter"}))
      ->capture_default_str();
  app->add_option("--code-ratio", flags->code_ratio, "lcc, repobench-p: difflib (official) or indel")
      ->check(CLI::IsMember({"difflib", "indel"}))
      ->capture_default_str();
  app->add_option("--model-name", flags->model_name, "infinitebench: gpt4 skips math_calc's first number");
  app->add_flag("--json", flags->json, "one line of JSON");
  app->footer("Example:\n  tome eval score longbench --json pred/hotpotqa.jsonl");
  return {app, [flags] { return run_eval_score(*flags); }};
}

}  // namespace tome::cli
