#include "tokenizer/jinja/expression_parser.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tokenizer/jinja/builtins.h"

namespace tome::jinja {
namespace {

constexpr std::size_t deepest = 150;
// A chain such as a.b.c.d… nests in the tree without nesting in the parser.
constexpr std::size_t longest_chain = 200;
constexpr std::uint32_t deepest_tree = 400;

void deepen(Expression& parent, const Expression& child) {
  parent.depth = std::max(parent.depth, child.depth + 1);
  if (parent.depth > deepest_tree) raise(parent.place, "an expression nested deeper than {}", deepest_tree);
}

void adopt(Expression& parent, ExpressionPointer child) {
  parent.children.push_back(std::move(child));
  if (parent.children.back()) deepen(parent, *parent.children.back());
}

void adopt_arguments(Expression& call, CallArguments arguments) {
  call.arguments = std::move(arguments);
  for (const auto& argument : call.arguments.positional) deepen(call, *argument);
  for (const auto& [name, argument] : call.arguments.named) deepen(call, *argument);
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::text:
      return "text";
    case TokenKind::expression_begin:
      return "'{{'";
    case TokenKind::expression_end:
      return "'}}'";
    case TokenKind::statement_begin:
      return "'{%'";
    case TokenKind::statement_end:
      return "'%}'";
    case TokenKind::end:
      return "the end of the template";
    default:
      return fmt::format("'{}'", token.text);
  }
}

}  // namespace

ExpressionPointer make_expression(ExpressionKind kind, Place place) {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->place = place;
  return expression;
}

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.depth_ > deepest) {
    --parser_.depth_;
    raise(parser_.token().place, "nested deeper than {}", deepest);
  }
}

void ExpressionParser::unexpected(std::string_view wanted) const {
  raise(token().place, "expected {}, found {}", wanted, describe(token()));
}

bool ExpressionParser::accept_symbol(std::string_view symbol) {
  if (!is_symbol(symbol)) return false;
  advance();
  return true;
}

bool ExpressionParser::accept_name(std::string_view name) {
  if (!is_name(name)) return false;
  advance();
  return true;
}

void ExpressionParser::expect_symbol(std::string_view symbol) {
  if (!accept_symbol(symbol)) unexpected(fmt::format("'{}'", symbol));
}

std::string ExpressionParser::expect_any_name(std::string_view what) {
  if (token().kind != TokenKind::name) unexpected(what);
  return advance().text;
}

void ExpressionParser::expect(TokenKind kind, std::string_view what) {
  if (token().kind != kind) unexpected(what);
  advance();
}

ExpressionPointer ExpressionParser::parse_tuple(bool with_condition) {
  const Place place = token().place;
  ExpressionPointer first = parse_expression(with_condition);
  if (!is_symbol(",")) return first;
  ExpressionPointer tuple = make_expression(ExpressionKind::tuple, place);
  adopt(*tuple, std::move(first));
  while (accept_symbol(",")) {
    const bool ends = token().kind == TokenKind::expression_end || token().kind == TokenKind::statement_end ||
                      is_symbol(")") || is_symbol("=") || is_name("in");
    if (ends) break;
    adopt(*tuple, parse_expression(with_condition));
  }
  return tuple;
}

ExpressionPointer ExpressionParser::parse_expression(bool with_condition) {
  const Nesting nesting(*this);
  ExpressionPointer value = parse_or();
  std::size_t chain = 0;
  while (with_condition && is_name("if")) {
    if (++chain > longest_chain) raise(token().place, "more than {} conditions in a row", longest_chain);
    ExpressionPointer condition = make_expression(ExpressionKind::conditional, advance().place);
    adopt(*condition, std::move(value));
    adopt(*condition, parse_or());
    adopt(*condition, accept_name("else") ? parse_expression() : nullptr);
    value = std::move(condition);
  }
  return value;
}

