// Key-value retrieval as in "Lost in the Middle" (Liu et al. 2023, arXiv 2307.03172): a JSON object of random UUIDs,
// and the value of one of its keys.
#include <algorithm>
#include <array>
#include <cmath>

#include "evaluation/dataset_sources.h"

namespace tome {
namespace {

constexpr std::string_view user =
    "Look up the value of a key in the JSON object below.\n\n{context}\n\nWhat is the value of the key \"{key}\"?";
constexpr std::string_view opening = "The value is";
constexpr std::array<std::string_view, 3> names = {"context", "key", "query"};
constexpr std::uint64_t max_new_tokens = 100;  // the paper's
constexpr double uuid_bits = 122;              // of a UUID version 4's 128

using Records = std::vector<std::pair<std::string, std::string>>;

Result<Records> ordered_records(const JsonFields& record) {
  TOME_ASSIGN(const Json* list, record.array("ordered_kv_records"));
  if (list == nullptr)
    return fail(ErrorKind::format, "{}: 'ordered_kv_records' is missing, expected an array of pairs", record.where());
  Records records;
  for (const Json& pair : *list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
      return fail(ErrorKind::format, "{}: 'ordered_kv_records[{}]' is {}, expected two strings", record.where(),
                  records.size(), shown(pair));
    records.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return records;
}

std::string object_text(const Records& records) {
  std::string text = "{";
  for (const auto& [key, value] : records)
    text += fmt::format("{}{}: {}", text.size() > 1 ? ",\n " : "", Json(key).dump(), Json(value).dump());
  return text + "}";
}

bool is_uuid4(std::string_view text) {
  constexpr std::string_view form = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  if (text.size() != form.size()) return false;
  for (std::size_t at = 0; at < form.size(); ++at) {
    const bool hex = (text[at] >= '0' && text[at] <= '9') || (text[at] >= 'a' && text[at] <= 'f');
    if (form[at] == '-' || form[at] == '4' ? text[at] != form[at] : !hex) return false;
  }
  return true;
}

Result<std::vector<DatasetQuestion>> read_record(const std::vector<double>& depths, const JsonFields& record) {
  TOME_ASSIGN(Records records, ordered_records(record));
  TOME_ASSIGN(const std::string key, required_text(record, "key"));
  TOME_ASSIGN(const std::string value, required_text(record, "value"));
  const auto found = std::find(records.begin(), records.end(), std::pair(key, value));
  if (found == records.end())
    return fail(ErrorKind::format, "{}: 'key' is {}, expected one of the {} in 'ordered_kv_records', with 'value'",
                record.where(), shown(Json(key)), records.size());
  const double last = static_cast<double>(records.size() - 1);
  std::size_t at = static_cast<std::size_t>(found - records.begin());
  std::vector<std::size_t> places;
  for (const double depth : depths) places.push_back(static_cast<std::size_t>(std::llround(depth / 100 * last)));
  if (places.empty()) places.push_back(at);
  std::vector<DatasetQuestion> questions;
  for (std::size_t index = 0; index < places.size(); ++index) {
    const auto moved = records[at];
    records.erase(records.begin() + static_cast<std::ptrdiff_t>(at));
    at = places[index];
    records.insert(records.begin() + static_cast<std::ptrdiff_t>(at), moved);
    DatasetQuestion question;
    question.context = object_text(records);
    question.cluster = fmt::format("object {}", key);
    question.values = {{"key", key}, {"query", key}};
    question.evidence = object_text({{key, value}});
    question.gold.answers = {value};
    question.depth = !depths.empty() ? depths[index] : last > 0 ? 100 * static_cast<double>(at) / last : 0;
    question.bits = is_uuid4(value) ? uuid_bits : 0;
    question.facts = {{"keys", records.size()}, {"place", at}};
    questions.push_back(std::move(question));
  }
  return questions;
}

}  // namespace

Result<std::unique_ptr<SampleSource>> make_kv_retrieval_source(const SampleOptions& options, BadRecords bad_records) {
  for (const double depth : options.depths)
    if (!(depth >= 0 && depth <= 100))
      return fail(ErrorKind::usage, "[eval] kv-retrieval: depth {}, expected 0 … 100", depth);
  DatasetTask task{.name = "kv-retrieval",
                   .file = find_data_file(options.data,
                                          {"kv-retrieval-140_keys.jsonl", "kv-retrieval-75_keys.jsonl",
                                           "kv-retrieval-300_keys.jsonl", "kv-retrieval.jsonl"},
                                          true),
                   .max_new_tokens = max_new_tokens,
                   .whole_records = true,
                   .read = [depths = options.depths](const JsonFields& record) { return read_record(depths, record); }};
  if (task.file.empty())
    return no_data_file("kv-retrieval", "a .jsonl file of ordered_kv_records, key and value, unpacked", options.data);
  return make_single_task_source(std::move(task), user, opening, names, options, bad_records);
}

}  // namespace tome
