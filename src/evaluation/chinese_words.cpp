#include "evaluation/chinese_words.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tome {
namespace {

using python::Text;
using python::TextView;

constexpr double kImpossible = -3.14e100;
enum State : std::size_t { B, E, M, S };
/// What may come before each state, the smaller letter first (ties go to the later one).
constexpr std::array<std::array<State, 2>, 4> before = {{{E, S}, {B, M}, {B, M}, {E, S}}};

bool is_han(char32_t character) { return character >= 0x4e00 && character <= 0x9fd5; }

bool is_ascii_alphanumeric(char32_t character) {
  return (character >= U'a' && character <= U'z') || (character >= U'A' && character <= U'Z') ||
         (character >= U'0' && character <= U'9');
}

/// [\u4E00-\u9FD5a-zA-Z0-9+#&._%-]: what is looked up in the dictionary.
bool is_block_character(char32_t character) {
  return is_han(character) || is_ascii_alphanumeric(character) ||
         TextView(U"+#&._%-").find(character) != TextView::npos;
}

/// The end of the most probable word from each place: max of (log f − log total + rest, end).
std::vector<std::size_t> best_ends(TextView block, const ChineseDictionary& dictionary) {
  const double log_total = std::log(static_cast<double>(dictionary.total()));
  std::vector<double> value(block.size() + 1, 0.0);
  std::vector<std::size_t> ends(block.size());
  for (std::size_t begin = block.size(); begin-- > 0;) {
    bool found = false;
    const auto offer = [&](std::size_t end, std::uint64_t frequency) {
      const double one = std::log(static_cast<double>(std::max<std::uint64_t>(frequency, 1))) - log_total + value[end];
      if (!found || one >= value[begin]) {
        value[begin] = one;
        ends[begin] = end;
      }
      found = true;
    };
    std::uint32_t node = ChineseDictionary::root;
    for (std::size_t end = begin; end < block.size(); ++end) {
      node = dictionary.child(node, block[end]);
      if (node == ChineseDictionary::none) break;
      if (dictionary.frequency(node) > 0) offer(end + 1, dictionary.frequency(node));
    }
    if (!found) offer(begin + 1, 0);
  }
  return ends;
}

double probability(const std::unordered_map<char32_t, double>& emission, char32_t character) {
  const auto found = emission.find(character);
  return found == emission.end() ? kImpossible : found->second;
}

/// Viterbi over Chinese characters; the last is E or S.
std::vector<State> best_states(TextView text, const ChineseModel& model) {
  std::vector<std::array<double, 4>> value(text.size());
  std::vector<std::array<State, 4>> from(text.size());
  for (std::size_t state = 0; state < 4; ++state)
    value[0][state] = model.start[state] + probability(model.emission[state], text[0]);
  for (std::size_t at = 1; at < text.size(); ++at) {
    for (std::size_t state = 0; state < 4; ++state) {
      const double emitted = probability(model.emission[state], text[at]);
      const auto through = [&](State previous) {
        return value[at - 1][previous] + model.transition[previous][state] + emitted;
      };
      const auto [first, second] = before[state];
      from[at][state] = through(second) >= through(first) ? second : first;
      value[at][state] = through(from[at][state]);
    }
  }
  std::vector<State> states(text.size());
  states.back() = value.back()[S] >= value.back()[E] ? S : E;
  for (std::size_t at = text.size() - 1; at > 0; --at) states[at - 1] = from[at][states[at]];
  return states;
}

void cut_by_model(TextView text, const ChineseModel& model, std::vector<Text>& words) {
  const std::vector<State> states = best_states(text, model);
  std::size_t begin = 0, next = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (states[at] == B) begin = at;
    if (states[at] == E) words.emplace_back(text.substr(begin, at + 1 - begin));
    if (states[at] == S) words.emplace_back(text.substr(at, 1));
    if (states[at] == E || states[at] == S) next = at + 1;
  }
  if (next < text.size()) words.emplace_back(text.substr(next));
}

