#include "tokenizer/jinja/parser.h"

#include <algorithm>
#include <initializer_list>

#include "tokenizer/jinja/expression_parser.h"
#include "tokenizer/jinja/lexer.h"

namespace tome::jinja {
namespace {

using StatementPointer = std::unique_ptr<Statement>;

class TemplateParser {
 public:
  explicit TemplateParser(std::vector<Token> tokens) : parser_(std::move(tokens)) {}

  Block parse() {
    Block block = parse_block({});
    if (parser_.token().kind != TokenKind::end) parser_.unexpected("the end of the template");
    return block;
  }

 private:
  static StatementPointer make(StatementKind kind, Place place) {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->place = place;
    return statement;
  }

  void end_tag() { parser_.expect(TokenKind::statement_end, "'%}'"); }

  /// Statements up to one of `enders`, whose name is left as the current token.
  Block parse_block(std::initializer_list<std::string_view> enders) {
    const ExpressionParser::Nesting nesting(parser_);
    Block block;
    for (;;) {
      const Token& token = parser_.token();
      if (token.kind == TokenKind::end) {
        if (enders.size() != 0) parser_.unexpected(fmt::format("{{% {} %}}", *(enders.end() - 1)));
        return block;
      }
      if (token.kind == TokenKind::text) {
        block.push_back(make(StatementKind::text, token.place));
        block.back()->name = parser_.advance().text;
      } else if (token.kind == TokenKind::expression_begin) {
        block.push_back(make(StatementKind::output, parser_.advance().place));
        block.back()->expression = parser_.parse_tuple();
        parser_.expect(TokenKind::expression_end, "'}}'");
      } else {
        parser_.advance();
        const Token& name = parser_.token();
        if (name.kind == TokenKind::name && std::find(enders.begin(), enders.end(), name.text) != enders.end())
          return block;
        block.push_back(parse_statement());
      }
    }
  }

  /// The end of a block: its name, which parse_block has seen, then '%}'.
  void finish() {
    parser_.advance();
    end_tag();
  }

  StatementPointer parse_statement() {
    const Place place = parser_.token().place;
    const std::string name = parser_.expect_any_name("a statement's name");
    if (name == "if") return parse_if(place);
    if (name == "for") return parse_for(place);
    if (name == "set") return parse_set(place);
    if (name == "macro") return parse_macro(place);
    if (name == "call") return parse_call_block(place);
    if (name == "filter") return parse_filter_block(place);
    if (name == "with") return parse_with(place);
    if (name == "generation") return parse_generation(place);
    if (name == "break" || name == "continue") {
      if (loops_ == 0) raise(place, "'{}' outside a loop", name);
      end_tag();
      return make(name == "break" ? StatementKind::break_ : StatementKind::continue_, place);
    }
    if (name.substr(0, 3) == "end" || name == "else" || name == "elif") raise(place, "'{}' closes nothing here", name);
    raise_unsupported(place, "unknown statement '{}'", name);
  }

  StatementPointer parse_if(Place place) {
    StatementPointer statement = make(StatementKind::if_, place);
    bool conditional = true;
    for (;;) {
      Branch branch;
      if (conditional) branch.condition = parser_.parse_tuple();
      end_tag();
      branch.body = conditional ? parse_block({"elif", "else", "endif"}) : parse_block({"endif"});
      statement->branches.push_back(std::move(branch));
      const std::string ender = parser_.advance().text;
      if (ender == "endif") break;
      conditional = ender == "elif";
    }
    end_tag();
    return statement;
  }

  Target parse_name_target() {
    Target target;
    target.place = parser_.token().place;
    target.name = parser_.expect_any_name("a variable's name");
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (target.name == constant) raise(target.place, "cannot assign to '{}'", constant);
    }
    return target;
  }

  void parse_targets(Statement& statement, std::string_view ender) {
    const bool bracket = parser_.accept_symbol("(");
    statement.targets.push_back(parse_name_target());
    while (parser_.accept_symbol(",")) {
      statement.several_targets = true;
      if (parser_.is_name(ender) || parser_.is_symbol(ender) || parser_.is_symbol(")")) break;
      statement.targets.push_back(parse_name_target());
    }
    if (bracket) parser_.expect_symbol(")");
  }

