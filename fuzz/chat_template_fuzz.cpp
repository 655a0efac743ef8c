// Any template over a conversation with tools: parsing and rendering end with a text or an error, within their limits.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tome::Json;
  static const Json variables = Json::parse(R"json({
    "messages": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Köln? <b>&'\""},
                 {"role": "assistant", "content": null, "tool_calls": [{"id": "abc123def", "function": {"name": "f", "arguments": {"x": [1, 2.5, true]}}}]},
                 {"role": "tool", "content": "{}"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"type": "array"}}}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "n": 3, "x": null, "l": [3, 1, 2], "s": "Hello World"})json");
  tome::TemplateLimits limits;
  limits.steps = 5000;
  limits.bytes = 1 << 18;
  limits.depth = 200;
  const auto parsed = tome::ChatTemplate::parse(std::string_view(reinterpret_cast<const char*>(data), size), limits);
  if (!parsed) {
    CHECK(!parsed.error().message.empty());
    return 0;
  }
  const auto text = (*parsed)->render(variables);
  CHECK(!text || (tome::is_valid_utf8(*text) && text->size() <= limits.bytes));
  CHECK(text || text.error().message.rfind("[chat template]", 0) == 0);
  return 0;
}
