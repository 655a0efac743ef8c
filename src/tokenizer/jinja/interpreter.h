#pragma once
// Walks a syntax tree and writes the text. One interpreter renders once, on one thread. Everything a template can do is
// counted: steps, bytes made, depth; passing a limit is an error.
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tokenizer/chat_template.h"
#include "tokenizer/jinja/syntax_tree.h"

namespace tome::jinja {

/// The variables of a block; inner scopes see the outer ones and cannot change them.
struct Scope {
  std::shared_ptr<Scope> outer;
  std::unordered_map<std::string, Value> values;
};

class Interpreter {
 public:
  Interpreter(const TemplateLimits& limits, const Value& variables);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  std::string render(const Block& block);

  // For filters and functions.
  /// object.name and object[key]; an undefined value when there is none. Raises on undefined objects.
  Value attribute(const Value& object, const std::string& name, Place place);
  Value item(const Value& object, const Value& key, Place place);
  Value call(const Value& function, const Arguments& arguments);
  /// Counts work done and bytes made. Raises at the limit.
  void charge(std::uint64_t steps, std::uint64_t bytes, Place place);
  /// As Value::of and make_list, counted.
  Value text(std::string text, Place place);
  Value list(std::vector<Value> items, Place place);

 private:
  enum class Flow { on, break_loop, continue_loop };

  /// One level of recursion, of statements, expressions and macro calls together.
  class Depth {
   public:
    Depth(Interpreter& interpreter, Place place) : interpreter_(interpreter) {
      if (++interpreter_.depth_ <= interpreter_.limits_.depth) return;
      --interpreter_.depth_;
      raise(place, "recursion deeper than {}", interpreter_.limits_.depth);
    }
    ~Depth() { --interpreter_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    Interpreter& interpreter_;
  };

  Flow execute(const Block& block, std::string& out);
  Flow execute(const Statement& statement, std::string& out);
  Flow execute_if(const Statement& statement, std::string& out);
  void execute_for(const Statement& statement, const Value& iterable, std::uint32_t depth, std::string& out);
  void execute_set(const Statement& statement);
  void execute_macro(const Statement& statement);
  void execute_call_block(const Statement& statement, std::string& out);
  Flow execute_with(const Statement& statement, std::string& out);
  std::string text_of_block(const Block& block);
  Value filtered_block(const Statement& statement);
  void assign(const std::vector<Target>& targets, bool several, const Value& value);
  std::shared_ptr<const Function> make_macro(const Statement& statement, const std::string& name);
  Value call_macro(const Statement& statement, const std::string& name, const std::shared_ptr<Scope>& scope,
                   const Arguments& arguments);
  void write(std::string_view text, std::string& out, Place place);

  Value evaluate(const Expression& expression);
  Value evaluate_filter(const Expression& expression, const Value* input);
  Value evaluate_name(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_compare(const Expression& expression);
  Value evaluate_binary(const Expression& expression);
  Value evaluate_dict(const Expression& expression);
  Value evaluate_concatenation(const Expression& expression);
  Value evaluate_call(const Expression& expression);
  Arguments evaluate_arguments(const CallArguments& arguments, Place place);
  std::vector<Value> evaluate_all(const std::vector<ExpressionPointer>& expressions);

  /// Runs `body` in a fresh scope over `outer`.
  template <class Body>
  auto in_scope(std::shared_ptr<Scope> outer, Body body);

  TemplateLimits limits_;
  std::uint64_t steps_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint32_t depth_ = 0;
  std::shared_ptr<Scope> scope_;
  std::vector<std::shared_ptr<Scope>>
      scopes_of_macros_;  // a macro refers to its scope, which holds it: untied at the end
};

/// left + right and the other arithmetic operators, as Python. Raises.
Value arithmetic(Interpreter& interpreter, std::string_view symbol, const Value& left, const Value& right, Place place);

}  // namespace tome::jinja
