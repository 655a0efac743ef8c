#include "tokenizer/unicode_class.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <vector>

namespace tome {
namespace {

constexpr std::uint32_t letters = U_GC_L_MASK;
constexpr std::uint32_t numbers = U_GC_N_MASK;

std::vector<CharacterClass> build_classes() {
  std::vector<CharacterClass> classes(0x110000, CharacterClass::other);
  const auto fill_range = [](const void* context, UChar32 begin, UChar32 end, UCharCategory category) -> UBool {
    auto& table = *static_cast<std::vector<CharacterClass>*>(const_cast<void*>(context));
    const std::uint32_t mask = 1u << static_cast<unsigned>(category);
    const CharacterClass value = (mask & letters) != 0   ? CharacterClass::letter
                                 : (mask & numbers) != 0 ? CharacterClass::number
                                                         : CharacterClass::other;
    std::fill(table.begin() + begin, table.begin() + end, value);
    return true;
  };
  u_enumCharTypes(fill_range, &classes);
  // White_Space lies in two blocks and a handful of single characters.
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
