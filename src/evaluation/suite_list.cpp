#include "evaluation/suite_list.h"

#include <algorithm>
#include <array>

#include "evaluation/ruler_tasks.h"

namespace tome {
namespace {

constexpr std::array<SuiteFacts, 11> suites = {{
    {Suite::niah, "facts hidden in a text: a grid of lengths × depths", "--lengths, --depths; --haystack FILE…",
     "made here; without --haystack the text too", ""},
    {Suite::ruler, "RULER's 13 synthetic tasks",
     "--lengths; --haystack FILE…; --data FOLDER (squad.json, hotpotqa.json)",
     "made here; without --haystack prose, without --data the facts of qa_1 and qa_2 too. squad.json: SQuAD v2's dev "
     "file, hotpotqa.json: HotpotQA's dev file, distractor setting",
     ""},
    {Suite::longbench, "LongBench v1, 21 tasks in English and Chinese, and -E",
     "--data FOLDER: {task}.jsonl, {task}_e.jsonl (input, context, answers, all_classes, length, _id)",
     "the benchmark's data.zip, unpacked; --data hf:datasets/THUDM/LongBench fetches and unpacks it",
     "THUDM/LongBench"},
    {Suite::longbench_v2, "503 questions with four choices about long texts",
     "--data FILE or FOLDER: data.json (context, question, choice_A … choice_D, answer)",
     "the benchmark's data.json; --data hf:datasets/THUDM/LongBench-v2 fetches it", "THUDM/LongBench-v2"},
    {Suite::infinitebench, "12 tasks of 100K tokens and more",
     "--data FOLDER: {task}.jsonl (id, context, input, answer, options)",
     "the benchmark's files; --data hf:datasets/xinrongzhang2022/InfiniteBench fetches those of the tasks",
     "xinrongzhang2022/InfiniteBench"},
    {Suite::bookqa, "questions about whole books",
     "--data FILE: a line a question (document or file, question, answers)",
     "NarrativeQA as JSON lines, or questions of your own about books of your own", "deepmind/narrativeqa"},
    {Suite::govreport, "summaries of government reports", "--data FILE: a line a report (report, summary)",
     "GovReport as JSON lines", "ccdv/govreport-summarization"},
    {Suite::qmsum, "summaries of meetings for a query",
     "--data FILE: a line a meeting (meeting_transcripts, general_query_list, specific_query_list)",
     "QMSum's ALL/jsonl/test.jsonl", ""},
    {Suite::kv_retrieval, "a value by its key out of a long JSON object",
     "--data FILE, unpacked: a line an object (ordered_kv_records, key, value); --depths moves the key",
     "the key-value files of Lost in the Middle", ""},
    {Suite::perplexity, "of a text: disjoint, sliding, by position, gain of the long context",
     "--lengths; --data FILE…", "any text", ""},
    {Suite::cue, "context utilization efficiency: facts found against facts given",
     "--lengths, --depths; --haystack FILE…", "made here; without --haystack the text too", ""},
}};

constexpr std::string_view longbench_tasks =
    "narrativeqa qasper multifieldqa_en multifieldqa_zh hotpotqa 2wikimqa musique dureader gov_report qmsum multi_news "
    "vcsum trec triviaqa samsum lsht passage_count passage_retrieval_en passage_retrieval_zh lcc repobench-p qasper_e "
    "multifieldqa_en_e hotpotqa_e 2wikimqa_e gov_report_e multi_news_e trec_e triviaqa_e samsum_e passage_count_e "
    "passage_retrieval_en_e lcc_e repobench-p_e";
constexpr std::string_view infinitebench_tasks =
    "passkey number_string kv_retrieval longbook_sum_eng longbook_choice_eng longbook_qa_eng longbook_qa_chn "
    "longdialogue_qa_eng math_find math_calc code_run code_debug";

std::vector<std::string> split(std::string_view names) {
  std::vector<std::string> result;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find(' ', at), names.size());
    result.emplace_back(names.substr(at, end - at));
    at = end + 1;
  }
  return result;
}

}  // namespace

std::span<const SuiteFacts> suite_list() { return suites; }

std::vector<std::string> suite_tasks(Suite suite) {
  if (suite == Suite::longbench) return split(longbench_tasks);
  if (suite == Suite::infinitebench) return split(infinitebench_tasks);
  std::vector<std::string> names;
  if (suite == Suite::ruler)
    for (const RulerTask& task : ruler_tasks()) names.emplace_back(task.name);
  return names;
}

std::vector<std::string> suite_files(Suite suite, const std::vector<std::string>& tasks) {
  if (suite == Suite::longbench_v2) return {"data.json", "data.jsonl"};
  const auto is_asked = [&](std::string_view name) {
    return tasks.empty() || std::find(tasks.begin(), tasks.end(), name) != tasks.end();
  };
  std::vector<std::string> files;
  if (suite == Suite::ruler) {
    if (is_asked("qa_1")) files.push_back("squad.json");
    if (is_asked("qa_2")) files.push_back("hotpotqa.json");
    return files;
  }
  if (suite != Suite::longbench && suite != Suite::infinitebench) return files;
  for (const std::string& task : suite_tasks(suite)) {
    const bool e = suite == Suite::longbench && task.ends_with("_e");
    const auto asked = [&](const std::string& name) { return name == task || (e && name == "e"); };
    // Without --task LongBench asks the tasks of v1.
    if (tasks.empty() ? !e : std::any_of(tasks.begin(), tasks.end(), asked)) files.push_back(task + ".jsonl");
  }
  return files;
}

}  // namespace tome
