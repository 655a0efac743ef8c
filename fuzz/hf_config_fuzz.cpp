// config.json, as a decoder's and as an encoder's, and after a zero byte generation_config.json.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/hf_config.h"
#include "formats/hf_encoder_config.h"
#include "message_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\0');
  tome::fuzz::tell(tome::parse_hf_config(input.substr(0, end), "fuzz"));
  tome::fuzz::tell(tome::parse_hf_encoder_config(input.substr(0, end), "fuzz"));
  if (end != std::string_view::npos) tome::fuzz::tell(tome::parse_hf_generation_config(input.substr(end + 1), "fuzz"));
  return 0;
}
