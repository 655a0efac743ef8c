// Lines of prediction files through the parser and the scorer of a task: the first byte says which. Scores are shares.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "evaluation/prediction_files.h"
#include "evaluation/scoring_options.h"
#include "message_sink.h"

namespace {

struct Target {
  tome::Suite suite;
  const char* task;
};

constexpr Target targets[] = {
    {tome::Suite::longbench, "hotpotqa"},
    {tome::Suite::longbench, "multifieldqa_zh"},
    {tome::Suite::longbench, "gov_report"},
    {tome::Suite::longbench, "vcsum"},
    {tome::Suite::longbench, "trec"},
    {tome::Suite::longbench, "passage_retrieval_en"},
    {tome::Suite::longbench, "passage_count"},
    {tome::Suite::longbench, "lcc"},
    {tome::Suite::longbench_v2, ""},
    {tome::Suite::infinitebench, "passkey"},
    {tome::Suite::infinitebench, "kv_retrieval"},
    {tome::Suite::infinitebench, "longbook_sum_eng"},
    {tome::Suite::infinitebench, "longbook_choice_eng"},
    {tome::Suite::infinitebench, "longbook_qa_chn"},
    {tome::Suite::infinitebench, "longdialogue_qa_eng"},
    {tome::Suite::infinitebench, "math_find"},
    {tome::Suite::infinitebench, "math_calc"},
    {tome::Suite::infinitebench, "code_run"},
    {tome::Suite::infinitebench, "code_debug"},
    {tome::Suite::ruler, "vt"},
    {tome::Suite::ruler, "qa_1"},
    {tome::Suite::kv_retrieval, ""},
    {tome::Suite::niah, ""},
    {tome::Suite::bookqa, ""},
    {tome::Suite::longbench, ""},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Target& target = targets[data[0] % std::size(targets)];
  const std::string_view line(reinterpret_cast<const char*>(data + 1), size - 1);
  const tome::PredictionOptions reading{
      .suite = target.suite, .task = target.task, .need_length = (data[0] & 0x80) != 0};
  const auto prediction = tome::parse_prediction(line, reading);
  tome::fuzz::tell(prediction);
  if (!prediction) return 0;
  for (const auto rules : {tome::InfiniteBenchRules::cascades, tome::InfiniteBenchRules::last_letter}) {
    tome::ScoringOptions options;
    options.infinitebench.rules = rules;
    const auto score =
        tome::score_prediction(target.suite, prediction->task, prediction->text, prediction->gold, options);
    tome::fuzz::tell(score);
    CHECK(!score || (*score >= 0 && *score <= 1));
  }
  return 0;
}
