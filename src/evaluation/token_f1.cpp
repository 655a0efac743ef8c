#include "evaluation/token_f1.h"

#include <unordered_map>

#include "evaluation/chinese_words.h"
#include "evaluation/text_normal.h"

namespace tome {
namespace {

using python::Text;
using python::TextView;

std::vector<Text> normal_chinese_words(TextView text) {
  std::vector<Text> words;
  for (const Text& word : chinese_words(text)) {
    Text normal = normal_chinese(word);
    if (!normal.empty()) words.push_back(std::move(normal));
  }
  return words;
}

std::vector<Text> normal_characters(TextView text) {
  std::vector<Text> characters;
  for (const char32_t character : normal_chinese(text)) characters.emplace_back(1, character);
  return characters;
}

}  // namespace

double token_f1(const std::vector<Text>& prediction, const std::vector<Text>& gold) {
  std::unordered_map<Text, std::size_t> left;
  for (const Text& token : gold) ++left[token];
  std::size_t same = 0;
  for (const Text& token : prediction) {
    const auto found = left.find(token);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++same;
  }
  if (same == 0) return 0;
  const double precision = static_cast<double>(same) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(same) / static_cast<double>(gold.size());
  return (2 * precision * recall) / (precision + recall);
}

double english_f1(TextView prediction, TextView gold) { return token_f1(normal_words(prediction), normal_words(gold)); }

double chinese_word_f1(TextView prediction, TextView gold) {
  return token_f1(normal_chinese_words(prediction), normal_chinese_words(gold));
}

double chinese_character_f1(TextView prediction, TextView gold) {
  return token_f1(normal_characters(prediction), normal_characters(gold));
}

}  // namespace tome
