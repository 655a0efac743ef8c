#include "evaluation/report_text.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "tokenizer/utf8.h"

namespace tome {
namespace {

/// XML 1.0's Char, less the C1 controls, which no reader shows, and those that turn the order of a text's rest.
bool may_stand(std::uint32_t code) {
  if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
  const bool turns = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return (code < 0x7f || code > 0x9f) && !turns && code != 0xfffe && code != 0xffff;
}

/// Of a character, in em, by the wider of the common faces (DejaVu Sans, Verdana).
double em_width(std::uint32_t code) {
  if (code >= 0x1100) return code == 0x2212 || code == 0x2013 || code == 0x2026 ? 0.84 : 1.0;
  if (code >= 0x300 && code < 0x370) return 0;
  if (code >= 0x80) return 0.78;
  const std::string_view narrow = " ijlIt.,:;'|!()[]/f", wide = "mwMW@%";
  const char letter = static_cast<char>(code);
  if (narrow.find(letter) != std::string_view::npos) return 0.41;
  if (wide.find(letter) != std::string_view::npos) return 1.0;
  if ((code >= 'A' && code <= 'Z') || std::string_view("<>=+~^#&").find(letter) != std::string_view::npos) return 0.84;
  return 0.64;
}

std::string with_real_minus(std::string digits) {
  return !digits.empty() && digits.front() == '-' ? "\u2212" + digits.substr(1) : digits;
}

}  // namespace

std::string escaped(std::string_view text) {
  const std::string valid = repair_utf8(text);
  std::string result;
  for (std::size_t at = 0; at < valid.size();) {
    const Utf8Step step = read_utf8(valid, at);
    const std::string_view bytes = std::string_view(valid).substr(at, step.length);
    at += step.length;
    if (bytes == "&") {
      result += "&amp;";
    } else if (bytes == "<") {
      result += "&lt;";
    } else if (bytes == ">") {
      result += "&gt;";
    } else if (bytes == "\"") {
      result += "&quot;";
    } else if (bytes == "'") {
      result += "&#39;";
    } else {
      result += may_stand(step.code_point) ? bytes : "\ufffd";
    }
  }
  return result;
}

std::string number_text(double value, int decimals) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "\u221e" : "\u2212\u221e";
  if (std::abs(value) >= 1e7) return with_real_minus(fmt::format("{:.3g}", value));
  std::string digits = fmt::format("{:.{}f}", value, decimals);
  // −0.000 is 0.000
  if (digits.front() == '-' && digits.find_first_of("123456789") == std::string::npos) digits.erase(0, 1);
  return with_real_minus(std::move(digits));
}

std::string interval_text(const Interval& interval, int decimals) {
  return fmt::format("[{}, {}]", number_text(interval.low, decimals), number_text(interval.high, decimals));
}

std::string probability_text(double p) { return p >= 0 && p < 0.001 ? "< 0.001" : number_text(p, 3); }

std::string count_text(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string length_text(std::uint64_t tokens) {
  constexpr std::uint64_t kilo = 1024, mega = kilo * kilo;
  if (tokens == 0) return "as it is";
  if (tokens % mega == 0) return count_text(tokens / mega) + "M";
  if (tokens % kilo == 0) return count_text(tokens / kilo) + "K";
  return count_text(tokens);
}

std::string axis_length_text(double tokens) {
  if (!(tokens >= 1)) return "0";
  if (tokens < 1e12) {
    const std::string exact = length_text(static_cast<std::uint64_t>(std::llround(tokens)));
    if (exact.size() <= 7) return exact;
  }
  return fmt::format("{:.2g}", tokens);
}

std::string depth_text(double depth) {
  if (!(std::abs(depth) < 1e7)) return number_text(depth, 0);
  return with_real_minus(fmt::format("{:.4g}", depth)) + " %";
}

double text_width(std::string_view text, double font_size) {
  double width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text, at);
    width += step.valid ? em_width(step.code_point) : 1.0;
    at += step.length;
  }
  return width * font_size;
}

std::string shortened(std::string_view text, double font_size, double width) {
  if (text_width(text, font_size) <= width) return std::string(text);
  const double room = width - text_width("\u2026", font_size);
  double used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = read_utf8(text, at);
    used += text_width(text.substr(at, step.length), font_size);
    if (used > room) break;
    at += step.length;
  }
  return std::string(text.substr(0, at)) + "\u2026";
}

std::string shortened_inside(std::string_view text, double font_size, double width) {
  if (text_width(text, font_size) <= width) return std::string(text);
  std::vector<std::size_t> begins;
  for (std::size_t at = 0; at < text.size(); at += read_utf8(text, at).length) begins.push_back(at);
  if (begins.size() < 12) return shortened(text, font_size, width);
  const std::string_view tail = text.substr(begins[begins.size() - 6]);
  const double rest = width - text_width(tail, font_size);
  return rest < font_size * 2
             ? shortened(text, font_size, width)
             : shortened(text.substr(0, begins[begins.size() - 6]), font_size, rest) + std::string(tail);
}

}  // namespace tome
