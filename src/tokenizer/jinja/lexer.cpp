#include "tokenizer/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "tokenizer/jinja/text.h"
#include "tokenizer/utf8.h"

namespace tome::jinja {
namespace {

/// Line ends become \n, and one at the very end goes.
std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t at = 0; at < source.size(); ++at) {
    if (source[at] == '\r') {
      if (at + 1 < source.size() && source[at + 1] == '\n') ++at;
      text += '\n';
    } else {
      text += source[at];
    }
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
bool starts_name(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         static_cast<unsigned char>(byte) >= 0x80;
}
bool goes_on_name(char byte) { return starts_name(byte) || is_digit(byte); }

int digit_value(char byte) {
  if (is_digit(byte)) return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return 99;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)), text_(source_) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) {
      const std::size_t tag = find_tag();
      read_text(tag);
      if (at_ >= text_.size()) break;
      const char kind = text_[at_ + 1];
      if (kind == '#') {
        read_comment();
      } else if (kind == '%' && skip_raw_tag(at_, "raw", false) != 0) {
        read_raw();
      } else {
        read_tag(kind == '%');
      }
    }
    add(TokenKind::end, "", place_of(text_.size()));
    return std::move(tokens_);
  }

 private:
  Place place_of(std::size_t at) {
    for (; placed_ < at && placed_ < text_.size(); ++placed_) {
      if (text_[placed_] == '\n') {
        ++place_.line;
        place_.column = 1;
      } else if ((static_cast<unsigned char>(text_[placed_]) & 0xC0) != 0x80) {
        ++place_.column;
      }
    }
    return place_;
  }
  void add(TokenKind kind, std::string text, Place place) { tokens_.push_back({kind, std::move(text), place}); }
  bool follows(std::string_view what, std::size_t at) const { return text_.substr(at, what.size()) == what; }
  std::size_t skip_space(std::size_t at) const {
    while (at < text_.size()) {
      const Utf8Step step = read_utf8(text_, at);
      if (!is_space(step.code_point)) break;
      at += step.length;
    }
    return at;
  }

  std::size_t find_tag() const {
    for (std::size_t at = at_; at + 1 < text_.size(); ++at) {
      if (text_[at] == '{' && (text_[at + 1] == '{' || text_[at + 1] == '%' || text_[at + 1] == '#')) return at;
    }
    return text_.size();
  }

  /// Text up to a tag (or a raw block's end), with what the tag's sign and lstrip_blocks take away from its end.
  void read_text(std::size_t tag) {
    std::string_view part = text_.substr(at_, tag - at_);
    const Place place = place_of(at_);
    if (tag < text_.size()) {
      const char sign = tag + 2 < text_.size() ? text_[tag + 2] : ' ';
      if (sign == '-') {
        part = strip(part, {}, false, true);
      } else if (sign != '+' && text_[tag + 1] != '{') {
        const std::size_t line = part.rfind('\n') + 1;
        if ((line > 0 || line_starts_) && strip(part.substr(line)).empty()) part = part.substr(0, line);
      }
    }
    if (!part.empty()) add(TokenKind::text, std::string(part), place);
    if (tag > at_ || tag < text_.size()) line_starts_ = false;
    at_ = tag;
  }

  /// What a closing tag takes from the text after it.
  void close_tag(char sign, std::size_t after, bool trims) {
    at_ = after;
    if (sign == '-') {
      at_ = skip_space(after);
    } else if (sign != '+' && trims && at_ < text_.size() && text_[at_] == '\n') {
      ++at_;
    }
    line_starts_ = at_ > 0 && text_[at_ - 1] == '\n';
  }

  void read_comment() {
    const Place place = place_of(at_);
    const std::size_t end = text_.find("#}", at_ + 2);
    if (end == std::string_view::npos) raise(place, "the comment is never closed");
    close_tag(end > at_ + 2 ? text_[end - 1] : ' ', end + 2, true);
  }

  /// Length of {% name %} at `at`, 0 when something else is there; the sign of its end is kept.
  std::size_t skip_raw_tag(std::size_t at, std::string_view name, bool ends) {
    std::size_t place = at + 2;
    if (place < text_.size() && (text_[place] == '-' || text_[place] == '+')) ++place;
    place = skip_space(place);
    if (!follows(name, place)) return 0;
    place = skip_space(place + name.size());
    raw_sign_ = ' ';
    if (place < text_.size() && (text_[place] == '-' || (ends && text_[place] == '+'))) raw_sign_ = text_[place++];
    return follows("%}", place) ? place + 2 - at : 0;
  }

  void read_raw() {
    const Place place = place_of(at_);
    const std::size_t begin = at_ + skip_raw_tag(at_, "raw", false);
    close_tag(raw_sign_, begin, false);
    for (std::size_t end = text_.find("{%", at_); end != std::string_view::npos; end = text_.find("{%", end + 1)) {
      const std::size_t length = skip_raw_tag(end, "endraw", true);
      if (length == 0) continue;
      const char sign = raw_sign_;
      read_text(end);
      close_tag(sign, end + length, true);
      return;
    }
    raise(place, "the raw block is never closed");
  }

  void read_tag(bool statement) {
    const Place begin = place_of(at_);
    add(statement ? TokenKind::statement_begin : TokenKind::expression_begin, "", begin);
    at_ += 2;
    if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) ++at_;
    const std::string_view closer = statement ? "%}" : "}}";
    brackets_.clear();
    for (;;) {
      at_ = skip_space(at_);
      if (at_ >= text_.size()) raise(begin, "the tag is never closed");
      if (brackets_.empty()) {
        const bool has_sign = text_[at_] == '-' || (statement && text_[at_] == '+');
        if (has_sign && follows(closer, at_ + 1)) return end_tag(statement, text_[at_], at_ + 3);
        if (follows(closer, at_)) return end_tag(statement, ' ', at_ + 2);
      }
      read_token();
    }
  }

  void end_tag(bool statement, char sign, std::size_t after) {
    add(statement ? TokenKind::statement_end : TokenKind::expression_end, "", place_of(at_));
    close_tag(sign, after, statement);
  }

  void read_token() {
    const char byte = text_[at_];
    if (is_digit(byte)) return read_number();
    if (starts_name(byte)) return read_name();
    if (byte == '\'' || byte == '"') return read_string();
    read_symbol();
  }

  void read_name() {
    const Place place = place_of(at_);
    const std::size_t begin = at_;
    while (at_ < text_.size() && goes_on_name(text_[at_])) ++at_;
    add(TokenKind::name, std::string(text_.substr(begin, at_ - begin)), place);
  }

  /// Digits of a base with single underscores between them.
  std::string read_digits(int base) {
    std::string digits;
    while (at_ < text_.size()) {
      if (digit_value(text_[at_]) < base) {
        digits += text_[at_++];
      } else if (text_[at_] == '_' && at_ + 1 < text_.size() && digit_value(text_[at_ + 1]) < base) {
        ++at_;
      } else {
        break;
      }
    }
    return digits;
  }

  void read_number() {
    const Place place = place_of(at_);
    const bool after_dot = !tokens_.empty() && tokens_.back().kind == TokenKind::symbol && tokens_.back().text == ".";
    if (text_[at_] == '0' && at_ + 2 < text_.size()) {
      const char letter = static_cast<char>(text_[at_ + 1] | 0x20);
      const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
      if (base != 0 && digit_value(text_[at_ + 2]) < base) {
        at_ += 2;
        return add_integer(read_digits(base), base, place);
      }
    }
    std::string digits = read_digits(10);
    bool real = false;
    if (!after_dot && at_ + 1 < text_.size() && text_[at_] == '.' && is_digit(text_[at_ + 1])) {
      ++at_;
      digits += '.' + read_digits(10);
      real = true;
    }
    if (!after_dot && at_ + 1 < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      const bool sign = text_[at_ + 1] == '+' || text_[at_ + 1] == '-';
      const std::size_t first = at_ + (sign ? 2 : 1);
      if (first < text_.size() && is_digit(text_[first])) {
        digits += 'e';
        if (sign) digits += text_[at_ + 1];
        at_ = first;
        digits += read_digits(10);
        real = true;
      }
    }
    if (!real) return add_integer(digits, 10, place);
    add(TokenKind::real, digits, place);
  }

  void add_integer(const std::string& digits, int base, Place place) {
    std::int64_t value = 0;
    for (const char digit : digits) {
      if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit_value(digit), &value))
        raise(place, "the number does not fit 64 bits");
    }
    add(TokenKind::integer, std::to_string(value), place);
  }

  void read_string() {
    const Place place = place_of(at_);
    const char mark = text_[at_++];
    std::string contents;
    while (at_ < text_.size() && text_[at_] != mark) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        read_escape(contents);
      } else {
        contents += text_[at_++];
      }
    }
    if (at_ >= text_.size()) raise(place, "the string is never closed");
    ++at_;
    add(TokenKind::string, std::move(contents), place);
  }

  std::uint32_t read_code(std::size_t most, int base) {
    std::uint32_t code = 0;
    std::size_t taken = 0;
    while (taken < most && at_ < text_.size() && digit_value(text_[at_]) < base) {
      code = code * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit_value(text_[at_++]));
      ++taken;
    }
    if (base == 16 && taken < most) raise(place_of(at_), "an escape of {} hexadecimal digits is cut short", most);
    return code;
  }

  void read_escape(std::string& contents) {
    const Place place = place_of(at_);
    static constexpr std::array<std::pair<char, char>, 10> simple{{{'n', '\n'},
                                                                   {'t', '\t'},
                                                                   {'r', '\r'},
                                                                   {'\\', '\\'},
                                                                   {'\'', '\''},
                                                                   {'"', '"'},
                                                                   {'a', '\a'},
                                                                   {'b', '\b'},
                                                                   {'f', '\f'},
                                                                   {'v', '\v'}}};
    const char letter = text_[at_ + 1];
    const auto* const found =
        std::find_if(simple.begin(), simple.end(), [&](auto item) { return item.first == letter; });
    if (found != simple.end()) {
      contents += found->second;
      at_ += 2;
    } else if (letter == '\n') {
      at_ += 2;
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      at_ += 2;
      std::uint32_t code = read_code(letter == 'x' ? 2 : letter == 'u' ? 4 : 8, 16);
      if (code >= 0xD800 && code < 0xDC00 && follows("\\u", at_)) {
        at_ += 2;
        const std::uint32_t low = read_code(4, 16);
        if (low >= 0xDC00 && low < 0xE000) code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) raise(place, "the escape is no character");
      append_utf8(contents, code);
    } else if (letter >= '0' && letter <= '7') {
      ++at_;
      append_utf8(contents, read_code(3, 8));
    } else {
      contents += '\\';
      ++at_;
    }
  }

  void read_symbol() {
    const Place place = place_of(at_);
    static constexpr std::array<std::string_view, 28> symbols{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*",
                                                              "%",  "~",  "[",  "]",  "(",  ")",  "{", "}", ">", "<",
                                                              "=",  ".",  ":",  "|",  ",",  ";",  "",  ""};
    for (const std::string_view symbol : symbols) {
      if (symbol.empty() || !follows(symbol, at_)) continue;
      if (symbol == "(" || symbol == "[" || symbol == "{") brackets_ += symbol;
      if (symbol == ")" || symbol == "]" || symbol == "}") close_bracket(symbol[0], place);
      add(TokenKind::symbol, std::string(symbol), place);
      at_ += symbol.size();
      return;
    }
    raise(place, "'{}' begins no expression", text_.substr(at_, read_utf8(text_, at_).length));
  }

  void close_bracket(char bracket, Place place) {
    const char opener = bracket == ')' ? '(' : bracket == ']' ? '[' : '{';
    if (brackets_.empty() || brackets_.back() != opener) raise(place, "'{}' closes nothing", bracket);
    brackets_.pop_back();
  }

  std::string source_;
  std::string_view text_;
  std::size_t at_ = 0;
  bool line_starts_ = true;
  char raw_sign_ = ' ';
  std::string brackets_;
  std::vector<Token> tokens_;
  Place place_;
  std::size_t placed_ = 0;
};

}  // namespace

std::vector<Token> tokenize_template(std::string_view source) { return Lexer(source).run(); }

}  // namespace tome::jinja