ExpressionPointer ExpressionParser::parse_or() {
  ExpressionPointer left = parse_and();
  if (!is_name("or")) return left;
  ExpressionPointer whole = make_expression(ExpressionKind::logical_or, token().place);
  adopt(*whole, std::move(left));
  while (accept_name("or")) adopt(*whole, parse_and());
  return whole;
}

ExpressionPointer ExpressionParser::parse_and() {
  ExpressionPointer left = parse_not();
  if (!is_name("and")) return left;
  ExpressionPointer whole = make_expression(ExpressionKind::logical_and, token().place);
  adopt(*whole, std::move(left));
  while (accept_name("and")) adopt(*whole, parse_not());
  return whole;
}

ExpressionPointer ExpressionParser::parse_not() {
  if (!is_name("not")) return parse_comparison();
  const Nesting nesting(*this);
  ExpressionPointer negation = make_expression(ExpressionKind::negate, advance().place);
  adopt(*negation, parse_not());
  return negation;
}

ExpressionPointer ExpressionParser::parse_comparison() {
  ExpressionPointer left = parse_sum();
  ExpressionPointer whole;
  for (;;) {
    std::string name;
    for (const std::string_view symbol : {"==", "!=", "<", "<=", ">", ">="}) {
      if (is_symbol(symbol)) name = symbol;
    }
    if (is_name("in")) name = "in";
    if (is_name("not") && is_name("in", 1)) {
      advance();
      name = "not in";
    }
    if (name.empty()) return whole ? std::move(whole) : std::move(left);
    const Place place = advance().place;
    if (!whole) {
      whole = make_expression(ExpressionKind::compare, place);
      adopt(*whole, std::move(left));
    }
    whole->operators.push_back(std::move(name));
    adopt(*whole, parse_sum());
  }
}

namespace {

/// left-associative operators: the tree grows to the left, so the chain is bounded.
template <class IsOperator, class ParseOperand>
ExpressionPointer parse_chain(ExpressionParser& parser, IsOperator is_operator, ParseOperand parse_operand) {
  ExpressionPointer left = parse_operand();
  for (std::size_t chain = 0; is_operator(); ++chain) {
    if (chain > longest_chain) raise(parser.token().place, "more than {} operators in a row", longest_chain);
    ExpressionPointer whole = make_expression(ExpressionKind::binary, parser.token().place);
    whole->text = parser.advance().text;
    adopt(*whole, std::move(left));
    adopt(*whole, parse_operand());
    left = std::move(whole);
  }
  return left;
}

}  // namespace

ExpressionPointer ExpressionParser::parse_sum() {
  return parse_chain(
      *this, [&] { return is_symbol("+") || is_symbol("-"); }, [&] { return parse_concatenation(); });
}

ExpressionPointer ExpressionParser::parse_concatenation() {
  ExpressionPointer left = parse_product();
  if (!is_symbol("~")) return left;
  ExpressionPointer whole = make_expression(ExpressionKind::concatenate, token().place);
  adopt(*whole, std::move(left));
  while (accept_symbol("~")) adopt(*whole, parse_product());
  return whole;
}

ExpressionPointer ExpressionParser::parse_product() {
  return parse_chain(
      *this, [&] { return is_symbol("*") || is_symbol("/") || is_symbol("//") || is_symbol("%"); },
      [&] { return parse_power(); });
}

ExpressionPointer ExpressionParser::parse_power() {
  return parse_chain(
      *this, [&] { return is_symbol("**"); }, [&] { return parse_unary(true); });
}

ExpressionPointer ExpressionParser::parse_unary(bool with_filters) {
  const Nesting nesting(*this);
  ExpressionPointer operand;
  if (is_symbol("-") || is_symbol("+")) {
    operand = make_expression(is_symbol("-") ? ExpressionKind::minus : ExpressionKind::plus, token().place);
    advance();
    adopt(*operand, parse_unary(false));
  } else {
    operand = parse_primary();
  }
  operand = parse_postfix(std::move(operand));
  return with_filters ? parse_filters(std::move(operand), true) : std::move(operand);
}

