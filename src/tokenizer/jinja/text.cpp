#include "tokenizer/jinja/text.h"

#include <fmt/format.h>
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tokenizer/utf8.h"

namespace tome::jinja {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<unsigned char>(byte) < 0x80; });
}

icu::UnicodeString to_icu(std::string_view text) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
}

std::string from_icu(const icu::UnicodeString& text) {
  std::string result;
  text.toUTF8String(result);
  return result;
}

/// Whether the character at `at` belongs to a strip set; its length comes back in `length`.
bool in_strip_set(std::string_view text, std::size_t at, std::string_view set, std::size_t& length) {
  const Utf8Step step = read_utf8(text, at);
  length = step.length;
  if (set.empty()) return is_space(step.code_point);
  const std::string_view character = text.substr(at, step.length);
  for (std::size_t place = 0; place < set.size();) {
    const std::size_t size = read_utf8(set, place).length;
    if (set.substr(place, size) == character) return true;
    place += size;
  }
  return false;
}

std::size_t previous_character(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool is_line_end(std::uint32_t code_point) {
  return (code_point >= 0x0A && code_point <= 0x0D) || (code_point >= 0x1C && code_point <= 0x1E) ||
         code_point == 0x85 || code_point == 0x2028 || code_point == 0x2029;
}

}  // namespace

std::int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; });
}

std::size_t byte_of_character(std::string_view text, std::int64_t index) {
  std::size_t at = 0;
  while (index > 0 && at < text.size()) {
    at += read_utf8(text, at).length;
    --index;
  }
  return at;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (std::size_t at = 0; at < text.size(); at += result.back().size())
    result.push_back(text.substr(at, read_utf8(text, at).length));
  return result;
}

bool is_space(std::uint32_t code_point) {
  if (code_point < 128) return (code_point >= 9 && code_point <= 13) || (code_point >= 28 && code_point <= 32);
  return u_isUWhiteSpace(static_cast<UChar32>(code_point));
}

bool is_letter_character(std::uint32_t code_point) { return u_isalpha(static_cast<UChar32>(code_point)); }

bool is_digit_character(std::uint32_t code_point) {
  const auto type = u_getIntPropertyValue(static_cast<UChar32>(code_point), UCHAR_NUMERIC_TYPE);
  return type == U_NT_DECIMAL || type == U_NT_DIGIT;
}

