#pragma once
// jieba's segmentation of Chinese: the most probable path through the words of a dictionary, and a hidden Markov model
// over B, M, E, S (begin, middle, end, single) for runs of single characters that are no word. The dictionary and the
// model are jieba's own files and optional: without them every Chinese character is a word of its own, and the Chinese
// scores of LongBench are not the official ones.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "evaluation/python_text.h"

namespace tome {

/// Words with frequencies; a tree over characters. Immutable after loading; any thread.
class ChineseDictionary {
 public:
  /// Lines "word frequency [class]". Errors: io; format, naming the line.
  static Result<ChineseDictionary> load(const std::string& path);
  static constexpr std::uint32_t none = 0xffffffff;
  static constexpr std::uint32_t root = 0;
  std::uint32_t child(std::uint32_t node, char32_t character) const;
  std::uint64_t frequency(std::uint32_t node) const { return frequencies_[node]; }
  std::uint64_t frequency(python::TextView word) const;
  std::uint64_t total() const { return total_; }

 private:
  std::unordered_map<std::uint64_t, std::uint32_t> children_;  ///< node · 2²¹ + character
  std::vector<std::uint64_t> frequencies_ = {0};
  std::uint64_t total_ = 0;
};

/// Natural logarithms; states in the order B, E, M, S, which is also that of ties.
struct ChineseModel {
  /// Reads finalseg/prob_start.py, prob_trans.py and prob_emit.py of jieba. Errors: io, format.
  static Result<ChineseModel> load(const std::string& folder);
  std::array<double, 4> start{};
  std::array<std::array<double, 4>, 4> transition{};  ///< [from, to]
  std::array<std::unordered_map<char32_t, double>, 4> emission;
};

struct ChineseSegmenter {
  std::shared_ptr<const ChineseDictionary> dictionary;
  std::shared_ptr<const ChineseModel> model;
  /// jieba.cut(text): without a model HMM=False, without a dictionary single characters.
  std::vector<python::Text> cut(python::TextView text) const;
};

/// A dictionary file, or the folder of jieba's package (dict.txt, and finalseg/ when it is there).
Result<ChineseSegmenter> load_chinese_segmenter(const std::string& path);

/// The one that the scorers use; set before scoring begins (not thread-safe against scoring). Empty at first.
void use_chinese_segmenter(ChineseSegmenter segmenter);
/// What is lost with the one in use; empty when it is all there.
std::string chinese_segmenter_notice();
std::vector<python::Text> chinese_words(python::TextView text);

}  // namespace tome
