#pragma once
// The three classes that pre-tokenisers ask for: \p{L}, \p{N} and \s (White_Space). The table is built once from ICU
// (1.1 MB); reading it is free of locks.
#include <cstdint>

namespace tome {

enum class CharacterClass : std::uint8_t { other, letter, number, space };

/// 0x110000 entries.
const CharacterClass* character_classes();

}  // namespace tome