ExpressionPointer ExpressionParser::parse_primary() {
  const Place place = token().place;
  if (token().kind == TokenKind::name) {
    const std::string name = advance().text;
    const bool truth = name == "true" || name == "True";
    if (truth || name == "false" || name == "False" || name == "none" || name == "None") {
      ExpressionPointer constant = make_expression(ExpressionKind::constant, place);
      if (name != "none" && name != "None") constant->value = Value::of(truth);
      return constant;
    }
    ExpressionPointer variable = make_expression(ExpressionKind::name, place);
    variable->text = name;
    return variable;
  }
  if (token().kind == TokenKind::string) {
    std::string text;
    while (token().kind == TokenKind::string) text += advance().text;
    ExpressionPointer constant = make_expression(ExpressionKind::constant, place);
    constant->value = Value::of(std::move(text));
    return constant;
  }
  if (token().kind == TokenKind::integer || token().kind == TokenKind::real) {
    ExpressionPointer constant = make_expression(ExpressionKind::constant, place);
    const bool real = token().kind == TokenKind::real;
    const std::string text = advance().text;
    constant->value = real ? Value::of(std::strtod(text.c_str(), nullptr))
                           : Value::of(static_cast<std::int64_t>(std::strtoll(text.c_str(), nullptr, 10)));
    return constant;
  }
  if (is_symbol("(")) return parse_parenthesis();
  if (is_symbol("[")) return parse_list();
  if (is_symbol("{")) return parse_dict();
  unexpected("an expression");
}

ExpressionPointer ExpressionParser::parse_parenthesis() {
  const Place place = advance().place;
  if (accept_symbol(")")) return make_expression(ExpressionKind::tuple, place);
  ExpressionPointer inside = parse_tuple();
  expect_symbol(")");
  return inside;
}

ExpressionPointer ExpressionParser::parse_list() {
  ExpressionPointer list = make_expression(ExpressionKind::list, advance().place);
  while (!is_symbol("]")) {
    if (!list->children.empty()) {
      expect_symbol(",");
      if (is_symbol("]")) break;
    }
    adopt(*list, parse_expression());
  }
  expect_symbol("]");
  return list;
}

ExpressionPointer ExpressionParser::parse_dict() {
  ExpressionPointer dict = make_expression(ExpressionKind::dict, advance().place);
  while (!is_symbol("}")) {
    if (!dict->children.empty()) {
      expect_symbol(",");
      if (is_symbol("}")) break;
    }
    adopt(*dict, parse_expression());
    expect_symbol(":");
    adopt(*dict, parse_expression());
  }
  expect_symbol("}");
  return dict;
}

CallArguments ExpressionParser::parse_arguments() {
  expect_symbol("(");
  CallArguments arguments;
  bool first = true;
  while (!is_symbol(")")) {
    if (!first) {
      expect_symbol(",");
      if (is_symbol(")")) break;
    }
    first = false;
    if (is_symbol("*") || is_symbol("**"))
      raise_unsupported(token().place, "unpacking of arguments with '{}'", token().text);
    if (token().kind == TokenKind::name && is_symbol("=", 1)) {
      std::string name = advance().text;
      advance();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (!arguments.named.empty()) unexpected("a named argument");
      arguments.positional.push_back(parse_expression());
    }
  }
  expect_symbol(")");
  return arguments;
}

ExpressionPointer ExpressionParser::parse_subscript(ExpressionPointer operand) {
  const Place place = advance().place;
  ExpressionPointer parts[3];
  bool slice = false;
  int filled = 0;
  while (!is_symbol("]")) {
    if (accept_symbol(":")) {
      slice = true;
      if (++filled > 2) unexpected("']'");
    } else if (parts[filled]) {
      unexpected("']'");
    } else {
      parts[filled] = parse_expression();
    }
  }
  if (!slice && !parts[0]) unexpected("an expression");
  expect_symbol("]");
  ExpressionPointer subscript = make_expression(slice ? ExpressionKind::slice : ExpressionKind::subscript, place);
  adopt(*subscript, std::move(operand));
  for (int at = 0; at < (slice ? 3 : 1); ++at) adopt(*subscript, std::move(parts[at]));
  return subscript;
}

