#include "evaluation/prediction_files.h"

#include <algorithm>
#include <filesystem>

#include "base/mapped_file.h"
#include "evaluation/python_number.h"
#include "evaluation/scoring_options.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

using Names = std::vector<const char*>;

/// The fields of each format, the official name first.
Names prediction_fields(Suite suite) {
  if (suite == Suite::longbench) return {"pred"};
  if (suite == Suite::infinitebench) return {"prediction", "pred"};
  if (suite == Suite::kv_retrieval) return {"model_answer", "prediction", "pred", "response"};
  return {"pred", "prediction", "response", "output"};
}

Names answer_fields(Suite suite) {
  switch (suite) {
    case Suite::longbench:
      return {"answers"};
    case Suite::longbench_v2:
      return {"answer"};
    case Suite::infinitebench:
      return {"ground_truth", "label", "answer"};
    case Suite::ruler:
      return {"outputs", "output", "answers"};
    case Suite::kv_retrieval:
      return {"value", "answers", "answer", "outputs", "ground_truth"};
    default:
      return {"answers", "outputs", "references", "answer", "reference", "ground_truth", "needle"};
  }
}

/// One prediction and, where it does not say, its gold record.
class Record {
 public:
  Record(const Json& prediction, const Json* gold) : prediction_(prediction), gold_(gold) {}

  struct Field {
    const char* name = "";
    const Json* value = nullptr;
  };

  Field find(const Names& names) const {
    if (const Field own = find_in(prediction_, names); own.value != nullptr) return own;
    return gold_ == nullptr ? Field{} : find_in(*gold_, names);
  }
  Field own(const Names& names) const { return find_in(prediction_, names); }

 private:
  static Field find_in(const Json& record, const Names& names) {
    for (const char* name : names)
      if (const auto found = record.find(name); found != record.end()) return {name, &*found};
    return {};
  }

  const Json& prediction_;
  const Json* gold_;
};

Result<std::string> text_of(const Record::Field& field, const Names& names) {
  if (field.value == nullptr) return fail(ErrorKind::format, "{}: not there, expected text", fmt::join(names, " or "));
  if (!field.value->is_string())
    return fail(ErrorKind::format, "{}: found {}, expected text", field.name, field.value->type_name());
  return field.value->get<std::string>();
}

/// Whole numbers as digits, others as Python's repr.
std::optional<std::string> scalar_text(const Json& value, bool numbers) {
  if (value.is_string()) return value.get<std::string>();
  if (!numbers || !value.is_number()) return std::nullopt;
  if (value.is_number_float()) return python::repr(value.get<double>());
  return value.dump();
}

Status append_texts(const Json& value, bool numbers, int nested, const char* name, std::vector<std::string>& texts) {
  for (const Json& one : value) {
    if (one.is_array() && nested > 0) {
      TOME_TRY(append_texts(one, numbers, nested - 1, name, texts));
      continue;
    }
    auto text = scalar_text(one, numbers);
    if (!text)
      return fail(ErrorKind::format, "{}: found {} in the list, expected {}", name, one.type_name(),
                  numbers ? "text or numbers" : "text");
    texts.push_back(std::move(*text));
  }
  return {};
}

Result<std::vector<std::string>> answers_of(const Record& record, Suite suite, std::string_view task) {
  const Names names = answer_fields(suite);
  const Record::Field field = record.find(names);
  if (field.value == nullptr)
    return fail(ErrorKind::format, "{}: not there, expected the right answers", fmt::join(names, " or "));
  const bool numbers = suite == Suite::infinitebench || task == "passage_count";
  std::vector<std::string> answers;
  if (field.value->is_array()) {
    TOME_TRY(append_texts(*field.value, numbers, suite == Suite::infinitebench ? 1 : 0, field.name, answers));
    return answers;
  }
  const auto single = suite == Suite::longbench ? std::nullopt : scalar_text(*field.value, numbers);
  if (!single)
    return fail(ErrorKind::format, "{}: found {}, expected a list of texts", field.name, field.value->type_name());
  answers.push_back(*single);
  return answers;
}

Result<std::vector<std::string>> list_of(const Record& record, const Names& names) {
  std::vector<std::string> texts;
  const Record::Field field = record.find(names);
  if (field.value == nullptr || field.value->is_null()) return texts;
  if (!field.value->is_array())
    return fail(ErrorKind::format, "{}: found {}, expected a list of texts", field.name, field.value->type_name());
  TOME_TRY(append_texts(*field.value, false, 0, field.name, texts));
  return texts;
}

std::string optional_text(const Record& record, const Names& names) {
  const Record::Field field = record.find(names);
  if (field.value == nullptr) return "";
  return scalar_text(*field.value, true).value_or("");
}

