#include "formats/printable.h"

#include <fmt/format.h>

namespace tome {

std::string printable(std::string_view text, std::size_t limit) {
  std::string result;
  for (const char character : text.substr(0, limit)) {
    const auto code = static_cast<unsigned char>(character);
    if (code >= 0x20 && code < 0x7f)
      result += character;
    else
      result += fmt::format("\\x{:02x}", code);
  }
  if (text.size() > limit) result += fmt::format("…({} bytes)", text.size());
  return result;
}

}  // namespace tome
