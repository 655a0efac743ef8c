#include "tokenizer/unicode_class.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <vector>

namespace tome {
namespace {

struct Range {
  std::uint32_t first, last;
  CharacterClass kind;
};

constexpr auto L = CharacterClass::letter;
constexpr auto N = CharacterClass::number;

/// Characters of Unicode 15.1 and 16, which the reference tokenizers know and older ICUs call unassigned.
constexpr Range since_unicode_15[] = {
    {0x1C89, 0x1C8A, L},   {0xA7CB, 0xA7CD, L},   {0xA7DA, 0xA7DC, L},   {0x105C0, 0x105F3, L}, {0x10D40, 0x10D49, N},
    {0x10D4A, 0x10D65, L}, {0x10D6F, 0x10D85, L}, {0x10EC2, 0x10EC4, L}, {0x11380, 0x11389, L}, {0x1138B, 0x1138B, L},
    {0x1138E, 0x1138E, L}, {0x11390, 0x113B5, L}, {0x113B7, 0x113B7, L}, {0x113D1, 0x113D1, L}, {0x113D3, 0x113D3, L},
    {0x116D0, 0x116E3, N}, {0x11BC0, 0x11BE0, L}, {0x11BF0, 0x11BF9, N}, {0x13460, 0x143FA, L}, {0x16100, 0x1611D, L},
    {0x16130, 0x16139, N}, {0x16D40, 0x16D6C, L}, {0x16D70, 0x16D79, N}, {0x18CFF, 0x18CFF, L}, {0x1CCF0, 0x1CCF9, N},
    {0x1E5D0, 0x1E5ED, L}, {0x1E5F0, 0x1E5F0, L}, {0x1E5F1, 0x1E5FA, N}, {0x2EBF0, 0x2EE5D, L},
};

std::vector<CharacterClass> build_classes() {
  std::vector<CharacterClass> classes(0x110000, CharacterClass::other);
  const auto fill_range = [](const void* context, UChar32 begin, UChar32 end, UCharCategory category) -> UBool {
    auto& table = *static_cast<std::vector<CharacterClass>*>(const_cast<void*>(context));
    const std::uint32_t mask = 1u << static_cast<unsigned>(category);
    const CharacterClass value = (mask & U_GC_L_MASK) != 0   ? CharacterClass::letter
                                 : (mask & U_GC_N_MASK) != 0 ? CharacterClass::number
                                                             : CharacterClass::other;
    std::fill(table.begin() + begin, table.begin() + end, value);
    return true;
  };
  u_enumCharTypes(fill_range, &classes);
  for (const Range& range : since_unicode_15)
    std::fill(classes.begin() + range.first, classes.begin() + range.last + 1, range.kind);
  // White_Space lies below U+3001.
  for (UChar32 code_point = 0; code_point <= 0x3000; ++code_point) {
    if (u_isUWhiteSpace(code_point)) classes[static_cast<std::size_t>(code_point)] = CharacterClass::space;
  }
  return classes;
}

}  // namespace

const CharacterClass* character_classes() {
  static const std::vector<CharacterClass> classes = build_classes();
  return classes.data();
}

}  // namespace tome
