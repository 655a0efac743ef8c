#pragma once
// Tokens → syntax tree. Unknown statements, filters and tests are errors here, with line and column, not at run time.
#include <string_view>

#include "tokenizer/jinja/syntax_tree.h"

namespace tome::jinja {

/// Raises TemplateError. `source` is valid UTF-8.
Block parse_template(std::string_view source);

}  // namespace tome::jinja