bool is_letter_or_number(std::uint32_t code_point) {
  return u_isalpha(static_cast<UChar32>(code_point)) ||
         u_getIntPropertyValue(static_cast<UChar32>(code_point), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

std::string_view strip(std::string_view text, std::string_view set, bool left, bool right) {
  std::size_t length = 0;
  while (left && !text.empty() && in_strip_set(text, 0, set, length)) text.remove_prefix(length);
  while (right && !text.empty()) {
    const std::size_t last = previous_character(text, text.size());
    if (!in_strip_set(text, last, set, length)) break;
    text.remove_suffix(text.size() - last);
  }
  return text;
}

std::string upper(std::string_view text) {
  if (!is_ascii(text)) return from_icu(to_icu(text).toUpper(icu::Locale::getRoot()));
  std::string result(text);
  for (char& byte : result) byte = byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
  return result;
}

std::string lower(std::string_view text) {
  if (!is_ascii(text)) return from_icu(to_icu(text).toLower(icu::Locale::getRoot()));
  std::string result(text);
  for (char& byte : result) byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
  return result;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  const std::size_t first = read_utf8(text, 0).length;
  return upper(text.substr(0, first)) + lower(text.substr(first));
}

std::string title(std::string_view text) {
  std::string result;
  bool inside_word = false;
  for (const std::string_view character : characters(text)) {
    const auto code_point = static_cast<UChar32>(read_utf8(character, 0).code_point);
    const bool letter = u_hasBinaryProperty(code_point, UCHAR_CASED);
    if (letter) {
      result += inside_word ? lower(character) : upper(character);
    } else {
      result += character;
    }
    inside_word = letter;
  }
  return result;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, std::int64_t most) {
  std::string result;
  if (from.empty()) {
    // Python puts `to` before every character and at the end.
    std::int64_t done = 0;
    for (const std::string_view character : characters(text)) {
      if (most < 0 || done < most) result += to;
      ++done;
      result += character;
    }
    if (most < 0 || done < most) result += to;
    return result;
  }
  std::size_t at = 0;
  for (std::int64_t done = 0; most < 0 || done < most; ++done) {
    const std::size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    result.append(text, at, found - at).append(to);
    at = found + from.size();
  }
  return result.append(text, at, text.size() - at);
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text, at);
    std::size_t next = at + step.length;
    if (is_line_end(step.code_point)) {
      lines.push_back(text.substr(begin, at - begin));
      if (text[at] == '\r' && next < text.size() && text[next] == '\n') ++next;
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t most) {
  std::vector<std::string_view> parts;
  if (!separator.empty()) {
    std::size_t at = 0;
    while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
      const std::size_t found = text.find(separator, at);
      if (found == std::string_view::npos) break;
      parts.push_back(text.substr(at, found - at));
      at = found + separator.size();
    }
    parts.push_back(text.substr(at));
    return parts;
  }
  text = strip(text, {}, true, false);
  while (!text.empty()) {
    if (most >= 0 && static_cast<std::int64_t>(parts.size()) >= most) {
      parts.push_back(strip(text, {}, false, true));
      break;
    }
    std::size_t end = 0;
    while (end < text.size()) {
      const Utf8Step step = read_utf8(text, end);
      if (is_space(step.code_point)) break;
      end += step.length;
    }
    parts.push_back(text.substr(0, end));
    text = strip(text.substr(end), {}, true, false);
  }
  return parts;
}

std::vector<std::string_view> split_from_right(std::string_view text, std::string_view separator, std::int64_t most) {
  if (most < 0) return split(text, separator, most);
  std::vector<std::string_view> parts;
  if (separator.empty()) {
    text = strip(text, {}, false, true);
    while (!text.empty() && static_cast<std::int64_t>(parts.size()) < most) {
      std::size_t begin = text.size();
      while (begin > 0) {
        const std::size_t previous = previous_character(text, begin);
        if (is_space(read_utf8(text, previous).code_point)) break;
        begin = previous;
      }
      parts.push_back(text.substr(begin));
      text = strip(text.substr(0, begin), {}, false, true);
    }
    if (!strip(text).empty()) parts.push_back(text);
    std::reverse(parts.begin(), parts.end());
    return parts;
  }
  while (static_cast<std::int64_t>(parts.size()) < most) {
    const std::size_t found = text.rfind(separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(found + separator.size()));
    text = text.substr(0, found);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::string quote(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char mark = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string result(1, mark);
  for (const std::string_view character : characters(text)) {
    const std::uint32_t code_point = read_utf8(character, 0).code_point;
    if (code_point == '\\' || code_point == static_cast<std::uint32_t>(mark)) {
      result += '\\';
      result += character;
    } else if (code_point == '\n') {
      result += "\\n";
    } else if (code_point == '\r') {
      result += "\\r";
    } else if (code_point == '\t') {
      result += "\\t";
    } else if (code_point == ' ' || u_isgraph(static_cast<UChar32>(code_point))) {
      result += character;
    } else if (code_point < 0x100) {
      result += fmt::format("\\x{:02x}", code_point);
    } else if (code_point < 0x10000) {
      result += fmt::format("\\u{:04x}", code_point);
    } else {
      result += fmt::format("\\U{:08x}", code_point);
    }
  }
  return result + mark;
}

std::string print_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  // Shortest digits that read back the same; Python writes exponents from 1e16 and below 1e-4.
  const double magnitude = std::fabs(value);
  const bool exponent = magnitude != 0 && (magnitude >= 1e16 || magnitude < 1e-4);
  const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr;
  std::string text(buffer, end);
  if (!exponent && text.find('.') == std::string::npos) text += ".0";
  return text;
}

}  // namespace tome::jinja