/// result.py believes "judge"; without it the letter in "pred", or what the response says.
Status read_longbench_v2(const Record& record, Prediction& prediction) {
  prediction.difficulty = optional_text(record, {"difficulty"});
  prediction.length_class = optional_text(record, {"length"});
  if (const auto judge = record.own({"judge"}); judge.value != nullptr) {
    if (!judge.value->is_boolean() && !judge.value->is_number_integer())
      return fail(ErrorKind::format, "judge: found {}, expected true or false", judge.value->type_name());
    prediction.judge = judge.value->is_boolean() ? judge.value->get<bool>() : *judge.value != 0;
    return {};
  }
  TOME_ASSIGN(prediction.gold.answers, answers_of(record, Suite::longbench_v2, ""));
  const auto pred = record.own({"pred", "prediction"}), response = record.own({"response"});
  const bool no_letter = pred.value == nullptr || pred.value->is_null();
  if (no_letter && pred.value != nullptr && response.value == nullptr) {
    prediction.judge = false;  // the official script found no letter
    return {};
  }
  TOME_ASSIGN(prediction.text, text_of(no_letter ? response : pred, {"judge", "pred", "response"}));
  const bool letter = prediction.text.size() == 1 && prediction.text[0] >= 'A' && prediction.text[0] <= 'D';
  if (letter) prediction.judge = prediction.text == prediction.gold.answers[0];
  return {};
}

bool has_tasks(Suite suite) {
  return suite == Suite::longbench || suite == Suite::infinitebench || suite == Suite::ruler;
}

Result<std::string> task_of_line(const Record& record, const PredictionOptions& options) {
  if (!has_tasks(options.suite) || !options.task.empty()) return options.task;
  const std::string task = optional_text(record, {"task", "dataset"});
  if (task.empty())
    return fail(ErrorKind::format, "task: not there, expected it, or a file named after its task, or --task");
  if (!check_task(options.suite, task))
    return fail(ErrorKind::format, "task: found '{}', expected one of {}'s", task, suite_name(options.suite));
  return task;
}

Result<Json> parse_record(std::string_view line) {
  if (line.size() > longest_prediction_line)
    return fail(ErrorKind::format, "a line of {} bytes, expected at most {}", line.size(), longest_prediction_line);
  for (std::size_t at = 0; at < line.size();) {
    const Utf8Step step = read_utf8(line, at);
    if (!step.valid)
      return fail(ErrorKind::format, "byte {} (0x{:02x}) is no UTF-8, expected JSON in UTF-8", at,
                  static_cast<unsigned>(static_cast<unsigned char>(line[at])));
    at += step.length;
  }
  auto parsed = parse_json(line, "the line", {.max_depth = 64, .allow_bare_infinity = true});
  if (!parsed) return fail(ErrorKind::format, "{}, expected one JSON object", parsed.error().message);
  if (!parsed->is_object()) return fail(ErrorKind::format, "found {}, expected a JSON object", parsed->type_name());
  return std::move(*parsed);
}

Result<Prediction> prediction_of(const Json& json, const PredictionOptions& options, const GoldRecords& gold,
                                 std::size_t number) {
  const Record record(json, gold.find(json, number));
  Prediction prediction;
  TOME_ASSIGN(prediction.task, task_of_line(record, options));
  prediction.cluster = optional_text(record, {"cluster", "document", "document_id", "doc_id"});
  if (options.suite == Suite::longbench_v2) {
    TOME_TRY(read_longbench_v2(record, prediction));
    return prediction;
  }
  const Names names = prediction_fields(options.suite);
  TOME_ASSIGN(prediction.text, text_of(record.own(names), names));
  TOME_ASSIGN(prediction.gold.answers, answers_of(record, options.suite, prediction.task));
  TOME_ASSIGN(prediction.gold.all_classes, list_of(record, {"all_classes"}));
  TOME_ASSIGN(prediction.gold.options, list_of(record, {"options"}));
  const bool classes = prediction.task == "trec" || prediction.task == "lsht";
  if (options.suite == Suite::longbench && classes && prediction.gold.all_classes.empty())
    return fail(ErrorKind::format, "all_classes: found none, expected a list of texts");
  const auto length = record.find({"length"});
  if (length.value != nullptr && length.value->is_number()) prediction.length = length.value->get<double>();
  if (options.need_length && !prediction.length)
    return fail(ErrorKind::format, "length: {}, expected a number",
                length.value == nullptr ? "not there" : fmt::format("found {}", length.value->type_name()));
  return prediction;
}

