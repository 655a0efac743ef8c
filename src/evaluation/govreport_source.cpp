// Summaries of government reports (Huang et al. 2021, arXiv 2104.02112).
#include <array>

#include "evaluation/dataset_sources.h"

namespace tome {
namespace {

constexpr std::string_view user = "Write a one-page summary of the report below.\n\n{context}";
constexpr std::string_view opening = "Summary:";
constexpr std::array<std::string_view, 1> names = {"context"};
constexpr std::uint64_t max_new_tokens = 512;

Result<std::vector<DatasetQuestion>> read_record(const JsonFields& record) {
  DatasetQuestion question;
  TOME_ASSIGN(question.context, required_text(record, "report"));
  TOME_ASSIGN(const std::string summary, required_text(record, "summary"));
  question.gold.answers = {summary};
  if (const Json* id = record.find("id")) question.facts["id"] = *id;
  std::vector<DatasetQuestion> questions;
  questions.push_back(std::move(question));
  return questions;
}

}  // namespace

Result<std::unique_ptr<SampleSource>> make_govreport_source(const SampleOptions& options, BadRecords bad_records) {
  DatasetTask task{.name = "govreport",
                   .file = find_data_file(options.data, {"govreport.jsonl", "gov_report.jsonl", "test.jsonl"}, true),
                   .max_new_tokens = max_new_tokens,
                   .read = read_record};
  if (task.file.empty())
    return no_data_file("govreport", "a .jsonl file of report and summary (or a folder with test.jsonl)", options.data);
  return make_single_task_source(std::move(task), user, opening, names, options, bad_records);
}

}  // namespace tome
