#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/unicode_class.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

struct Character {
  std::uint32_t code_point = 0;
  std::uint32_t length = 0;  ///< 0 at the end of the text
  CharacterClass kind = CharacterClass::other;
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), classes_(character_classes()) {}

  Character at(std::size_t place) const {
    if (place >= text_.size()) return {};
    const auto byte = static_cast<unsigned char>(text_[place]);
    if (byte < 0x80) return {byte, 1, classes_[byte]};
    const Utf8Step step = read_utf8(text_, place);
    return {step.code_point, step.length, classes_[step.code_point]};
  }
  bool at_end(std::size_t place) const { return place >= text_.size(); }
  /// The end of the run of one class.
  std::size_t skip(CharacterClass kind, std::size_t place) const {
    for (Character next = at(place); next.length != 0 && next.kind == kind; next = at(place)) place += next.length;
    return place;
  }
  std::size_t skip_newlines(std::size_t place) const {
    while (place < text_.size() && (text_[place] == '\r' || text_[place] == '\n')) ++place;
    return place;
  }
  /// Length of 's 't 're 've 'm 'll 'd at `place`, 0 when none. Without case, U+017F (long s) folds to s.
  std::size_t contraction(std::size_t place, bool any_case) const {
    if (place >= text_.size() || text_[place] != '\'') return 0;
    const auto letter = [&](std::size_t offset) -> char {
      if (place + offset >= text_.size()) return 0;
      const char byte = text_[place + offset];
      return any_case && byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    };
    const char first = letter(1);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    const char second = letter(2);
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) return 3;
    if (any_case && text_.substr(place + 1, 2) == "\xC5\xBF") return 3;
    return 0;
  }

 private:
  std::string_view text_;
  const CharacterClass* classes_;
};

/// `\s+(?!\S)|\s+` from `begin`, whose run of spaces ends at `end` and whose last space begins at `last`.
std::size_t spaces(std::size_t begin, std::size_t last, std::size_t end, bool text_follows) {
  return text_follows && last > begin ? last : end;
}

std::size_t gpt2_word(const Scanner& scan, std::size_t begin, bool numbers_alone) {
  const Character first = scan.at(begin);
  if (const std::size_t length = scan.contraction(begin, false)) return begin + length;
  if (numbers_alone && first.kind == CharacterClass::number) return begin + first.length;
  if (first.kind != CharacterClass::space) return scan.skip(first.kind, begin);
  if (first.code_point == ' ') {
    const Character next = scan.at(begin + 1);
    const bool ends_here = next.length == 0 || (numbers_alone && next.kind == CharacterClass::number);
    if (!ends_here && next.kind != CharacterClass::space) return scan.skip(next.kind, begin + 1);
  }
  std::size_t last = begin;
  std::size_t end = begin;
  Character next = first;
  for (; next.length != 0 && next.kind == CharacterClass::space; next = scan.at(end)) {
    last = end;
    end += next.length;
  }
  const bool text_follows = next.length != 0 && !(numbers_alone && next.kind == CharacterClass::number);
  return spaces(begin, last, end, text_follows);
}

std::size_t llama_word(const Scanner& scan, std::size_t begin, int most_numbers) {
  const Character first = scan.at(begin);
  if (const std::size_t length = scan.contraction(begin, true)) return begin + length;
  if (first.kind == CharacterClass::letter) return scan.skip(CharacterClass::letter, begin);
  if (first.kind == CharacterClass::number) {
    std::size_t end = begin;
    Character next = first;
    for (int taken = 0; taken < most_numbers && next.length != 0 && next.kind == CharacterClass::number; ++taken) {
      end += next.length;
      next = scan.at(end);
    }
    return end;
  }
  const Character second = scan.at(begin + first.length);
  if (first.code_point != '\r' && first.code_point != '\n' && second.length != 0 &&
      second.kind == CharacterClass::letter)
    return scan.skip(CharacterClass::letter, begin + first.length);
  if (first.kind == CharacterClass::other) return scan.skip_newlines(scan.skip(CharacterClass::other, begin));
  if (first.code_point == ' ' && second.length != 0 && second.kind == CharacterClass::other)
    return scan.skip_newlines(scan.skip(CharacterClass::other, begin + 1));
  std::size_t last = begin;
  std::size_t end = begin;
  std::size_t after_newline = 0;
  Character next = first;
  for (; next.length != 0 && next.kind == CharacterClass::space; next = scan.at(end)) {
    last = end;
    end += next.length;
    if (next.code_point == '\r' || next.code_point == '\n') after_newline = end;
  }
  if (after_newline != 0) return after_newline;
  return spaces(begin, last, end, next.length != 0);
}

}  // namespace

std::size_t end_of_word(PreTokenizer kind, std::string_view text, std::size_t begin) {
  const Scanner scan(text);
  switch (kind) {
    case PreTokenizer::gpt2:
      return gpt2_word(scan, begin, false);
    case PreTokenizer::smollm:
      return gpt2_word(scan, begin, true);
    case PreTokenizer::llama_bpe:
      return llama_word(scan, begin, 3);
    case PreTokenizer::qwen2:
      return llama_word(scan, begin, 1);
    case PreTokenizer::none:
      break;
  }
  return text.size();
}

}  // namespace tome
