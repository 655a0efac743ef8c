#include "evaluation/python_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "tokenizer/utf8.h"

namespace tome::python {
namespace {

icu::UnicodeString to_icu(TextView text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                       static_cast<std::int32_t>(text.size()));
}

Text from_icu(const icu::UnicodeString& text) {
  Text result(static_cast<std::size_t>(text.countChar32()), U'\0');
  UErrorCode error = U_ZERO_ERROR;
  text.toUTF32(reinterpret_cast<UChar32*>(result.data()), static_cast<std::int32_t>(result.size()), error);
  return result;
}

bool is_ascii(TextView text) {
  for (const char32_t character : text)
    if (character >= 0x80) return false;
  return true;
}

}  // namespace

Text decode(std::string_view utf8) {
  Text text;
  text.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) {
    const Utf8Step step = read_utf8(utf8, at);
    text += static_cast<char32_t>(step.code_point);
    at += step.length;
  }
  return text;
}

std::string encode(TextView text) {
  std::string utf8;
  for (const char32_t character : text) append_utf8(utf8, static_cast<std::uint32_t>(character));
  return utf8;
}

bool is_space(char32_t character) {
  if (character < 0x80) return (character >= 0x09 && character <= 0x0d) || (character >= 0x1c && character <= 0x20);
  return character == 0x85 || character == 0xa0 || character == 0x1680 ||
         (character >= 0x2000 && character <= 0x200a) || character == 0x2028 || character == 0x2029 ||
         character == 0x202f || character == 0x205f || character == 0x3000;
}

bool is_word(char32_t character) {
  if (character == U'_') return true;
  const auto category = u_charType(static_cast<UChar32>(character));
  return ((1u << static_cast<unsigned>(category)) & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}

bool is_digit(char32_t character) {
  if (character < 0x80) return character >= U'0' && character <= U'9';
  return u_charType(static_cast<UChar32>(character)) == U_DECIMAL_DIGIT_NUMBER;
}

int digit_value(char32_t character) { return u_charDigitValue(static_cast<UChar32>(character)); }

Text lower(TextView text) {
  if (is_ascii(text)) {
    Text result(text);
    for (char32_t& character : result)
      if (character >= U'A' && character <= U'Z') character += 32;
    return result;
  }
  return from_icu(to_icu(text).toLower(icu::Locale::getRoot()));
}

Text upper(TextView text) {
  if (is_ascii(text)) {
    Text result(text);
    for (char32_t& character : result)
      if (character >= U'a' && character <= U'z') character -= 32;
    return result;
  }
  return from_icu(to_icu(text).toUpper(icu::Locale::getRoot()));
}

TextView strip(TextView text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<Text> split(TextView text) {
  std::vector<Text> words;
  for (std::size_t at = 0; at < text.size();) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<Text> split(TextView text, char32_t separator) {
  std::vector<Text> pieces;
  std::size_t begin = 0;
  for (std::size_t end = text.find(separator); end != TextView::npos; end = text.find(separator, begin)) {
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  pieces.emplace_back(text.substr(begin));
  return pieces;
}

Text single_spaced(TextView text) {
  Text result;
  for (const Text& word : split(text)) {
    if (!result.empty()) result += U' ';
    result += word;
  }
  return result;
}

Text spaces_for(TextView text, TextView characters) {
  Text result(text);
  for (char32_t& character : result)
    if (characters.find(character) != TextView::npos) character = U' ';
  return result;
}

Text replace(TextView text, TextView from, TextView to) {
  Text result;
  std::size_t begin = 0;
  for (std::size_t at = text.find(from); at != TextView::npos; at = text.find(from, begin)) {
    result += text.substr(begin, at - begin);
    result += to;
    begin = at + from.size();
  }
  result += text.substr(begin);
  return result;
}

std::vector<Text> digit_runs(TextView text) {
  std::vector<Text> runs;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    if (end == at) continue;
    runs.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return runs;
}

}  // namespace tome::python
