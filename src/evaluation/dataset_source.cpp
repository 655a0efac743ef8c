#include "evaluation/dataset_source.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "base/digest.h"
#include "base/rng.h"
#include "evaluation/record_file.h"
#include "evaluation/sample_seed.h"
#include "runtime/document.h"

namespace tome {
namespace {

/// A question before it is asked: where it stands.
struct Entry {
  std::size_t task, record, question;
  std::string cluster;
  bool has_evidence;
  Condition condition = Condition::full;
};

std::string digest_of(const std::string& text) { return sha256_hex(std::as_bytes(std::span(text))).substr(0, 16); }

Result<std::string> context_of(const DatasetQuestion& question) {
  if (question.context_file.empty()) return question.context;
  TOME_ASSIGN(const Document document, Document::load({question.context_file}));
  return document.text();
}

class DatasetSource : public SampleSource {
 public:
  DatasetSource(std::vector<DatasetTask> tasks, const SampleOptions& options, PromptFrame frame,
                std::vector<std::string> notices)
      : tasks_(std::move(tasks)), options_(options), frame_(std::move(frame)), notices_(std::move(notices)) {}

  Status collect(BadRecords bad_records) {
    for (std::size_t task = 0; task < tasks_.size(); ++task) {
      TOME_ASSIGN(RecordFile file, RecordFile::open(tasks_[task].file));
      files_.push_back(std::move(file));
      TOME_ASSIGN(std::vector<Entry> entries, read_entries(task, bad_records));
      choose(entries, task);
      add_conditions(std::move(entries));
    }
    return {};
  }

  std::size_t count() const override { return entries_.size(); }
  std::vector<std::string> notices() const override { return notices_; }
  std::uint64_t skipped_lines() const override { return skipped_; }

  Result<Sample> make(std::size_t index) const override {
    const Entry& entry = entries_.at(index);
    const DatasetTask& task = tasks_[entry.task];
    TOME_ASSIGN(std::vector<DatasetQuestion> questions, questions_of(entry.task, entry.record));
    DatasetQuestion& question = questions[entry.question];
    Sample sample;
    const std::string line = std::to_string(files_[entry.task].line(entry.record));
    sample.id = fmt::format("{}{}{}/{}{}", task.name, task.name.empty() ? "" : "/", condition_name(entry.condition),
                            line, questions.size() > 1 ? fmt::format(".{}", entry.question) : "");
    sample.task = task.scored_as.empty() ? task.name : task.scored_as;
    sample.cluster = entry.cluster;
    sample.depth = question.depth;
    sample.condition = entry.condition;
    sample.max_new_tokens = task.max_new_tokens;
    sample.first_line_only = task.first_line_only;
    sample.gold = std::move(question.gold);
    sample.bits = question.bits;
    sample.recipe = {{"file", std::filesystem::path(task.file).filename().string()},
                     {"line", files_[entry.task].line(entry.record)},
                     {"question", entry.question},
                     {"wording", task.wording_source},
                     {"data", std::move(question.facts)}};
    TOME_TRY(render(sample, question, task));
    return sample;
  }

 private:
  Result<std::vector<DatasetQuestion>> questions_of(std::size_t task, std::size_t record) const {
    TOME_ASSIGN(const Json json, files_[task].object(record));
    return tasks_[task].read(JsonFields(json, files_[task].where(record)));
  }

  Status render(Sample& sample, const DatasetQuestion& question, const DatasetTask& task) const {
    TemplateValues values = question.values;
    std::string context;
    if (sample.condition == Condition::full) {
      TOME_ASSIGN(context, context_of(question));
    } else if (sample.condition == Condition::evidence_only) {
      context = *question.evidence;
    }
    values.emplace_back("context", std::move(context));
    PromptText text{task.wording.user.fill(values), task.wording.joint, task.wording.opening.fill(values)};
    std::uint64_t tokens = 0;
    text = frame_.cut_middle(text, task.framing, options_.max_input, task.cut, tokens);
    if (options_.max_input > 0 && tokens > options_.max_input) sample.recipe["cut_from_tokens"] = tokens;
    sample.prompt = frame_.encode(text, task.framing);
    return {};
  }

  /// Every record is read, so that each bad one is told.
  Result<std::vector<Entry>> read_entries(std::size_t task, BadRecords bad_records) {
    std::vector<Entry> entries;
    for (std::size_t record = 0; record < files_[task].count(); ++record) {
      auto questions = questions_of(task, record);
      if (!questions && bad_records == BadRecords::refuse) return tl::unexpected(std::move(questions).error());
      if (!questions) {
        notices_.push_back(questions.error().message + "; left out");
        ++skipped_;
        continue;
      }
      for (std::size_t index = 0; index < questions->size(); ++index) {
        const DatasetQuestion& question = (*questions)[index];
        entries.push_back({.task = task,
                           .record = record,
                           .question = index,
                           .cluster = question.cluster.empty() ? digest_of(question.context) : question.cluster,
                           .has_evidence = question.evidence.has_value()});
      }
    }
    if (entries.empty())
      return fail(ErrorKind::format, "[eval] {}: {} records, none of them usable{}", tasks_[task].file,
                  files_[task].count(), notices_.empty() ? "" : "; the last: " + notices_.back());
    return entries;
  }