/// Lines end at "\n", with or without "\r" before it.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  std::optional<std::string_view> next() {
    if (at_ >= text_.size()) return std::nullopt;
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view line = text_.substr(at_, end - at_);
    at_ = end + 1;
    ++number_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  std::size_t number() const { return number_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0, number_ = 0;
};

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

std::string_view text_of_file(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// LongBench v2's result.py and RULER's tools also read one array of records.
std::optional<Json> whole_array(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '[' || text.size() > (std::uint64_t{1} << 30))
    return std::nullopt;
  auto parsed = parse_json(text, "the file", {.max_depth = 64, .allow_bare_infinity = true});
  if (!parsed || !parsed->is_array() || parsed->empty() || !(*parsed)[0].is_object()) return std::nullopt;
  return std::move(*parsed);
}

/// "hotpotqa.jsonl", "preds_kv_retrieval.jsonl", "hotpotqa_e.jsonl": the task, else nothing.
std::string task_of_file(Suite suite, const std::string& path) {
  if (!has_tasks(suite)) return "";
  std::string name = std::filesystem::path(path).filename().string();
  name = name.substr(0, name.find('.'));
  if (name.starts_with("preds_")) name = name.substr(6);
  if (check_task(suite, name)) return name;
  if (name.ends_with("_e")) name.resize(name.size() - 2);
  return check_task(suite, name) ? name : "";
}

std::optional<std::string> id_of(const Json& record) {
  for (const char* name : {"_id", "id", "index"})
    if (const auto found = record.find(name); found != record.end() && (found->is_string() || found->is_number()))
      return std::string(name) + "=" + (found->is_string() ? found->get<std::string>() : found->dump());
  return std::nullopt;
}

void share_last_classes(std::vector<Prediction>& predictions, std::size_t first) {
  if (predictions.size() <= first) return;
  const std::vector<std::string> classes = predictions.back().gold.all_classes;
  for (std::size_t i = first; i < predictions.size(); ++i) predictions[i].gold.all_classes = classes;
}

}  // namespace

void GoldRecords::keep(Json record) {
  for (const char* large : {"context", "input", "prompt"}) record.erase(large);
  if (const auto id = id_of(record)) by_id_.emplace(*id, records_.size());
  records_.push_back(std::move(record));
}

Status GoldRecords::add(const std::string& path) {
  TOME_ASSIGN(const auto file, MappedFile::open(path));
  if (auto array = whole_array(text_of_file(*file))) {
    for (Json& record : *array)
      if (record.is_object()) keep(std::move(record));
    return {};
  }
  Lines lines(text_of_file(*file));
  while (const auto line = lines.next()) {
    if (is_blank(*line)) continue;
    auto record = parse_record(*line);
    if (!record) return fail(record.error().kind, "{}:{}: {}", path, lines.number(), record.error().message);
    keep(std::move(*record));
  }
  return {};
}

const Json* GoldRecords::find(const Json& prediction, std::size_t number) const {
  if (records_.empty()) return nullptr;
  if (const auto id = id_of(prediction)) {
    const auto found = by_id_.find(*id);
    if (found != by_id_.end()) return &records_[found->second];
    if (!by_id_.empty()) return nullptr;
  }
  return number < records_.size() ? &records_[number] : nullptr;
}

Result<Prediction> parse_prediction(std::string_view line, const PredictionOptions& options, const GoldRecords& gold,
                                    std::size_t number) {
  TOME_ASSIGN(const Json record, parse_record(line));
  return prediction_of(record, options, gold, number);
}

Result<PredictionFile> read_predictions(const std::string& path, PredictionOptions options, const GoldRecords& gold,
                                        const LineReport& report) {
  TOME_ASSIGN(const auto file, MappedFile::open(path));
  if (options.task.empty()) options.task = task_of_file(options.suite, path);
  PredictionFile result;
  const auto take = [&](Result<Prediction> prediction, std::size_t line) {
    const std::string place = fmt::format("{}:{}", path, line);
    if (prediction) {
      prediction->place = place;
      result.predictions.push_back(std::move(*prediction));
    } else {
      ++result.skipped;
      report(fmt::format("{}: {}", place, prediction.error().message));
    }
  };
  std::size_t number = 0;
  if (const auto array = whole_array(text_of_file(*file))) {
    for (const Json& record : *array) {
      ++number;
      if (record.is_object())
        take(prediction_of(record, options, gold, number - 1), number);
      else
        take(fail(ErrorKind::format, "found {}, expected a JSON object", record.type_name()), number);
    }
  } else {
    Lines lines(text_of_file(*file));
    while (const auto line = lines.next())
      if (!is_blank(*line)) take(parse_prediction(*line, options, gold, number++), lines.number());
  }
  if (options.suite == Suite::longbench) share_last_classes(result.predictions, 0);
  return result;
}

}  // namespace tome