/// [a-zA-Z0-9]+(?:\.\d+)?%? at `at`; its end, or `at`.
std::size_t latin_end(TextView text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_ascii_alphanumeric(text[end])) ++end;
  if (end == at) return at;
  if (end < text.size() && text[end] == U'.') {
    std::size_t more = end + 1;
    while (more < text.size() && python::is_digit(text[more])) ++more;
    if (more > end + 1) end = more;
  }
  return end < text.size() && text[end] == U'%' ? end + 1 : end;
}

/// Numbers and Latin words whole, and what stands between them.
void cut_latin(TextView text, std::vector<Text>& words) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = latin_end(text, at);
    if (end == at)
      while (end < text.size() && !is_ascii_alphanumeric(text[end])) ++end;
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
}

/// jieba.finalseg.cut: Chinese runs by the model, the rest by cut_latin.
void cut_unknown(TextView text, const ChineseModel& model, std::vector<Text>& words) {
  for (std::size_t at = 0; at < text.size();) {
    const bool han = is_han(text[at]);
    std::size_t end = at;
    while (end < text.size() && is_han(text[end]) == han) ++end;
    const TextView run = text.substr(at, end - at);
    if (han)
      cut_by_model(run, model, words);
    else
      cut_latin(run, words);
    at = end;
  }
}

void flush_unknown(Text& run, const ChineseSegmenter& segmenter, std::vector<Text>& words) {
  if (run.size() > 1 && segmenter.dictionary->frequency(run) == 0) {
    cut_unknown(run, *segmenter.model, words);
  } else {
    for (const char32_t character : run) words.emplace_back(1, character);
  }
  run.clear();
}

void cut_block(TextView block, const ChineseSegmenter& segmenter, std::vector<Text>& words) {
  const std::vector<std::size_t> ends = best_ends(block, *segmenter.dictionary);
  Text run;
  const auto flush = [&] {
    if (segmenter.model) {
      flush_unknown(run, segmenter, words);
    } else if (!run.empty()) {
      words.push_back(std::exchange(run, {}));
    }
  };
  for (std::size_t at = 0; at < block.size(); at = ends[at]) {
    const TextView word = block.substr(at, ends[at] - at);
    // With the model single characters wait for it; without it only Latin ones, to be joined.
    if (word.size() == 1 && (segmenter.model || is_ascii_alphanumeric(word[0]))) {
      run += word;
      continue;
    }
    flush();
    words.emplace_back(word);
  }
  flush();
}

ChineseSegmenter& segmenter_in_use() {
  static ChineseSegmenter segmenter;
  return segmenter;
}

std::shared_ptr<const ChineseDictionary> empty_dictionary() {
  static const auto empty = std::make_shared<const ChineseDictionary>();
  return empty;
}

}  // namespace

std::vector<Text> ChineseSegmenter::cut(TextView text) const {
  const ChineseSegmenter whole{dictionary ? dictionary : empty_dictionary(), dictionary ? model : nullptr};
  std::vector<Text> words;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_block_character(text[end])) ++end;
    if (end > at) {
      cut_block(text.substr(at, end - at), whole, words);
    } else {
      end = text.substr(at).starts_with(U"\r\n") ? at + 2 : at + 1;
      words.emplace_back(text.substr(at, end - at));
    }
    at = end;
  }
  return words;
}

void use_chinese_segmenter(ChineseSegmenter segmenter) { segmenter_in_use() = std::move(segmenter); }

std::string chinese_segmenter_notice() {
  const ChineseSegmenter& segmenter = segmenter_in_use();
  if (!segmenter.dictionary)
    return "no jieba dictionary: Chinese was cut into single characters, so that this is not the official score "
           "(docs/evaluation-scorers.md: --jieba)";
  if (!segmenter.model)
    return "no jieba model (finalseg): unknown Chinese words were cut into single characters, as jieba does with "
           "HMM=False";
  return "";
}

std::vector<Text> chinese_words(TextView text) { return segmenter_in_use().cut(text); }

}  // namespace tome
