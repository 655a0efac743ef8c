// Query-based meeting summaries (Zhong et al. 2021, arXiv 2104.05938): a meeting a line, with questions about all of it
// and about parts, for which the turns that hold the answer are named.
#include <array>
#include <charconv>

#include "evaluation/dataset_sources.h"

namespace tome {
namespace {

constexpr std::string_view user =
    "A transcript of a meeting follows, then a request about it. Answer in one paragraph.\n\n{context}\n\n"
    "Request: {query}";
constexpr std::string_view opening = "Answer:";
constexpr std::array<std::string_view, 3> names = {"context", "query", "input"};
constexpr std::uint64_t max_new_tokens = 512;

Result<std::vector<std::string>> read_turns(const JsonFields& record) {
  TOME_ASSIGN(const Json* list, record.array("meeting_transcripts"));
  if (list == nullptr || list->empty())
    return fail(ErrorKind::format, "{}: 'meeting_transcripts' is missing or empty, expected an array of turns",
                record.where());
  std::vector<std::string> turns;
  for (const Json& turn : *list) {
    const std::string name = fmt::format("meeting_transcripts[{}]", turns.size());
    if (!turn.is_object())
      return fail(ErrorKind::format, "{}: '{}' is {}, expected an object", record.where(), name, shown(turn));
    const JsonFields fields(turn, record.where(), name + ".");
    TOME_ASSIGN(const auto speaker, fields.text("speaker"));
    TOME_ASSIGN(const auto content, fields.text("content"));
    if (!speaker || !content)
      return fail(ErrorKind::format, "{}: '{}.{}' is missing, expected a string", record.where(), name,
                  speaker ? "content" : "speaker");
    turns.push_back(fmt::format("{}: {}", *speaker, *content));
  }
  return turns;
}

std::string joined(const std::vector<std::string>& turns, std::size_t first, std::size_t last) {
  std::string text;
  for (std::size_t turn = first; turn <= last; ++turn)
    text += fmt::format("{}{}", turn > first ? "\n" : "", turns[turn]);
  return text;
}

/// Turn numbers are strings, both ends inclusive, from 0.
std::optional<std::size_t> turn_number(const Json& value, std::size_t turns) {
  std::size_t number = 0;
  if (value.is_number_unsigned()) {
    number = value.get<std::size_t>();
  } else {
    if (!value.is_string()) return std::nullopt;
    const auto& text = value.get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  }
  return number < turns ? std::optional(number) : std::nullopt;
}

Result<std::optional<std::string>> read_evidence(const JsonFields& query, const std::vector<std::string>& turns) {
  TOME_ASSIGN(const Json* spans, query.array("relevant_text_span"));
  if (spans == nullptr || spans->empty()) return std::nullopt;
  std::string evidence;
  for (const Json& span : *spans) {
    const bool pair = span.is_array() && span.size() == 2;
    const auto first = pair ? turn_number(span[0], turns.size()) : std::nullopt;
    const auto last = pair ? turn_number(span[1], turns.size()) : std::nullopt;
    if (!first || !last || *first > *last)
      return fail(ErrorKind::format, "{}: '{}' has {}, expected two turns among {}, the first one first", query.where(),
                  query.name("relevant_text_span"), span.dump().substr(0, 60), turns.size());
    evidence += fmt::format("{}{}", evidence.empty() ? "" : "\n", joined(turns, *first, *last));
  }
  return evidence;
}

Result<std::vector<DatasetQuestion>> read_meeting(const JsonFields& record) {
  TOME_ASSIGN(const std::vector<std::string> turns, read_turns(record));
  const std::string transcript = joined(turns, 0, turns.size() - 1);
  const std::string cluster = fmt::format("meeting {}", record.where().substr(record.where().rfind(':') + 1));
  std::vector<DatasetQuestion> questions;
  for (const char* list_name : {"general_query_list", "specific_query_list"}) {
    TOME_ASSIGN(const Json* list, record.array(list_name));
    for (std::size_t index = 0; list != nullptr && index < list->size(); ++index) {
      const Json& query = (*list)[index];
      const std::string name = fmt::format("{}[{}]", list_name, index);
      if (!query.is_object())
        return fail(ErrorKind::format, "{}: '{}' is {}, expected an object", record.where(), name, shown(query));
      const JsonFields fields(query, record.where(), name + ".");
      TOME_ASSIGN(const auto asked, fields.text("query"));
      TOME_ASSIGN(const auto answer, fields.text("answer"));
      if (!asked || !answer)
        return fail(ErrorKind::format, "{}: '{}.{}' is missing, expected a string", record.where(), name,
                    asked ? "answer" : "query");
      DatasetQuestion question{.context = transcript,
                               .cluster = cluster,
                               .values = {{"query", *asked}, {"input", *asked}},
                               .gold = {.answers = {*answer}, .all_classes = {}, .options = {}},
                               .facts = {{"query", name}}};
      TOME_ASSIGN(question.evidence, read_evidence(fields, turns));
      questions.push_back(std::move(question));
    }
  }
  return questions;
}

}  // namespace

Result<std::unique_ptr<SampleSource>> make_qmsum_source(const SampleOptions& options, BadRecords bad_records) {
  DatasetTask task{.name = "qmsum",
                   .file = find_data_file(options.data, {"test.jsonl", "qmsum.jsonl"}, true),
                   .max_new_tokens = max_new_tokens,
                   .read = read_meeting};
  if (task.file.empty())
    return no_data_file("qmsum", "a .jsonl file of meetings (or a folder with test.jsonl)", options.data);
  return make_single_task_source(std::move(task), user, opening, names, options, bad_records);
}

}  // namespace tome
