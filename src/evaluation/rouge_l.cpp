#include "evaluation/rouge_l.h"

#include <set>
#include <unordered_set>
#include <vector>

#include "evaluation/chinese_words.h"
#include "evaluation/longest_common_subsequence.h"

namespace tome {
namespace {

using python::Text;
using python::TextView;
using Sentence = std::vector<std::uint32_t>;

/// A piece of white space only is kept, as one empty word.
std::vector<Sentence> sentences(TextView text, WordNumbers& numbers) {
  std::vector<Sentence> list;
  for (const Text& piece : python::split(text, U'.'))
    if (!piece.empty()) list.push_back(numbers.numbers(python::split(python::single_spaced(piece), U' ')));
  return list;
}

std::size_t different_words(const std::vector<Sentence>& list) {
  std::unordered_set<std::uint32_t> words;
  for (const Sentence& sentence : list) words.insert(sentence.begin(), sentence.end());
  return words.size();
}

Text joined_words(TextView text) {
  Text joined;
  bool first = true;
  for (const Text& word : chinese_words(text)) {
    if (!first) joined += U' ';
    first = false;
    joined += word;
  }
  return joined;
}

}  // namespace

Result<double> rouge_l(TextView prediction, TextView gold, std::size_t most_steps) {
  WordNumbers numbers;
  const std::vector<Sentence> predicted = sentences(prediction, numbers), wanted = sentences(gold, numbers);
  if (predicted.empty() || wanted.empty()) return 0.0;
  std::unordered_set<std::uint32_t> common;
  for (const Sentence& reference : wanted) {
    for (const Sentence& sentence : predicted) {
      TOME_ASSIGN(const CommonSubsequence found,
                  common_subsequence(reference, sentence, Backtrack::column_unless_row_is_longer));
      if (found.steps > most_steps) return 0.0;
      for (const std::size_t row : found.rows) common.insert(reference[row]);
    }
  }
  const auto overlap = static_cast<double>(common.size());
  const double recall = overlap / static_cast<double>(different_words(wanted));
  const double precision = overlap / static_cast<double>(different_words(predicted));
  return 2.0 * ((precision * recall) / (precision + recall + 1e-8));
}

Result<double> chinese_rouge_l(TextView prediction, TextView gold) {
  return rouge_l(joined_words(prediction), joined_words(gold), rouge_l_most_steps_chinese);
}

}  // namespace tome
