#include "evaluation/longbench_scores.h"

#include <algorithm>
#include <array>

#include "evaluation/classification.h"
#include "evaluation/counting.h"
#include "evaluation/rouge_l.h"
#include "evaluation/token_f1.h"

namespace tome {
namespace {

using python::Text;
using python::TextView;

enum class Metric {
  english_f1,
  chinese_f1,
  rouge,
  chinese_rouge,
  classification,
  retrieval,
  chinese_retrieval,
  count,
  code,
};

struct Task {
  std::string_view name;
  Metric metric;
};

constexpr std::array tasks = {Task{"narrativeqa", Metric::english_f1},
                              Task{"qasper", Metric::english_f1},
                              Task{"multifieldqa_en", Metric::english_f1},
                              Task{"multifieldqa_zh", Metric::chinese_f1},
                              Task{"hotpotqa", Metric::english_f1},
                              Task{"2wikimqa", Metric::english_f1},
                              Task{"musique", Metric::english_f1},
                              Task{"dureader", Metric::chinese_rouge},
                              Task{"gov_report", Metric::rouge},
                              Task{"qmsum", Metric::rouge},
                              Task{"multi_news", Metric::rouge},
                              Task{"vcsum", Metric::chinese_rouge},
                              Task{"trec", Metric::classification},
                              Task{"triviaqa", Metric::english_f1},
                              Task{"samsum", Metric::rouge},
                              Task{"lsht", Metric::classification},
                              Task{"passage_count", Metric::count},
                              Task{"passage_retrieval_en", Metric::retrieval},
                              Task{"passage_retrieval_zh", Metric::chinese_retrieval},
                              Task{"lcc", Metric::code},
                              Task{"repobench-p", Metric::code}};

const Task* find_task(std::string_view name) {
  const auto found = std::find_if(tasks.begin(), tasks.end(), [&](const Task& task) { return task.name == name; });
  return found == tasks.end() ? nullptr : &*found;
}

Text first_line(TextView text) {
  while (!text.empty() && text.front() == U'\n') text.remove_prefix(1);
  return Text(text.substr(0, text.find(U'\n')));
}

Result<double> score_one(Metric metric, TextView prediction, TextView gold, const Gold& whole, StringRatio ratio) {
  switch (metric) {
    case Metric::english_f1:
      return english_f1(prediction, gold);
    case Metric::chinese_f1:
      return chinese_word_f1(prediction, gold);
    case Metric::rouge:
      return rouge_l(prediction, gold);
    case Metric::chinese_rouge:
      return chinese_rouge_l(prediction, gold);
    case Metric::classification:
      return classification_score(prediction, gold, whole.all_classes);
    case Metric::retrieval:
      return retrieval_score(prediction, gold, U"Paragraph ");
    case Metric::chinese_retrieval:
      return retrieval_score(prediction, gold, U"段落");
    case Metric::count:
      return share_of_number(prediction, gold);
    case Metric::code:
      return code_similarity(prediction, gold, ratio);
  }
  return 0.0;
}

}  // namespace

std::span<const std::string_view> longbench_tasks() {
  static const auto names = [] {
    std::array<std::string_view, tasks.size()> list;
    std::transform(tasks.begin(), tasks.end(), list.begin(), [](const Task& task) { return task.name; });
    return list;
  }();
  return names;
}

bool is_longbench_task(std::string_view task) { return find_task(task) != nullptr; }

bool longbench_first_line_only(std::string_view task) {
  return task == "trec" || task == "triviaqa" || task == "samsum" || task == "lsht";
}

bool longbench_needs_segmenter(std::string_view task) {
  const Task* found = find_task(task);
  return found != nullptr && (found->metric == Metric::chinese_f1 || found->metric == Metric::chinese_rouge);
}

Result<double> longbench_score(std::string_view task, std::string_view prediction, const Gold& gold,
                               StringRatio ratio) {
  const Task* found = find_task(task);
  if (found == nullptr) return fail(ErrorKind::usage, "[scorers] longbench task '{}', expected one of its 21", task);
  Text text = python::decode(prediction);
  if (longbench_first_line_only(task)) text = first_line(text);
  double best = 0;
  for (const std::string& answer : gold.answers) {
    TOME_ASSIGN(const double one, score_one(found->metric, text, python::decode(answer), gold, ratio));
    best = std::max(best, one);
  }
  return best;
}

}  // namespace tome
