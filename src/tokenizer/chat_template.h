#pragma once
// Chat templates: an interpreter for the Jinja that model files use. An unknown construct is a clear error with line
// and column, never another family's format in silence. A parsed template is immutable: any thread may render it.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace tome {

/// What one rendering may use; a template comes from a stranger.
struct TemplateLimits {
  std::uint64_t steps = 20'000'000;              ///< statements, expressions, items visited
  std::uint64_t bytes = std::uint64_t{1} << 30;  ///< of all strings and lists made on the way, output included
  std::uint32_t depth = 600;                     ///< of nested statements, expressions and macro calls
};

class ChatTemplate {
 public:
  /// trim_blocks and lstrip_blocks are on, as in Transformers. Errors: unsupported or format with line and column.
  static Result<std::shared_ptr<const ChatTemplate>> parse(std::string_view source, const TemplateLimits& limits = {});
  virtual ~ChatTemplate() = default;
  /// variables: {"messages": [{"role": …, "content": …}], "add_generation_prompt": true, "bos_token": …, "eos_token":
  /// …}. Errors: format: what the template raised (raise_exception), undefined uses, limits (steps, output size,
  /// depth).
  virtual Result<std::string> render(const Json& variables) const = 0;
  /// As render, keeping the order of keys: tojson of a tool writes them as the user did (Json sorts them).
  virtual Result<std::string> render_ordered(const nlohmann::ordered_json& variables) const = 0;
};

}  // namespace tome
