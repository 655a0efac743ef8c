// safetensors bytes; input that starts with '{' is read as model.safetensors.index.json.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/safetensors.h"
#include "message_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0 && (data[0] == '{' || data[0] == '['))
    tome::fuzz::tell(tome::parse_safetensors_index({reinterpret_cast<const char*>(data), size}, "fuzz"));
  else
    tome::fuzz::tell(tome::parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz"));
  return 0;
}
