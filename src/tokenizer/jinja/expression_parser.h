#pragma once
// Expressions, by recursive descent in Jinja's order of precedence: condition, or, and, not, comparison, + -, ~,
// * / // %, **, unary, then postfix (calls, subscripts, filters, tests).
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja/lexer.h"
#include "tokenizer/jinja/syntax_tree.h"

namespace tome::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  /// A condition, or a tuple of them when a comma follows.
  ExpressionPointer parse_tuple(bool with_condition = true);
  ExpressionPointer parse_expression(bool with_condition = true);
  /// `| name(arguments) | …` over the given expression.
  ExpressionPointer parse_filters(ExpressionPointer operand, bool first_pipe_is_there);
  CallArguments parse_arguments();

  const Token& token(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& advance() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is_symbol(std::string_view symbol, std::size_t ahead = 0) const {
    return token(ahead).kind == TokenKind::symbol && token(ahead).text == symbol;
  }
  bool is_name(std::string_view name, std::size_t ahead = 0) const {
    return token(ahead).kind == TokenKind::name && token(ahead).text == name;
  }
  bool accept_symbol(std::string_view symbol);
  bool accept_name(std::string_view name);
  void expect_symbol(std::string_view symbol);
  std::string expect_any_name(std::string_view what);
  void expect(TokenKind kind, std::string_view what);
  [[noreturn]] void unexpected(std::string_view wanted) const;

  /// Guards the recursion of everything that is parsed.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

 private:
  ExpressionPointer parse_or();
  ExpressionPointer parse_and();
  ExpressionPointer parse_not();
  ExpressionPointer parse_comparison();
  ExpressionPointer parse_sum();
  ExpressionPointer parse_concatenation();
  ExpressionPointer parse_product();
  ExpressionPointer parse_power();
  ExpressionPointer parse_unary(bool with_filters);
  ExpressionPointer parse_primary();
  ExpressionPointer parse_postfix(ExpressionPointer operand);
  ExpressionPointer parse_subscript(ExpressionPointer operand);
  ExpressionPointer parse_test(ExpressionPointer operand);
  ExpressionPointer parse_list();
  ExpressionPointer parse_dict();
  ExpressionPointer parse_parenthesis();

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

ExpressionPointer make_expression(ExpressionKind kind, Place place);

}  // namespace tome::jinja
