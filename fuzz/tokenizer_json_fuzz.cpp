// tokenizer.json, and after zero bytes tokenizer_config.json and chat_template.jinja.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/hf_tokenizer.h"
#include "message_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size), texts[3];
  for (std::string_view& text : texts) {
    const std::size_t end = rest.find('\0');
    text = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  // As the cases in tests/formats/hf_cases.h.
  constexpr std::uint32_t vocabulary = 270;
  tome::fuzz::tell(
      tome::parse_hf_tokenizer({"fuzz", texts[0], texts[1], texts[2]}, {.vocabulary = vocabulary, .ends = {}}));
  return 0;
}
