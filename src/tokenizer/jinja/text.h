#pragma once
// Python's view of a string, as sequence of characters, over UTF-8. All texts here are valid UTF-8.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tome::jinja {

std::int64_t count_characters(std::string_view text);
/// Byte offset of the `index`-th character, at most text.size().
std::size_t byte_of_character(std::string_view text, std::int64_t index);
std::vector<std::string_view> characters(std::string_view text);

/// str.isspace of one character.
bool is_space(std::uint32_t code_point);
bool is_letter_or_number(std::uint32_t code_point);
bool is_letter_character(std::uint32_t code_point);
bool is_digit_character(std::uint32_t code_point);
/// str.strip and its halves; empty `set` means white space.
std::string_view strip(std::string_view text, std::string_view set = {}, bool left = true, bool right = true);
std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// First character upper, the rest lower.
std::string capitalize(std::string_view text);
/// str.title(): a capital after everything that is no letter.
std::string title(std::string_view text);
std::string replace(std::string_view text, std::string_view from, std::string_view to, std::int64_t most = -1);
/// str.splitlines().
std::vector<std::string_view> split_lines(std::string_view text);
/// str.split(): by white space when `separator` is empty.
std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t most = -1);
std::vector<std::string_view> split_from_right(std::string_view text, std::string_view separator, std::int64_t most);
/// repr() of a string.
std::string quote(std::string_view text);
/// repr() of a float.
std::string print_real(double value);

}  // namespace tome::jinja
