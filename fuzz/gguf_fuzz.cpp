// GGUF bytes → metadata, tensor table, model: everything that open_model_file does with an untrusted file.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_model.h"
#include "message_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto file = tome::parse_gguf(std::as_bytes(std::span(data, size)), "fuzz");
  tome::fuzz::tell(file);
  if (!file) return 0;
  std::vector<tome::GgufFile> parts;
  parts.push_back(std::move(*file));
  tome::fuzz::tell(tome::model_from_gguf(parts));
  return 0;
}
