#include "evaluation/infinitebench_scores.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "evaluation/python_number.h"
#include "evaluation/rouge_google.h"
#include "evaluation/token_f1.h"

namespace tome {
namespace {

using python::Text;
using python::TextView;

constexpr TextView kSeparators = U"\n:\"'.,?!{}";

struct Question {
  TextView prediction;
  std::vector<Text> labels;
  const InfiniteBenchOptions& options;
};

bool starts_with_any(TextView text, const std::vector<Text>& labels) {
  return std::any_of(labels.begin(), labels.end(), [&](const Text& label) { return text.starts_with(label); });
}

bool contains(const std::vector<Text>& list, TextView text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// Runs of 0–9 only: signs and decimal points separate.
std::vector<Text> ascii_digit_runs(TextView text) {
  std::vector<Text> runs;
  bool open = false;
  for (const char32_t character : text) {
    const bool digit = character >= U'0' && character <= U'9';
    if (digit && !open) runs.emplace_back();
    if (digit) runs.back() += character;
    open = digit;
  }
  return runs;
}

Result<double> first_digits(const Question& question) {
  const std::vector<Text> runs = ascii_digit_runs(question.prediction);
  return question.labels[0] == (runs.empty() ? Text() : runs[0]) ? 1.0 : 0.0;
}

Result<double> key_value(const Question& question) {
  return contains(python::split(python::spaces_for(question.prediction, kSeparators)), question.labels[0]) ? 1.0 : 0.0;
}

/// Equal as Python compares numbers; whole ones of any length exactly.
bool same_number(const std::string& left, const std::string& right) {
  if (left == right) return true;
  double a = 0, b = 0;
  const auto parsed = [](const std::string& text, double& value) {
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    return end.ec == std::errc() && end.ptr == text.data() + text.size();
  };
  const bool whole = left.find_first_of(".en") == std::string::npos && right.find_first_of(".en") == std::string::npos;
  return !whole && parsed(left, a) && parsed(right, b) && a == b;
}

std::string number_text(const Text& label) {
  if (const auto whole = python::whole_number(label)) return *whole;
  return python::encode(python::strip(label));
}

Result<double> code_run(const Question& question) {
  const std::vector<Text> words = python::split(python::spaces_for(python::strip(question.prediction), U"\n.`'\":"));
  if (words.empty()) return 0.0;
  const auto number = python::whole_number(words.back());
  return number && same_number(*number, number_text(question.labels[0])) ? 1.0 : 0.0;
}

/// \d+\.\d+|\d+ as ASCII.
std::optional<std::string> first_number(TextView text) {
  const auto digits_end = [&](std::size_t at) {
    while (at < text.size() && python::is_digit(text[at])) ++at;
    return at;
  };
  const auto begin = std::find_if(text.begin(), text.end(), python::is_digit);
  if (begin == text.end()) return std::nullopt;
  const auto at = static_cast<std::size_t>(begin - text.begin());
  std::size_t end = digits_end(at);
  if (end < text.size() && text[end] == U'.')
    if (const std::size_t more = digits_end(end + 1); more > end + 1) end = more;
  std::string number;
  for (const char32_t character : text.substr(at, end - at))
    number += character == U'.' ? '.' : static_cast<char>('0' + python::digit_value(character));
  return number;
}

/// A whole label against a number with decimals: Python's int() raises there, which we take for wrong.
Result<double> math_find(const Question& question) {
  const std::string label = number_text(question.labels[0]);
  const auto number = first_number(question.prediction);
  if (!number) return 0.0;
  if (label.find_first_of(".en") == std::string::npos) {
    const auto whole = python::whole_number(python::decode(*number));
    return whole && *whole == label ? 1.0 : 0.0;
  }
  const std::string with_point = number->find('.') == std::string::npos ? *number + ".0" : *number;
  return same_number(with_point, label) ? 1.0 : 0.0;
}

Result<double> math_calc(const Question& question) {
  std::vector<Text> numbers = ascii_digit_runs(question.prediction);
  if (question.options.skip_first_number && !numbers.empty()) numbers.erase(numbers.begin());
  std::size_t right = 0;
  const std::size_t most = std::min(numbers.size(), question.labels.size());
  while (right < most && python::whole_number(numbers[right]) == number_text(question.labels[right])) ++right;
  return static_cast<double>(right) / static_cast<double>(question.labels.size());
}

Text without_double_spaces(Text text) {
  Text result;
  for (const char32_t character : text)
    if (character != U' ' || result.empty() || result.back() != U' ') result += character;
  return result;
}

/// What follows the first of the prefixes that stands in the text, less one character; nothing when the text ends
/// there. The outer optional: whether a prefix was found at all.
std::optional<std::optional<Text>> after_prefix(const Text& text, std::initializer_list<TextView> prefixes) {
  for (const TextView prefix : prefixes) {
    const std::size_t at = text.find(prefix);
    if (at == Text::npos) continue;
    if (text.size() < at + prefix.size() + 1) return std::optional<Text>();
    return std::optional<Text>(text.substr(at + prefix.size() + 1));
  }
  return std::nullopt;
}

/// \b[A-Z]\b(?!.*\b[A-Z]\b) with A … last: the last lone letter of the first line that has one.
std::optional<char32_t> last_lone_letter(TextView text, char32_t last) {
  std::optional<char32_t> letter;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == U'\n' && letter) break;
    const bool lone = text[at] >= U'A' && text[at] <= last && (at == 0 || !python::is_word(text[at - 1])) &&
                      (at + 1 == text.size() || !python::is_word(text[at + 1]));
    if (lone) letter = text[at];
  }
  return letter;
}

Result<double> code_debug(const Question& question) {
  const Text letter = question.labels[1], name = question.labels[0];
  const TextView stripped = python::strip(question.prediction);
  const bool by_letter = question.options.rules == InfiniteBenchRules::last_letter;
  if (by_letter) {
    if (const auto found = last_lone_letter(stripped, U'J'); found && Text(1, *found) == letter) return 1.0;
  } else if (stripped.substr(0, 2) == letter + U"." || stripped.substr(0, 2) == letter + U":") {
    return 1.0;
  }
  Text text = python::spaces_for(stripped, U"\n`'\"-*");
  text = python::replace(python::replace(text, U"Option", U" "), U"option", U" ");
  text = without_double_spaces(std::move(text));
  if (by_letter && starts_with_any(text, {letter, name})) return 1.0;
  const auto rest = after_prefix(text, {U"answer is:", U"is:", U"answer:", U"correct option is:"});
  return rest && *rest && starts_with_any(**rest, {letter, name}) ? 1.0 : 0.0;
}

Result<double> book_choice(const Question& question) {
  const TextView stripped = python::strip(question.prediction);
  const auto right = [&](TextView text) { return contains(question.labels, text) ? 1.0 : 0.0; };
  if (question.options.rules == InfiniteBenchRules::last_letter)
    if (const auto found = last_lone_letter(stripped, U'D'); found && right(Text(1, *found)) == 1.0) return 1.0;
  if (stripped.empty()) return 0.0;
  if (stripped[0] >= U'A' && stripped[0] <= U'D') return right(stripped.substr(0, 1));
  if (right(stripped) == 1.0) return 1.0;
  const Text text = without_double_spaces(python::spaces_for(stripped, U"\n\"'.,?!{}"));
  if (const auto rest = after_prefix(text, {U"answer is:", U"answer:", U"answer is", U"option is"}))
    return *rest && starts_with_any(**rest, question.labels) ? 1.0 : 0.0;
  // `word in "ABCD"` is a search for a part: "BC" ends it too.
  for (const Text& word : python::split(text))
    if (TextView(U"ABCD").find(word) != TextView::npos) return right(word);
  return 0.0;
}

Result<double> dialogue(const Question& question) {
  const TextView stripped = python::strip(question.prediction);
  if (question.options.rules == InfiniteBenchRules::last_letter) {
    const Text text = python::upper(stripped);
    for (const Text& label : question.labels)
      if (text.find(python::upper(label)) != Text::npos) return 1.0;
    return 0.0;
  }
  for (const Text& word : python::split(python::spaces_for(stripped, kSeparators)))
    if (python::upper(word) == question.labels[0]) return 1.0;
  return 0.0;
}

template <class Score>
Result<double> best_of(const Question& question, Score score) {
  double best = 0;
  for (const Text& label : question.labels) {
    TOME_ASSIGN(const double one, Result<double>(score(question.prediction, label)));
    best = std::max(best, one);
  }
  return best;
}

Result<double> book_answer(const Question& question) { return best_of(question, english_f1); }
Result<double> chinese_answer(const Question& question) { return best_of(question, chinese_character_f1); }
Result<double> summary(const Question& question) { return best_of(question, rouge_l_sum); }

struct Task {
  std::string_view name;
  Result<double> (*score)(const Question&);
  std::size_t labels = 1;  ///< at least
};

constexpr std::array tasks = {Task{"passkey", first_digits},
                              Task{"number_string", first_digits},
                              Task{"kv_retrieval", key_value},
                              Task{"kv_retrieval_prefix", key_value},
                              Task{"kv_retrieval_both", key_value},
                              Task{"longbook_sum_eng", summary},
                              Task{"longbook_choice_eng", book_choice, 2},
                              Task{"longbook_qa_eng", book_answer},
                              Task{"longbook_qa_chn", chinese_answer},
                              Task{"longdialogue_qa_eng", dialogue},
                              Task{"math_find", math_find},
                              Task{"math_calc", math_calc},
                              Task{"code_run", code_run},
                              Task{"code_debug", code_debug, 2}};

/// The dataset has the text of the right option only; predictions made by the official scripts have {text, letter}.
std::vector<Text> labels_of(const Gold& gold, bool choice) {
  std::vector<Text> labels;
  for (const std::string& answer : gold.answers) labels.push_back(python::decode(answer));
  if (!choice || gold.answers.size() != 1) return labels;
  const auto place = std::find(gold.options.begin(), gold.options.end(), gold.answers[0]);
  if (place != gold.options.end()) labels.emplace_back(1, static_cast<char32_t>(U'A' + (place - gold.options.begin())));
  return labels;
}

}  // namespace

bool is_infinitebench_task(std::string_view task) {
  return std::any_of(tasks.begin(), tasks.end(), [&](const Task& one) { return one.name == task; });
}

Result<double> infinitebench_score(std::string_view task, std::string_view prediction, const Gold& gold,
                                   const InfiniteBenchOptions& options) {
  const auto found = std::find_if(tasks.begin(), tasks.end(), [&](const Task& one) { return one.name == task; });
  if (found == tasks.end())
    return fail(ErrorKind::usage, "[scorers] infinitebench task '{}', expected one of its 12", task);
  const Text text = python::decode(prediction);
  const Question question{text, labels_of(gold, found->labels == 2), options};
  if (question.labels.size() < found->labels)
    return fail(ErrorKind::format, "ground truth: found {}, expected {}", question.labels.empty() ? "none" : "one text",
                found->labels == 2 ? "the right option's text and letter" : "at least one");
  return found->score(question);
}

}  // namespace tome
