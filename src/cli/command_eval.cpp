// `tome eval`: run a benchmark, compare two runs, write a report of several.
#include <filesystem>

#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/eval_run.h"
#include "cli/eval_score.h"
#include "cli/eval_tables.h"
#include "evaluation/compare.h"
#include "evaluation/report.h"
#include "evaluation/suite_list.h"
#include "evaluation/summarize.h"

namespace tome::cli {
namespace {

std::string list_text() {
  std::string text;
  for (const SuiteFacts& facts : suite_list()) {
    text += fmt::format("{}\n  asks   {}\n  needs  {}\n  from   {}\n", suite_name(facts.suite), facts.asks, facts.needs,
                        facts.from);
    std::string tasks;
    for (const std::string& task : suite_tasks(facts.suite)) tasks += (tasks.empty() ? "" : " ") + task;
    if (!tasks.empty()) text += "  tasks  " + tasks + "\n";
  }
  return text;
}

Json list_json() {
  Json list = Json::array();
  for (const SuiteFacts& facts : suite_list())
    list.push_back({{"suite", suite_name(facts.suite)},
                    {"asks", facts.asks},
                    {"needs", facts.needs},
                    {"from", facts.from},
                    {"repository", facts.repository},
                    {"tasks", suite_tasks(facts.suite)}});
  return list;
}

struct CompareFlags {
  std::string a, b;
  bool json = false;
};

Status run_compare(const CompareFlags& flags) {
  TOME_ASSIGN(const StoredRun a, read_run(flags.a));
  TOME_ASSIGN(const StoredRun b, read_run(flags.b));
  TOME_ASSIGN(const Comparison comparison, compare_runs(a, b));
  return print(flags.json ? json_text(to_json(comparison)) + "\n" : comparison_text(comparison));
}

struct ReportFlags {
  std::vector<std::string> runs;
  std::string out = "report.html";
};

Status run_report(const ReportFlags& flags) {
  std::vector<StoredRun> runs;
  std::vector<RunSummary> summaries;
  for (const std::string& folder : flags.runs) {
    TOME_ASSIGN(StoredRun run, read_run(folder));
    summaries.push_back(summarize(run));
    runs.push_back(std::move(run));
  }
  std::vector<Comparison> comparisons;
  for (std::size_t i = 1; i < runs.size(); ++i)  // against the first, where the samples are the same
    if (auto comparison = compare_runs(runs[0], runs[i])) comparisons.push_back(std::move(*comparison));
  TOME_TRY(write_file_atomically(flags.out, report_html(summaries, comparisons)));
  return print("written: " + flags.out + "\n");
}

}  // namespace

Command add_eval(CLI::App& program) {
  CLI::App* app = program.add_subcommand("eval", "measure what a model makes of a long context");
  app->require_subcommand(0, 1);
  const auto list = std::make_shared<std::pair<bool, bool>>(false, false);
  app->add_flag("--list", list->first, "what each suite asks, what it needs and where its data comes from");
  app->add_flag("--json", list->second, "the list as JSON");
  std::vector<std::pair<CLI::App*, std::function<Status()>>> chosen;
  for (const SuiteFacts& facts : suite_list()) {
    const Suite suite = facts.suite;
    const auto flags = std::make_shared<EvalFlags>();
    CLI::App* one = app->add_subcommand(std::string(suite_name(suite)), std::string(facts.asks));
    add_eval_flags(*one, suite, *flags);
    one->footer(fmt::format("Example:\n  tome eval {}{} -m gemma3-270m --out run", suite_name(suite),
                            suite == Suite::niah || suite == Suite::cue || suite == Suite::ruler ? " --lengths 4k,8k"
                            : suite == Suite::perplexity ? " --data book.txt --lengths 4k"
                                                         : " --data FOLDER"));
    chosen.emplace_back(one, [flags, suite] { return run_eval(*flags, suite); });
  }
  const Command score = add_eval_score(*app);
  chosen.emplace_back(score.app, score.run);
  const auto compare = std::make_shared<CompareFlags>();
  CLI::App* comparing = app->add_subcommand("compare", "two runs over the same samples: is one better?");
  comparing->add_option("A", compare->a, "folder of a run")->required();
  comparing->add_option("B", compare->b, "folder of a run")->required();
  comparing->add_flag("--json", compare->json, "as JSON");
  comparing->footer("Example:\n  tome eval compare run-bf16 run-q8_0");
  chosen.emplace_back(comparing, [compare] { return run_compare(*compare); });
  const auto report = std::make_shared<ReportFlags>();
  CLI::App* reporting = app->add_subcommand("report", "one HTML file of several runs");
  reporting->add_option("RUN", report->runs, "folders of runs; the others are compared with the first")->required();
  reporting->add_option("-o,--out", report->out, "the file")->capture_default_str();
  reporting->footer("Example:\n  tome eval report run-none run-yarn -o report.html");
  chosen.emplace_back(reporting, [report] { return run_report(*report); });
  app->footer("Example:\n  tome eval niah --lengths 4k,8k -m gemma3-270m --out run\n  tome eval compare run other-run");
  return {app, [chosen, list]() -> Status {
            if (list->first) return print(list->second ? json_text(list_json()) + "\n" : list_text());
            for (const auto& [one, run] : chosen)
              if (one->parsed()) return run();
            return fail(ErrorKind::usage,
                        "[eval] expected a suite, score, compare, report or --list (see `tome eval --help`)");
          }};
}

}  // namespace tome::cli
