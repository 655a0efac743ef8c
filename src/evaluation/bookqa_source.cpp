// Questions about whole books, in NarrativeQA's form (Kočiský et al. 2018, arXiv 1712.07040).
#include <array>
#include <filesystem>
#include <set>

#include "evaluation/dataset_sources.h"

namespace tome {
namespace {

constexpr std::string_view user =
    "Read the book, then answer the question about it in a few words.\n\n{context}\n\nQuestion: {question}";
constexpr std::string_view opening = "Answer:";
constexpr std::array<std::string_view, 4> names = {"context", "question", "query", "input"};
constexpr std::uint64_t max_new_tokens = 64;

/// A string, or the hub's {"text": …}.
Result<std::string> text_or_object(const JsonFields& record, const char* field) {
  const Json* value = record.find(field);
  if (value == nullptr || !value->is_object()) return required_text(record, field);
  const JsonFields inner(*value, record.where(), std::string(field) + ".");
  TOME_ASSIGN(auto text, inner.text("text"));
  if (!text) return fail(ErrorKind::format, "{}: '{}.text' is missing, expected a string", record.where(), field);
  return std::move(*text);
}

Result<std::vector<std::string>> read_answers(const JsonFields& record) {
  const Json* value = record.find("answers");
  if (value == nullptr || !value->is_array() || value->empty() || !value->front().is_object())
    return required_answers(record, "answers");
  std::vector<std::string> answers;
  for (const Json& element : *value) {
    if (!element.is_object() || !element.contains("text") || !element["text"].is_string())
      return fail(ErrorKind::format, "{}: 'answers[{}]' is {}, expected an object with 'text'", record.where(),
                  answers.size(), shown(element));
    answers.push_back(element["text"].get<std::string>());
  }
  return answers;
}

/// A file beside the questions; it may not lead out of their folder.
Result<std::string> book_path(const JsonFields& record, const std::string& folder, const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path path(name);
  bool climbs = path.is_absolute();
  for (const fs::path& part : path) climbs = climbs || part == "..";
  if (climbs) return record.wrong_type("file", "a path below the folder of the questions");
  const fs::path full = fs::path(folder) / path;
  std::error_code ignored;
  if (!fs::is_regular_file(full, ignored)) return record.wrong_type("file", fmt::format("a file in {}", folder));
  return full.string();
}

Result<std::vector<DatasetQuestion>> read_record(const std::string& folder, const JsonFields& record) {
  DatasetQuestion question;
  TOME_ASSIGN(const auto file, record.text("file"));
  if (file) {
    TOME_ASSIGN(question.context_file, book_path(record, folder, *file));
    question.cluster = *file;
    question.facts["file"] = *file;
  } else if (record.find("document") != nullptr) {
    TOME_ASSIGN(question.context, text_or_object(record, "document"));
  } else if (record.find("context") != nullptr) {
    TOME_ASSIGN(question.context, required_text(record, "context"));
  } else {
    return fail(ErrorKind::format, "{}: none of 'file', 'document' and 'context' is there, expected a book's text",
                record.where());
  }
  TOME_ASSIGN(const std::string asked, text_or_object(record, "question"));
  question.values = {{"question", asked}, {"query", asked}, {"input", asked}};
  TOME_ASSIGN(question.gold.answers, read_answers(record));
  std::vector<DatasetQuestion> questions;
  questions.push_back(std::move(question));
  return questions;
}

}  // namespace

Result<std::unique_ptr<SampleSource>> make_bookqa_source(const SampleOptions& options, BadRecords bad_records) {
  const std::string file =
      find_data_file(options.data, {"bookqa.jsonl", "questions.jsonl", "narrativeqa.jsonl", "test.jsonl"}, true);
  if (file.empty())
    return no_data_file("bookqa", "a .jsonl file of questions (or a folder with questions.jsonl)", options.data);
  const std::string folder = std::filesystem::path(file).parent_path().string();
  DatasetTask task{
      .name = "bookqa", .file = file, .max_new_tokens = max_new_tokens, .read = [folder](const JsonFields& record) {
        return read_record(folder, record);
      }};
  return make_single_task_source(std::move(task), user, opening, names, options, bad_records);
}

}  // namespace tome
