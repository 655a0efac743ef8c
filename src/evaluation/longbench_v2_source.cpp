// LongBench v2 (Bai et al. 2024, arXiv 2412.15204): 503 questions with four choices.
#include <array>

#include "evaluation/dataset_sources.h"

namespace tome {
namespace {

constexpr std::string_view user =
    "Read the text, then answer the question with one of the four choices.\n\n<text>\n{context}\n</text>\n\n"
    "Question: {question}\nChoices:\n(A) {choice_A}\n(B) {choice_B}\n(C) {choice_C}\n(D) {choice_D}\n\n"
    "Reply in this form and with nothing else: \"The correct answer is (X)\", where X is the letter of your choice.";
constexpr std::array<std::string_view, 6> names = {"context",  "question", "choice_A",
                                                   "choice_B", "choice_C", "choice_D"};
constexpr std::uint64_t max_new_tokens = 128;

Result<std::vector<DatasetQuestion>> read_record(const JsonFields& record) {
  DatasetQuestion question;
  TOME_ASSIGN(question.context, required_text(record, "context"));
  TOME_ASSIGN(std::string asked, required_text(record, "question"));
  question.values.emplace_back("question", std::move(asked));
  for (const char* field : {"choice_A", "choice_B", "choice_C", "choice_D"}) {
    TOME_ASSIGN(const std::string choice, required_text(record, field));
    question.values.emplace_back(field, choice);
    question.gold.options.push_back(choice);
  }
  TOME_ASSIGN(const std::string answer, required_text(record, "answer"));
  if (answer.size() != 1 || answer[0] < 'A' || answer[0] > 'D') return record.wrong_type("answer", "A, B, C or D");
  question.gold.answers = {answer};
  for (const char* field : {"_id", "domain", "sub_domain", "difficulty", "length"}) {
    TOME_ASSIGN(const auto fact, record.text(field));
    if (fact) question.facts[field] = *fact;
  }
  std::vector<DatasetQuestion> questions;
  questions.push_back(std::move(question));
  return questions;
}

}  // namespace

Result<std::unique_ptr<SampleSource>> make_longbench_v2_source(const SampleOptions& options, BadRecords bad_records) {
  DatasetTask task{.name = "longbench-v2",
                   .file = find_data_file(options.data, {"data.json", "data.jsonl"}, true),
                   .max_new_tokens = max_new_tokens,
                   .read = read_record};
  if (task.file.empty()) return no_data_file("longbench-v2", "data.json or data.jsonl", options.data);
  return make_single_task_source(std::move(task), user, "", names, options, bad_records);
}

}  // namespace tome
