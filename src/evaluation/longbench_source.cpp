// LongBench v1 and -E (Bai et al. 2023, arXiv 2308.14508).
#include <algorithm>
#include <array>

#include "evaluation/dataset_sources.h"

namespace tome {
namespace {

struct Words {
  std::string_view user, opening;
};

constexpr Words ask_one = {
    "Read the text and answer the question about it. Give the answer itself in as few words as you can and nothing "
    "else. If the text does not say, write \"unanswerable\"; to a yes/no question write \"yes\" or \"no\".\n\nText:\n"
    "{context}\n\nQuestion: {input}",
    "Answer:"};
constexpr Words ask_one_zh = {
    "阅读下面的文字，并用尽量少的字回答问题，不要写别的内容。\n\n文字：\n{context}\n\n问题：{input}", "答案："};
constexpr Words ask_many = {
    "Several passages follow. Answer the question from what they say. Give the answer itself in as few words as you "
    "can and nothing else.\n\nPassages:\n{context}\n\nQuestion: {input}",
    "Answer:"};
constexpr Words summarize = {"Write a one-page summary of the report below.\n\nReport:\n{context}", "Summary:"};
constexpr Words summarize_news = {"Write a one-page summary of the news articles below.\n\nNews:\n{context}",
                                  "Summary:"};
constexpr Words summarize_query = {
    "A transcript of a meeting follows. Answer the request about it in one paragraph or more.\n\nTranscript:\n"
    "{context}\n\nRequest: {input}",
    "Answer:"};
constexpr Words summarize_zh = {"下面是一段会议记录。请为它写一份总结。\n\n会议记录：\n{context}", "会议总结："};
constexpr Words by_example = {"Go on in the way of the examples.\n\n{context}\n{input}", ""};
constexpr Words by_example_zh = {"请按照下面的例子继续。\n\n{context}\n{input}", ""};
constexpr Words count = {
    "Some of the paragraphs below may be copies of others. How many different ones are there? Reply with a number "
    "only.\n\n{context}",
    "The number of different paragraphs is:"};
constexpr Words retrieve = {
    "Below are 30 paragraphs and a summary of one of them. Which one? Reply in the form \"Paragraph 1\".\n\n"
    "{context}\n\nSummary: {input}",
    "The summary is of:"};
constexpr Words retrieve_zh = {
    "下面有若干段落，以及其中一段的摘要。请指出摘要出自哪一段，按“段落1”的格式回答。\n\n{context}\n\n摘要：{input}",
    "答案是："};
constexpr Words complete = {"{context}{input}", ""};

struct TaskFacts {
  std::string_view name;
  std::uint64_t max_new_tokens;
  bool plain;       ///< never in a chat template
  bool first_line;  ///< what counts of the answer
  bool in_e;
  Words words;
};

constexpr std::array<TaskFacts, 21> tasks = {{{"narrativeqa", 128, false, false, false, ask_one},
                                              {"qasper", 128, false, false, true, ask_one},
                                              {"multifieldqa_en", 64, false, false, true, ask_one},
                                              {"multifieldqa_zh", 64, false, false, false, ask_one_zh},
                                              {"hotpotqa", 32, false, false, true, ask_many},
                                              {"2wikimqa", 32, false, false, true, ask_many},
                                              {"musique", 32, false, false, false, ask_many},
                                              {"dureader", 128, false, false, false, ask_one_zh},
                                              {"gov_report", 512, false, false, true, summarize},
                                              {"qmsum", 512, false, false, false, summarize_query},
                                              {"multi_news", 512, false, false, true, summarize_news},
                                              {"vcsum", 512, false, false, false, summarize_zh},
                                              {"trec", 64, true, true, true, by_example},
                                              {"triviaqa", 32, true, true, true, by_example},
                                              {"samsum", 128, true, true, true, by_example},
                                              {"lsht", 64, true, true, false, by_example_zh},
                                              {"passage_count", 32, false, false, true, count},
                                              {"passage_retrieval_en", 32, false, false, true, retrieve},
                                              {"passage_retrieval_zh", 32, false, false, false, retrieve_zh},
                                              {"lcc", 64, true, false, true, complete},
                                              {"repobench-p", 64, true, false, true, complete}}};
constexpr std::array<std::string_view, 2> names = {"context", "input"};

/// -E reports by words of the text: below 4000, below 8000, the rest.
std::string_view bucket_of(std::uint64_t words) { return words < 4000 ? "0-4k" : words < 8000 ? "4-8k" : "8k+"; }

Result<std::vector<DatasetQuestion>> read_record(const JsonFields& record) {
  DatasetQuestion question;
  TOME_ASSIGN(question.context, required_text(record, "context"));
  TOME_ASSIGN(std::string input, required_text(record, "input"));
  question.values.emplace_back("input", std::move(input));
  TOME_ASSIGN(question.gold.answers, required_answers(record, "answers"));
  TOME_ASSIGN(question.gold.all_classes, optional_texts(record, "all_classes"));
  TOME_ASSIGN(const auto id, record.text("_id"));
  TOME_ASSIGN(const auto length, record.unsigned_number("length"));
  TOME_ASSIGN(const auto language, record.text("language"));
  if (id) question.facts["_id"] = *id;
  if (length) question.facts["length"] = *length;
  if (length) question.facts["bucket"] = bucket_of(*length);
  if (language) question.facts["language"] = *language;
  std::vector<DatasetQuestion> questions;
  questions.push_back(std::move(question));
  return questions;
}

struct Asked {
  const TaskFacts* facts;
  bool e;
};

/// "hotpotqa", "hotpotqa_e", "e" for all of -E, nothing for all of v1.
Result<std::vector<Asked>> asked_tasks(const std::vector<std::string>& wanted) {
  std::vector<Asked> result;
  const auto add = [&](const TaskFacts& task, bool e) {
    const auto same = [&](const Asked& one) { return one.facts == &task && one.e == e; };
    if (std::none_of(result.begin(), result.end(), same)) result.push_back({&task, e});
  };
  if (wanted.empty())
    for (const TaskFacts& task : tasks) add(task, false);
  for (const std::string& name : wanted) {
    if (name == "e") {
      for (const TaskFacts& task : tasks)
        if (task.in_e) add(task, true);
      continue;
    }
    const bool e = name.ends_with("_e");
    const std::string_view base = std::string_view(name).substr(0, name.size() - (e ? 2 : 0));
    const auto found = std::find_if(tasks.begin(), tasks.end(),
                                    [&](const TaskFacts& task) { return task.name == base && (!e || task.in_e); });
    if (found == tasks.end()) {
      std::string known;
      for (const TaskFacts& task : tasks) known += fmt::format("{}, ", task.name);
      return fail(ErrorKind::usage, "[eval] longbench: no task '{}', expected {}or with _e, or e for all of -E", name,
                  known);
    }
    add(*found, e);
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<SampleSource>> make_longbench_source(const SampleOptions& options, BadRecords bad_records) {
  TOME_ASSIGN(const Wordings wordings, Wordings::load(options.prompts));
  TOME_ASSIGN(const std::vector<Asked> asked, asked_tasks(options.tasks));
  if (std::any_of(asked.begin(), asked.end(), [&](const Asked& one) { return one.e != asked[0].e; }))
    return fail(ErrorKind::usage, "[eval] longbench: tasks of v1 and of -E, expected those of one in a run");
  const bool must_be_there = !options.tasks.empty() && options.tasks[0] != "e";
  std::vector<DatasetTask> found;
  std::string missing;
  for (const auto& [facts, e] : asked) {
    const std::string name = fmt::format("{}{}", facts->name, e ? "_e" : "");
    const std::string file = find_data_file(options.data, {name + ".jsonl"}, asked.size() == 1);
    if (file.empty()) {
      if (must_be_there) return no_data_file("longbench", name + ".jsonl in it", options.data);
      missing += fmt::format("{}{}", missing.empty() ? "" : ", ", name);
      continue;
    }
    DatasetTask task{.name = name,
                     .scored_as = std::string(facts->name),
                     .file = file,
                     .max_new_tokens = facts->max_new_tokens,
                     .first_line_only = facts->first_line,
                     .framing = facts->plain ? PromptFraming::plain : PromptFraming::model,
                     .cut = MiddleCut::equal_halves,
                     .read = read_record};
    TOME_ASSIGN(task.wording, wordings.of(std::string(facts->name), facts->words.user, facts->words.opening, names));
    task.wording_source = wordings.source(task.wording);
    found.push_back(std::move(task));
  }
  if (found.empty()) return no_data_file("longbench", "{task}.jsonl (narrativeqa.jsonl, qasper.jsonl …)", options.data);
  std::vector<std::string> notices;
  if (!missing.empty()) notices.push_back(fmt::format("longbench: not asked, no file for them: {}", missing));
  return make_dataset_source(std::move(found), options, bad_records, std::move(notices));
}

}  // namespace tome