  StatementPointer parse_for(Place place) {
    StatementPointer statement = make(StatementKind::for_, place);
    parse_targets(*statement, "in");
    if (!parser_.accept_name("in")) parser_.unexpected("'in'");
    statement->expression = parser_.parse_tuple(false);
    if (parser_.accept_name("if")) statement->filter = parser_.parse_expression();
    statement->recursive = parser_.accept_name("recursive");
    end_tag();
    ++loops_;
    statement->body = parse_block({"else", "endfor"});
    --loops_;
    if (parser_.is_name("else")) {
      finish();
      statement->otherwise = parse_block({"endfor"});
    }
    finish();
    return statement;
  }

  StatementPointer parse_set(Place place) {
    StatementPointer statement = make(StatementKind::set, place);
    if (parser_.token().kind == TokenKind::name && parser_.is_symbol(".", 1)) {
      Target target = parse_name_target();
      parser_.advance();
      target.attribute = parser_.expect_any_name("an attribute's name");
      statement->targets.push_back(std::move(target));
    } else {
      parse_targets(*statement, "=");
    }
    if (parser_.accept_symbol("=")) {
      statement->expression = parser_.parse_tuple();
      end_tag();
      return statement;
    }
    statement->kind = StatementKind::set_block;
    if (statement->several_targets) raise(place, "a block can be assigned to one name only");
    if (parser_.accept_symbol("|")) statement->expression = parser_.parse_filters(body_of_block(place), false);
    end_tag();
    statement->body = parse_inside({"endset"});
    finish();
    return statement;
  }

  /// Stands for the text of a block that filters are applied to.
  static ExpressionPointer body_of_block(Place place) { return make_expression(ExpressionKind::name, place); }

  /// A body that break and continue cannot leave.
  Block parse_inside(std::initializer_list<std::string_view> enders) {
    const int outer = loops_;
    loops_ = 0;
    Block block = parse_block(enders);
    loops_ = outer;
    return block;
  }

  void parse_parameters(Statement& statement) {
    parser_.expect_symbol("(");
    while (!parser_.is_symbol(")")) {
      if (!statement.parameters.empty()) parser_.expect_symbol(",");
      Parameter parameter;
      parameter.name = parse_name_target().name;
      if (parser_.accept_symbol("=")) {
        parameter.value = parser_.parse_expression();
      } else if (!statement.parameters.empty() && statement.parameters.back().value) {
        parser_.unexpected("'=': a parameter after one with a default needs one too");
      }
      statement.parameters.push_back(std::move(parameter));
    }
    parser_.expect_symbol(")");
  }

  StatementPointer parse_macro(Place place) {
    StatementPointer statement = make(StatementKind::macro, place);
    statement->name = parse_name_target().name;
    parse_parameters(*statement);
    end_tag();
    statement->body = parse_inside({"endmacro"});
    finish();
    return statement;
  }

  StatementPointer parse_call_block(Place place) {
    StatementPointer statement = make(StatementKind::call_block, place);
    if (parser_.is_symbol("(")) parse_parameters(*statement);
    statement->expression = parser_.parse_expression();
    if (statement->expression->kind != ExpressionKind::call) raise(place, "'call' asks for a call of a macro");
    end_tag();
    statement->body = parse_inside({"endcall"});
    finish();
    return statement;
  }

  StatementPointer parse_filter_block(Place place) {
    StatementPointer statement = make(StatementKind::filter_block, place);
    statement->expression = parser_.parse_filters(body_of_block(place), false);
    end_tag();
    statement->body = parse_inside({"endfilter"});
    finish();
    return statement;
  }

  StatementPointer parse_with(Place place) {
    StatementPointer statement = make(StatementKind::with, place);
    while (parser_.token().kind != TokenKind::statement_end) {
      if (!statement->parameters.empty()) parser_.expect_symbol(",");
      Parameter parameter;
      parameter.name = parse_name_target().name;
      parser_.expect_symbol("=");
      parameter.value = parser_.parse_expression();
      statement->parameters.push_back(std::move(parameter));
    }
    end_tag();
    statement->body = parse_block({"endwith"});
    finish();
    return statement;
  }

  StatementPointer parse_generation(Place place) {
    StatementPointer statement = make(StatementKind::scope, place);
    end_tag();
    statement->body = parse_inside({"endgeneration"});
    finish();
    return statement;
  }

  ExpressionParser parser_;
  int loops_ = 0;
};

}  // namespace

Block parse_template(std::string_view source) { return TemplateParser(tokenize_template(source)).parse(); }

}  // namespace tome::jinja
