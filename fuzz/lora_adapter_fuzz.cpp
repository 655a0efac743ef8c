// adapter_config.json, a zero byte, tome_adapter.json, a zero byte, adapter_model.safetensors; for a small llama.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/lora_cases.h"
#include "message_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const tome::ModelConfig base = tome::test::adapter_base();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  tome::fuzz::tell(tome::parse_lora_adapter(tome::test::adapter_bytes(input), "fuzz", base));
  return 0;
}
