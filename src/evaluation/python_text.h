#pragma once
// Text as Python's str sees it: code points, its white space, \w, \d, lower() and upper(). The official scorers are
// Python scripts, and their results hang on these sets. Stateless; any thread.
#include <string>
#include <string_view>
#include <vector>

namespace tome::python {

using Text = std::u32string;
using TextView = std::u32string_view;

/// Ill-formed UTF-8 becomes U+FFFD.
Text decode(std::string_view utf8);
std::string encode(TextView text);

/// str.isspace(), the set of split(), strip() and \s: also U+001C to U+001F, not U+200B.
bool is_space(char32_t character);
/// \w of the re module: letters, numbers and the underscore; combining marks are no word characters.
bool is_word(char32_t character);
/// \d of the re module: decimal digits of every script.
bool is_digit(char32_t character);
/// 0 … 9 of a decimal digit of any script.
int digit_value(char32_t character);

/// Full case mappings ("İ" becomes two characters, "Σ" at a word's end "ς", "ß" above "SS").
Text lower(TextView text);
Text upper(TextView text);

TextView strip(TextView text);
/// split(): on runs of white space, without empty words.
std::vector<Text> split(TextView text);
/// split(separator): with the empty pieces.
std::vector<Text> split(TextView text, char32_t separator);
/// " ".join(text.split())
Text single_spaced(TextView text);
/// Each of `characters` replaced by a space.
Text spaces_for(TextView text, TextView characters);
Text replace(TextView text, TextView from, TextView to);

/// re.findall(r"\d+", text)
std::vector<Text> digit_runs(TextView text);

}  // namespace tome::python
