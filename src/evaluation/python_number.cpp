#include "evaluation/python_number.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace tome::python {
namespace {

constexpr std::size_t kMostDigits = 4300;  ///< sys.get_int_max_str_digits()
constexpr std::size_t kPairwiseBlock = 128;

/// numpy's order of addition: eight running sums up to 128 values, halves above.
double pairwise_sum(std::span<const double> values) {
  const std::size_t count = values.size();
  if (count < 8) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum;
  }
  if (count <= kPairwiseBlock) {
    std::array<double, 8> sums{};
    for (std::size_t i = 0; i < 8; ++i) sums[i] = values[i];
    std::size_t at = 8;
    for (; at < count - count % 8; at += 8)
      for (std::size_t i = 0; i < 8; ++i) sums[i] += values[at + i];
    double sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    for (; at < count; ++at) sum += values[at];
    return sum;
  }
  std::size_t half = count / 2;
  half -= half % 8;
  return pairwise_sum(values.first(half)) + pairwise_sum(values.subspan(half));
}

}  // namespace

double round_decimals(double value, int digits) {
  if (!std::isfinite(value)) return value;
  std::array<char, 400> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits);
  double rounded = value;
  if (written.ec == std::errc()) std::from_chars(text.data(), written.ptr, rounded);
  return rounded;
}

double numpy_round(double value, int digits) {
  const double scale = std::pow(10.0, digits);
  return std::nearbyint(value * scale) / scale;
}

double numpy_mean(std::span<const double> values) { return pairwise_sum(values) / static_cast<double>(values.size()); }

std::optional<std::string> whole_number(TextView text) {
  text = strip(text);
  bool negative = false;
  if (!text.empty() && (text.front() == U'+' || text.front() == U'-')) {
    negative = text.front() == U'-';
    text.remove_prefix(1);
  }
  std::string digits;
  bool after_digit = false;
  std::size_t count = 0;
  for (const char32_t character : text) {
    if (character == U'_' && after_digit) {
      after_digit = false;
      continue;
    }
    if (!is_digit(character)) return std::nullopt;
    after_digit = true;
    ++count;
    const char digit = static_cast<char>('0' + digit_value(character));
    if (digit != '0' || !digits.empty()) digits += digit;
  }
  if (!after_digit || count > kMostDigits) return std::nullopt;
  if (digits.empty()) return "0";
  return negative ? "-" + digits : digits;
}

std::string repr(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

}  // namespace tome::python
