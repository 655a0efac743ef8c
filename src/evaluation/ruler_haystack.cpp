#include "evaluation/ruler_haystack.h"

#include <algorithm>
#include <filesystem>

#include "runtime/calibration_text.h"
#include "runtime/document.h"

namespace tome {
namespace {

constexpr std::uint64_t bytes_per_token = 16;  // more than any text's mean: enough bytes for the tokens
constexpr std::uint64_t most_generated = std::uint64_t{2} << 20;  // then it starts again
constexpr std::uint64_t least_generated = 20000;

bool ends_sentence(std::string_view word) {
  while (!word.empty() && (word.back() == '"' || word.back() == '\'' || word.back() == ')' || word.ends_with("”")))
    word.remove_suffix(word.ends_with("”") ? std::string_view("”").size() : 1);
  return !word.empty() && (word.back() == '.' || word.back() == '!' || word.back() == '?');
}

}  // namespace

Result<RulerHaystack> RulerHaystack::create(const Tokenizer& tokenizer, std::vector<std::string> files,
                                            std::uint64_t tokens, std::uint64_t seed) {
  RulerHaystack haystack;
  haystack.generated_ = files.empty();
  const std::uint64_t wanted = std::min(tokens, UINT64_MAX / bytes_per_token) * bytes_per_token;
  if (files.empty()) {
    const std::uint64_t bytes = std::clamp(wanted, least_generated, most_generated);
    haystack.split(make_calibration_document(seed, bytes, 0).text, bytes);
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    TOME_ASSIGN(const Document document, Document::load({file}));
    haystack.names_.push_back(std::filesystem::path(file).filename().string());
    haystack.split(document.text(), wanted);
  }
  haystack.count_tokens(tokenizer);
  return haystack;
}

void RulerHaystack::split(const std::string& text, std::uint64_t most_bytes) {
  constexpr std::string_view white_space = " \t\r\n\f\v";
  for (std::size_t at = text.find_first_not_of(white_space); at != std::string::npos && text_.size() < most_bytes;) {
    const std::size_t end = std::min(text.find_first_of(white_space, at), text.size());
    const std::string_view word = std::string_view(text).substr(at, end - at);
    if (!text_.empty()) text_ += ' ';
    text_ += word;
    if (ends_sentence(word)) sentence_ends_.push_back(word_ends_.size());
    word_ends_.push_back(text_.size());
    at = text.find_first_not_of(white_space, end);
  }
}

void RulerHaystack::count_tokens(const Tokenizer& tokenizer) {
  std::vector<std::uint64_t> offsets;
  const auto ids = tokenizer.encode_with_offsets(text_, AddSpecial::no, ParseSpecial::no, offsets);
  token_counts_.assign(1, 0);
  std::size_t token = 0;
  for (const std::uint64_t end : word_ends_) {
    while (token < ids.size() && offsets[token] < end) ++token;
    token_counts_.push_back(token);
  }
}

std::uint64_t RulerHaystack::tokens(std::size_t words) const {
  const std::size_t all = word_ends_.size();
  return words / all * token_counts_.back() + token_counts_[words % all];
}

std::string RulerHaystack::text(std::size_t first, std::size_t last) const {
  const std::size_t all = word_ends_.size();
  std::string result;
  while (first < last) {
    const std::size_t from = first % all;
    const std::size_t count = std::min(last - first, all - from);
    const std::uint64_t begin = from == 0 ? 0 : word_ends_[from - 1] + 1;
    if (!result.empty()) result += ' ';
    result.append(text_, begin, word_ends_[from + count - 1] - begin);
    first += count;
  }
  return result;
}

std::size_t RulerHaystack::sentences(std::size_t words) const {
  const std::size_t all = word_ends_.size();
  if (words == 0) return 0;
  const auto within = std::lower_bound(sentence_ends_.begin(), sentence_ends_.end(), words % all);
  const std::size_t whole =
      words / all * sentence_ends_.size() + static_cast<std::size_t>(within - sentence_ends_.begin());
  const std::size_t last = (words - 1) % all;
  return whole + (std::binary_search(sentence_ends_.begin(), sentence_ends_.end(), last) ? 0 : 1);
}

std::size_t RulerHaystack::sentence_start(std::size_t sentence, std::size_t words) const {
  if (sentence == 0) return 0;
  if (sentence >= sentences(words)) return words;
  const std::size_t each = sentence_ends_.size();
  return (sentence - 1) / each * word_ends_.size() + sentence_ends_[(sentence - 1) % each] + 1;
}

}  // namespace tome
