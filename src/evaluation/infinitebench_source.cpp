// InfiniteBench (Zhang et al. 2024, arXiv 2402.13718): 12 tasks of 100K tokens and more.
#include <algorithm>
#include <array>

#include "evaluation/dataset_sources.h"

namespace tome {
namespace {

struct TaskFacts {
  std::string_view name;
  std::uint64_t max_new_tokens;
  bool choices;  ///< has four options
  std::string_view user, opening;
};

constexpr std::string_view four = "\n(A) {OPTION_A}\n(B) {OPTION_B}\n(C) {OPTION_C}\n(D) {OPTION_D}";

constexpr std::array<TaskFacts, 12> tasks = {{
    {"passkey", 6, false, "A pass key stands somewhere in the text below. Remember it.\n\n{context}\n\n{input}",
     "The pass key is"},
    {"number_string", 12, false,
     "A sequence of digits stands somewhere in the text below. Remember it.\n\n{context}\n\n{input}",
     "The sequence of digits is"},
    {"kv_retrieval", 50, false, "Look up a value in the JSON object below.\n\n{context}\n\n{input}", ""},
    {"longbook_sum_eng", 1200, false, "Write a summary of the book below.\n\n{context}", "Summary:"},
    {"longbook_choice_eng", 40, true,
     "Read the book and answer the question with one of the four choices. Reply with its letter only.\n\n{context}\n\n"
     "Question: {question}",
     "The letter of the right choice is"},
    {"longbook_qa_eng", 40, false,
     "Read the book and answer the question in as few words as you can.\n\n{context}\n\nQuestion: {question}",
     "Answer:"},
    {"longbook_qa_chn", 40, false, "阅读下面的书，并用尽量少的字回答问题。\n\n{context}\n\n问题：{question}", "答案："},
    {"longdialogue_qa_eng", 40, false,
     "In the script below one name of a character has been replaced by \"$$MASK$$\". Say whose name it is, and nothing "
     "else.\n\n{context}",
     "The name is"},
    {"math_find", 3, false, "{input}\n\n{context}\n\n{input}", "Answer:"},
    {"math_calc", 30000, false,
     "Calculate the expression step by step. Write the value after every operation, as a list of numbers.\n\n{context}",
     "Values:"},
    {"code_run", 5, false,
     "The file below defines many functions. Work out what a call of one of them returns.\n\n{context}\n\n{input}",
     "The return value is:"},
    {"code_debug", 5, true,
     "One function in the program below has a mistake put in on purpose. Which? Reply with the letter only.\n\n"
     "{context}\n",
     "The letter of the function is"},
}};
constexpr std::array<std::string_view, 7> names = {"context",  "input",    "question", "OPTION_A",
                                                   "OPTION_B", "OPTION_C", "OPTION_D"};

Result<std::vector<DatasetQuestion>> read_record(const TaskFacts& task, const JsonFields& record) {
  DatasetQuestion question;
  TOME_ASSIGN(question.context, required_text(record, "context"));
  TOME_ASSIGN(const auto input, record.text("input"));
  question.values = {{"input", input.value_or("")}, {"question", input.value_or("")}};
  TOME_ASSIGN(question.gold.answers, required_answers(record, "answer"));
  TOME_ASSIGN(question.gold.options, optional_texts(record, "options"));
  if (task.choices && question.gold.options.size() != 4)
    return fail(ErrorKind::format, "{}: 'options' has {} entries, expected 4", record.where(),
                question.gold.options.size());
  for (std::size_t option = 0; task.choices && option < 4; ++option)
    question.values.emplace_back(names[3 + option], question.gold.options[option]);
  if (const Json* id = record.find("id")) question.facts["id"] = *id;
  std::vector<DatasetQuestion> questions;
  questions.push_back(std::move(question));
  return questions;
}

Result<std::vector<const TaskFacts*>> asked_tasks(const std::vector<std::string>& wanted) {
  std::vector<const TaskFacts*> result;
  if (wanted.empty())
    for (const TaskFacts& task : tasks) result.push_back(&task);
  for (const std::string& name : wanted) {
    const auto found = std::find_if(tasks.begin(), tasks.end(), [&](const TaskFacts& one) { return one.name == name; });
    if (found == tasks.end()) {
      std::string known;
      for (const TaskFacts& task : tasks) known += fmt::format("{}{}", known.empty() ? "" : ", ", task.name);
      return fail(ErrorKind::usage, "[eval] infinitebench: no task '{}', expected {}", name, known);
    }
    result.push_back(&*found);
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<SampleSource>> make_infinitebench_source(const SampleOptions& options, BadRecords bad_records) {
  TOME_ASSIGN(const Wordings wordings, Wordings::load(options.prompts));
  TOME_ASSIGN(const std::vector<const TaskFacts*> asked, asked_tasks(without_repeats(options.tasks)));
  std::vector<DatasetTask> found;
  std::string missing;
  for (const TaskFacts* facts : asked) {
    const std::string name(facts->name);
    const std::string file = find_data_file(options.data, {name + ".jsonl"}, asked.size() == 1);
    if (file.empty()) {
      if (!options.tasks.empty()) return no_data_file("infinitebench", name + ".jsonl in it", options.data);
      missing += fmt::format("{}{}", missing.empty() ? "" : ", ", name);
      continue;
    }
    DatasetTask task{
        .name = name, .file = file, .max_new_tokens = facts->max_new_tokens, .read = [facts](const JsonFields& record) {
          return read_record(*facts, record);
        }};
    const std::string user = std::string(facts->user) + std::string(facts->choices ? four : "");
    TOME_ASSIGN(task.wording, wordings.of(name, user, facts->opening, names));
    task.wording_source = wordings.source(task.wording);
    found.push_back(std::move(task));
  }
  if (found.empty())
    return no_data_file("infinitebench", "{task}.jsonl (passkey.jsonl, kv_retrieval.jsonl …)", options.data);
  std::vector<std::string> notices;
  if (!missing.empty()) notices.push_back(fmt::format("infinitebench: not asked, no file for them: {}", missing));
  return make_dataset_source(std::move(found), options, bad_records, std::move(notices));
}

}  // namespace tome
