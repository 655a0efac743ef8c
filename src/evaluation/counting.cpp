#include "evaluation/counting.h"

namespace tome {

using python::Text;
using python::TextView;

double share_of_number(TextView prediction, TextView number) {
  const std::vector<Text> runs = python::digit_runs(prediction);
  if (runs.empty()) return 0;
  std::size_t right = 0;
  for (const Text& run : runs) right += run == number ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(runs.size());
}

Result<double> retrieval_score(TextView prediction, TextView gold, TextView prefix) {
  for (std::size_t at = gold.find(prefix); at != TextView::npos; at = gold.find(prefix, at + 1)) {
    const std::size_t begin = at + prefix.size();
    std::size_t end = begin;
    while (end < gold.size() && python::is_digit(gold[end])) ++end;
    if (end > begin) return share_of_number(prediction, gold.substr(begin, end - begin));
  }
  return fail(ErrorKind::format, "answers: found '{}', expected '{}' and a number", python::encode(gold.substr(0, 60)),
              python::encode(prefix));
}

}  // namespace tome