  /// Draws by seed, then brings the questions about one document together, at the first one's place.
  void choose(std::vector<Entry>& entries, std::size_t task) const {
    const auto unit = [&](const Entry& entry) { return std::pair(entry.record, entry.question); };
    std::vector<std::pair<std::size_t, std::size_t>> units;
    for (const Entry& entry : entries)
      if (!tasks_[task].whole_records || entry.question == 0) units.push_back(unit(entry));
    if (options_.samples > 0 && options_.samples < units.size()) {
      Rng rng(sample_seed(options_.seed, tasks_[task].name, 0, 0));
      for (std::size_t at = 0; at < options_.samples; ++at)
        std::swap(units[at], units[at + rng.below(units.size() - at)]);
      units.resize(options_.samples);
      std::sort(units.begin(), units.end());
      std::erase_if(entries, [&](const Entry& entry) {
        auto wanted = unit(entry);
        if (tasks_[task].whole_records) wanted.second = 0;
        return !std::binary_search(units.begin(), units.end(), wanted);
      });
    }
    std::unordered_map<std::string, std::size_t> rank;
    for (const Entry& entry : entries) rank.emplace(entry.cluster, rank.size());
    std::stable_sort(entries.begin(), entries.end(),
                     [&](const Entry& a, const Entry& b) { return rank.at(a.cluster) < rank.at(b.cluster); });
  }

  void add_conditions(std::vector<Entry> entries) {
    entries_.insert(entries_.end(), entries.begin(), entries.end());
    if (!options_.baselines) return;
    for (const Condition condition : {Condition::evidence_only, Condition::no_context}) {
      for (Entry& entry : entries) {
        if (condition == Condition::evidence_only && !entry.has_evidence) continue;
        entry.condition = condition;
        entries_.push_back(entry);
      }
    }
  }

  std::vector<DatasetTask> tasks_;
  SampleOptions options_;
  PromptFrame frame_;
  std::vector<std::string> notices_;
  std::uint64_t skipped_ = 0;
  std::vector<RecordFile> files_;  // by task
  std::vector<Entry> entries_;
};

Result<std::string> one_answer(const JsonFields& record, const char* field, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  return record.wrong_type(field, "a string, a number or an array of these");
}

}  // namespace

Result<std::unique_ptr<SampleSource>> make_dataset_source(std::vector<DatasetTask> tasks, const SampleOptions& options,
                                                          BadRecords bad_records, std::vector<std::string> notices) {
  if (tasks.empty()) return fail(ErrorKind::usage, "[eval] no task to ask");
  TOME_ASSIGN(PromptFrame frame, PromptFrame::create(*options.tokenizer));
  auto source = std::make_unique<DatasetSource>(std::move(tasks), options, std::move(frame), std::move(notices));
  TOME_TRY(source->collect(bad_records));
  return source;
}

Result<std::unique_ptr<SampleSource>> make_single_task_source(DatasetTask task, std::string_view user,
                                                              std::string_view opening,
                                                              std::span<const std::string_view> names,
                                                              const SampleOptions& options, BadRecords bad_records) {
  for (const std::string& name : options.tasks)
    if (name != task.name) return fail(ErrorKind::usage, "[eval] no task '{}', expected {}", name, task.name);
  TOME_ASSIGN(const Wordings wordings, Wordings::load(options.prompts));
  TOME_ASSIGN(task.wording, wordings.of(task.name, user, opening, names));
  task.wording_source = wordings.source(task.wording);
  std::vector<DatasetTask> tasks;
  tasks.push_back(std::move(task));
  return make_dataset_source(std::move(tasks), options, bad_records, {});
}

Result<std::string> required_text(const JsonFields& record, const char* field) {
  TOME_ASSIGN(auto text, record.text(field));
  if (!text) return fail(ErrorKind::format, "{}: '{}' is missing, expected a string", record.where(), field);
  return std::move(*text);
}

Result<std::vector<std::string>> required_answers(const JsonFields& record, const char* field) {
  const Json* value = record.find(field);
  if (value == nullptr)
    return fail(ErrorKind::format, "{}: '{}' is missing, expected a string or an array of them", record.where(), field);
  std::vector<std::string> answers;
  if (!value->is_array()) {
    TOME_ASSIGN(std::string answer, one_answer(record, field, *value));
    answers.push_back(std::move(answer));
    return answers;
  }
  for (const Json& element : *value) {
    TOME_ASSIGN(std::string answer, one_answer(record, field, element));
    answers.push_back(std::move(answer));
  }
  if (answers.empty()) return record.wrong_type(field, "at least one answer");
  return answers;
}

Result<std::vector<std::string>> optional_texts(const JsonFields& record, const char* field) {
  TOME_ASSIGN(const Json* value, record.array(field));
  std::vector<std::string> texts;
  if (value == nullptr) return texts;
  for (const Json& element : *value) {
    if (!element.is_string()) return record.wrong_type(field, "an array of strings");
    texts.push_back(element.get<std::string>());
  }
  return texts;
}

std::string find_data_file(const std::vector<std::string>& data, const std::vector<std::string>& names, bool any_file) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  for (const std::string& place : data) {
    if (fs::is_regular_file(place, ignored)) {
      if (std::find(names.begin(), names.end(), fs::path(place).filename().string()) != names.end()) return place;
      continue;
    }
    for (const std::string& name : names)
      for (const fs::path& path : {fs::path(place) / name, fs::path(place) / "data" / name})
        if (fs::is_regular_file(path, ignored)) return path.string();
  }
  if (any_file)
    for (const std::string& place : data)
      if (fs::is_regular_file(place, ignored)) return place;
  return "";
}

tl::unexpected<Error> no_data_file(std::string_view suite, std::string_view expected,
                                   const std::vector<std::string>& data) {
  if (data.empty()) return fail(ErrorKind::usage, "[eval] {}: --data is missing, expected {}", suite, expected);
  std::string places;
  for (const std::string& place : data) places += fmt::format("{}{}", places.empty() ? "" : ", ", place);
  return fail(ErrorKind::usage, "[eval] {}: --data {}: expected {}", suite, places, expected);
}

}  // namespace tome
