#pragma once
// Chat templates: an interpreter for the Jinja that model files use. An unknown construct is a clear error with line and
// column, never another family's format in silence.
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace tome {

class ChatTemplate {
 public:
  /// trim_blocks and lstrip_blocks are on, as in Transformers. Errors: unsupported or format with line and column.
  static Result<std::shared_ptr<const ChatTemplate>> parse(std::string_view source);
  virtual ~ChatTemplate() = default;
  /// variables: {"messages": [{"role": …, "content": …}], "add_generation_prompt": true, "bos_token": …, "eos_token": …}.
  /// Errors: format: what the template raised (raise_exception), undefined uses, limits (steps, output size, depth).
  virtual Result<std::string> render(const Json& variables) const = 0;
};

}  // namespace tome
