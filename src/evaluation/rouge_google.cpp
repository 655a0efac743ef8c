#include "evaluation/rouge_google.h"

#include <map>
#include <set>
#include <vector>

#include "evaluation/longest_common_subsequence.h"

namespace tome {
namespace {

using python::Text;
using python::TextView;
using Sentence = std::vector<std::uint32_t>;

Sentence words_of(TextView text, WordNumbers& numbers) {
  Sentence words;
  Text word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(numbers.number(word));
    word.clear();
  };
  for (const char32_t character : python::lower(text)) {
    const bool kept = (character >= U'a' && character <= U'z') || (character >= U'0' && character <= U'9');
    if (kept)
      word += character;
    else
      finish();
  }
  finish();
  return words;
}

std::vector<Sentence> lines_of(TextView text, WordNumbers& numbers) {
  std::vector<Sentence> lines;
  for (const Text& line : python::split(text, U'\n'))
    if (!line.empty()) lines.push_back(words_of(line, numbers));
  return lines;
}

double f_measure(double precision, double recall) {
  return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0.0;
}

double ratio(std::size_t part, std::size_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

using Counts = std::map<std::uint32_t, std::size_t>;

std::size_t count_words(const std::vector<Sentence>& sentences, Counts& counts) {
  std::size_t total = 0;
  for (const Sentence& sentence : sentences) {
    for (const std::uint32_t word : sentence) ++counts[word];
    total += sentence.size();
  }
  return total;
}

}  // namespace

double rouge_n(TextView prediction, TextView gold, std::size_t n) {
  WordNumbers numbers;
  const auto grams = [&](const Sentence& words) {
    std::map<Sentence, std::size_t> counts;
    for (std::size_t at = 0; at + n <= words.size(); ++at)
      ++counts[Sentence(words.begin() + static_cast<std::ptrdiff_t>(at),
                        words.begin() + static_cast<std::ptrdiff_t>(at + n))];
    return counts;
  };
  const Sentence predicted = words_of(prediction, numbers), wanted = words_of(gold, numbers);
  const auto predicted_grams = grams(predicted), wanted_grams = grams(wanted);
  std::size_t same = 0;
  for (const auto& [gram, count] : wanted_grams)
    if (const auto found = predicted_grams.find(gram); found != predicted_grams.end())
      same += std::min(count, found->second);
  const auto total = [&](const Sentence& words) { return words.size() >= n ? words.size() - n + 1 : 1; };
  return f_measure(ratio(same, total(predicted)), ratio(same, total(wanted)));
}

Result<double> rouge_l_whole(TextView prediction, TextView gold) {
  WordNumbers numbers;
  const Sentence predicted = words_of(prediction, numbers), wanted = words_of(gold, numbers);
  if (predicted.empty() || wanted.empty()) return 0.0;
  TOME_ASSIGN(const std::size_t length, common_subsequence_length(wanted, predicted));
  return f_measure(ratio(length, predicted.size()), ratio(length, wanted.size()));
}

Result<double> rouge_l_sum(TextView prediction, TextView gold) {
  WordNumbers numbers;
  const std::vector<Sentence> predicted = lines_of(prediction, numbers), wanted = lines_of(gold, numbers);
  Counts predicted_left, wanted_left;
  const std::size_t predicted_words = count_words(predicted, predicted_left);
  const std::size_t wanted_words = count_words(wanted, wanted_left);
  if (predicted_words == 0 || wanted_words == 0) return 0.0;
  std::size_t hits = 0;
  for (const Sentence& reference : wanted) {
    std::set<std::size_t> places;
    for (const Sentence& sentence : predicted) {
      TOME_ASSIGN(const CommonSubsequence found,
                  common_subsequence(reference, sentence, Backtrack::row_unless_column_is_longer));
      places.insert(found.rows.begin(), found.rows.end());
    }
    for (const std::size_t place : places) {
      std::size_t& in_prediction = predicted_left[reference[place]];
      std::size_t& in_gold = wanted_left[reference[place]];
      if (in_prediction == 0 || in_gold == 0) continue;
      --in_prediction;
      --in_gold;
      ++hits;
    }
  }
  return f_measure(ratio(hits, predicted_words), ratio(hits, wanted_words));
}

}  // namespace tome