ExpressionPointer ExpressionParser::parse_postfix(ExpressionPointer operand) {
  for (std::size_t chain = 0;; ++chain) {
    if (chain > longest_chain) raise(token().place, "more than {} subscripts in a row", longest_chain);
    if (is_symbol("[")) {
      operand = parse_subscript(std::move(operand));
    } else if (is_symbol("(")) {
      ExpressionPointer call = make_expression(ExpressionKind::call, token().place);
      adopt(*call, std::move(operand));
      adopt_arguments(*call, parse_arguments());
      operand = std::move(call);
    } else if (is_symbol(".")) {
      advance();
      const Place place = token().place;
      ExpressionPointer whole;
      if (token().kind == TokenKind::integer) {
        whole = make_expression(ExpressionKind::subscript, place);
        adopt(*whole, std::move(operand));
        adopt(*whole, make_expression(ExpressionKind::constant, place));
        whole->children[1]->value =
            Value::of(static_cast<std::int64_t>(std::strtoll(advance().text.c_str(), nullptr, 10)));
      } else {
        whole = make_expression(ExpressionKind::attribute, place);
        whole->text = expect_any_name("an attribute's name");
        adopt(*whole, std::move(operand));
      }
      operand = std::move(whole);
    } else {
      return operand;
    }
  }
}

ExpressionPointer ExpressionParser::parse_filters(ExpressionPointer operand, bool first_pipe_is_there) {
  for (std::size_t chain = 0;; ++chain) {
    if (chain > longest_chain) raise(token().place, "more than {} filters in a row", longest_chain);
    if (!first_pipe_is_there || is_symbol("|")) {
      if (first_pipe_is_there) advance();
      first_pipe_is_there = true;
      ExpressionPointer filter = make_expression(ExpressionKind::filter, token().place);
      filter->text = expect_any_name("a filter's name");
      if (find_filter(filter->text) == nullptr) raise_unsupported(filter->place, "unknown filter '{}'", filter->text);
      adopt(*filter, std::move(operand));
      if (is_symbol("(")) adopt_arguments(*filter, parse_arguments());
      operand = std::move(filter);
    } else if (is_name("is")) {
      operand = parse_test(std::move(operand));
    } else if (is_symbol("(")) {
      ExpressionPointer call = make_expression(ExpressionKind::call, token().place);
      adopt(*call, std::move(operand));
      adopt_arguments(*call, parse_arguments());
      operand = std::move(call);
    } else {
      return operand;
    }
  }
}

ExpressionPointer ExpressionParser::parse_test(ExpressionPointer operand) {
  advance();
  const bool negated = accept_name("not");
  ExpressionPointer test = make_expression(ExpressionKind::test, token().place);
  test->text = expect_any_name("a test's name");
  if (find_test(test->text) == nullptr) raise_unsupported(test->place, "unknown test '{}'", test->text);
  adopt(*test, std::move(operand));
  const bool word = token().kind == TokenKind::name && !is_name("else") && !is_name("or") && !is_name("and") &&
                    !is_name("if") && !is_name("in") && !is_name("not") && !is_name("is");
  const bool literal = token().kind == TokenKind::string || token().kind == TokenKind::integer ||
                       token().kind == TokenKind::real || is_symbol("[") || is_symbol("{");
  if (is_symbol("(")) {
    adopt_arguments(*test, parse_arguments());
  } else if (word || literal) {
    const Nesting nesting(*this);
    CallArguments arguments;
    arguments.positional.push_back(parse_postfix(parse_primary()));
    adopt_arguments(*test, std::move(arguments));
  }
  if (!negated) return test;
  ExpressionPointer negation = make_expression(ExpressionKind::negate, test->place);
  adopt(*negation, std::move(test));
  return negation;
}

}  // namespace tome::jinja
