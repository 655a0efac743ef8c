#pragma once
// GPT-2's byte alphabet: every byte has a printable character, so that pieces can be written in JSON. Bytes that print
// in Latin-1 stand for themselves, the other 68 for U+0100 onwards.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tome {

/// The code point that stands for each byte.
const std::array<std::uint32_t, 256>& byte_alphabet();
/// The bytes that a piece spells; nothing when a character is not of the alphabet.
std::optional<std::string> bytes_of_alphabet(std::string_view piece);

}  // namespace tome
