#pragma once
// What the parser makes of a template and the interpreter walks. Plain data, immutable after parsing.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/jinja/template_error.h"
#include "tokenizer/jinja/value.h"

namespace tome::jinja {

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

enum class ExpressionKind {
  constant,     // value
  name,         // text
  list,         // children
  tuple,        // children
  dict,         // children: key, value, key, value …
  attribute,    // children[0] . text
  subscript,    // children[0] [ children[1] ]
  slice,        // children[0] [ children[1] : children[2] : children[3] ], any of 1 to 3 may be null
  call,         // children[0] ( arguments )
  filter,       // children[0] | text ( arguments )
  test,         // children[0] is text ( arguments )
  negate,       // not children[0]
  minus,        // -children[0]
  plus,         // +children[0]
  binary,       // children[0] text children[1]: + - * / // % **
  concatenate,  // children joined as text
  compare,      // children[0] operators[0] children[1] operators[1] children[2] …
  logical_and,
  logical_or,
  conditional,  // children[0] if children[1] else children[2], which may be null
};

struct CallArguments {
  std::vector<ExpressionPointer> positional;
  std::vector<std::pair<std::string, ExpressionPointer>> named;
};

struct Expression {
  ExpressionKind kind = ExpressionKind::constant;
  Place place;
  std::uint32_t depth = 1;  ///< of the tree below, itself included; bounded by the parser
  Value value;
  std::string text;
  std::vector<ExpressionPointer> children;
  std::vector<std::string> operators;
  CallArguments arguments;
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

enum class StatementKind {
  text,          // name holds the text
  output,        // expression
  if_,           // branches
  for_,          // targets in expression: filter may be null; body, otherwise
  set,           // targets = expression
  set_block,     // targets[0] = body, through expression (filters over a name "") when not null
  macro,         // name, parameters, body
  call_block,    // expression is the call; parameters and body are the caller
  filter_block,  // expression over a name ""; body
  with,          // parameters with values; body
  scope,         // body in a scope of its own ({% generation %})
  break_,
  continue_,
};

/// A name, or name.attribute of a namespace.
struct Target {
  std::string name;
  std::string attribute;
  Place place;
};

struct Branch {
  ExpressionPointer condition;  ///< null: else
  Block body;
};

struct Parameter {
  std::string name;
  ExpressionPointer value;  ///< the default; null when there is none
};

struct Statement {
  StatementKind kind = StatementKind::text;
  Place place;
  std::string name;
  ExpressionPointer expression;
  ExpressionPointer filter;
  std::vector<Target> targets;
  bool several_targets = false;  ///< `for a, in …`: unpack even when there is one
  bool recursive = false;
  std::vector<Branch> branches;
  std::vector<Parameter> parameters;
  Block body;
  Block otherwise;
};

}  // namespace tome::jinja
