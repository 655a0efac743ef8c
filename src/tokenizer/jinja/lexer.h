#pragma once
// Cuts a template into text, statements and expressions, and those into tokens, applying white-space control on the
// way: trim_blocks and lstrip_blocks are on, {%- and -%} strip, {%+ and +%} keep.
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja/template_error.h"

namespace tome::jinja {

enum class TokenKind {
  text,
  expression_begin,
  expression_end,
  statement_begin,
  statement_end,
  name,
  string,
  integer,
  real,
  symbol,
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  ///< text and strings: the contents; names and symbols: as written; numbers: without underscores
  Place place;
};

/// Raises TemplateError. `source` is valid UTF-8.
std::vector<Token> tokenize_template(std::string_view source);

}  // namespace tome::jinja
