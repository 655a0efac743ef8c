#include "evaluation/choice_letter.h"

namespace tome {

using python::Text;
using python::TextView;

std::optional<char> choice_letter(TextView response) {
  const Text plain = python::replace(response, U"*", U"");
  constexpr TextView sentence = U"The correct answer is ";
  std::optional<char> bare;
  for (std::size_t at = plain.find(sentence); at != Text::npos; at = plain.find(sentence, at + 1)) {
    const TextView rest = TextView(plain).substr(at + sentence.size());
    const auto is_letter = [&](std::size_t place) {
      return place < rest.size() && rest[place] >= U'A' && rest[place] <= U'D';
    };
    if (rest.size() >= 3 && rest[0] == U'(' && is_letter(1) && rest[2] == U')') return static_cast<char>(rest[1]);
    if (!bare && is_letter(0)) bare = static_cast<char>(rest[0]);
  }
  return bare;
}

}  // namespace tome
