#include "runtime/bm25.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace tome {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool upper = byte >= 'A' && byte <= 'Z';
    if (upper || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte >= 128) {
      word += upper ? static_cast<char>(byte - 'A' + 'a') : c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace

std::vector<double> bm25_scores(const std::vector<std::string_view>& passages, std::string_view question,
                                const Bm25Options& options) {
  const std::vector<std::string> asked = words_of(question);
  const std::unordered_set<std::string> terms(asked.begin(), asked.end());
  std::vector<std::map<std::string, double>> counts(passages.size());
  std::vector<double> lengths(passages.size());
  std::unordered_map<std::string, double> holding;  // passages that hold a term
  double total = 0;
  for (std::size_t index = 0; index < passages.size(); ++index) {
    for (std::string& word : words_of(passages[index])) {
      ++lengths[index];
      if (terms.contains(word) && ++counts[index][word] == 1) ++holding[word];
    }
    total += lengths[index];
  }
  const double mean = passages.empty() ? 1.0 : std::max(1.0, total / static_cast<double>(passages.size()));
  std::vector<double> scores(passages.size(), 0.0);
  for (std::size_t index = 0; index < passages.size(); ++index)
    for (const auto& [word, count] : counts[index]) {
      const double n = holding[word];
      const double idf = std::log(1.0 + (static_cast<double>(passages.size()) - n + 0.5) / (n + 0.5));
      const double norm = options.k1 * (1.0 - options.b + options.b * lengths[index] / mean);
      scores[index] += idf * count * (options.k1 + 1.0) / (count + norm);
    }
  return scores;
}

}  // namespace tome
