#include "tokenizer/jinja/interpreter.h"

#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/text.h"

namespace tome::jinja {

template <class Body>
auto Interpreter::in_scope(std::shared_ptr<Scope> outer, Body body) {
  struct Restore {
    std::shared_ptr<Scope>& place;
    std::shared_ptr<Scope> before;
    ~Restore() { place = std::move(before); }
  };
  auto fresh = std::make_shared<Scope>();
  fresh->outer = std::move(outer);
  const Restore restore{scope_, scope_};
  scope_ = std::move(fresh);
  return body();
}

Interpreter::Interpreter(const TemplateLimits& limits, const Value& variables)
    : limits_(limits), scope_(std::make_shared<Scope>()) {
  if (!variables.is_dict()) return;
  for (const auto& [name, value] : variables.dict().items) scope_->values.emplace(name.text(), value);
  // Assignments of the template hide variables, they do not replace them.
  auto top = std::make_shared<Scope>();
  top->outer = scope_;
  scope_ = std::move(top);
}

Interpreter::~Interpreter() {
  for (const auto& scope : scopes_of_macros_) scope->values.clear();
}

std::string Interpreter::render(const Block& block) {
  std::string out;
  execute(block, out);
  return out;
}

void Interpreter::charge(std::uint64_t steps, std::uint64_t bytes, Place place) {
  steps_ += steps;
  bytes_ += bytes;
  if (steps_ > limits_.steps) raise(place, "the template does more than {} steps", limits_.steps);
  if (bytes_ > limits_.bytes) raise(place, "the template makes more than {} bytes", limits_.bytes);
}

Value Interpreter::text(std::string text, Place place) {
  charge(1, text.size(), place);
  return Value::of(std::move(text));
}

Value Interpreter::list(std::vector<Value> items, Place place) {
  charge(items.size(), items.size() * sizeof(Value), place);
  return make_list(std::move(items), place);
}

void Interpreter::write(std::string_view text, std::string& out, Place place) {
  charge(1, text.size(), place);
  out += text;
}

// ---- statements

Interpreter::Flow Interpreter::execute(const Block& block, std::string& out) {
  for (const auto& statement : block) {
    const Flow flow = execute(*statement, out);
    if (flow != Flow::on) return flow;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::execute(const Statement& statement, std::string& out) {
  const Depth depth(*this, statement.place);
  charge(1, 0, statement.place);
  switch (statement.kind) {
    case StatementKind::text:
      write(statement.name, out, statement.place);
      return Flow::on;
    case StatementKind::output: {
      const Value value = evaluate(*statement.expression);
      write(value.is_text() ? value.text() : to_text(value), out, statement.place);
      return Flow::on;
    }
    case StatementKind::if_:
      return execute_if(statement, out);
    case StatementKind::for_:
      execute_for(statement, evaluate(*statement.expression), 1, out);
      return Flow::on;
    case StatementKind::set:
      execute_set(statement);
      return Flow::on;
    case StatementKind::set_block:
      assign(statement.targets, false, filtered_block(statement));
      return Flow::on;
    case StatementKind::macro:
      execute_macro(statement);
      return Flow::on;
    case StatementKind::call_block:
      execute_call_block(statement, out);
      return Flow::on;
    case StatementKind::filter_block:
      write(to_text(filtered_block(statement)), out, statement.place);
      return Flow::on;
    case StatementKind::with:
      return execute_with(statement, out);
    case StatementKind::scope:
      return in_scope(scope_, [&] { return execute(statement.body, out); });
    case StatementKind::break_:
      return Flow::break_loop;
    case StatementKind::continue_:
      return Flow::continue_loop;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::execute_if(const Statement& statement, std::string& out) {
  for (const Branch& branch : statement.branches) {
    if (!branch.condition || evaluate(*branch.condition).truth()) return execute(branch.body, out);
  }
  return Flow::on;
}

void Interpreter::execute_for(const Statement& statement, const Value& iterable, std::uint32_t depth,
                              std::string& out) {
  auto items = iterate(iterable, statement.expression->place);
  charge(items->items.size(), 0, statement.place);
  if (statement.filter) {
    auto kept = std::make_shared<List>();
    for (const Value& item : items->items) {
      const bool keeps = in_scope(scope_, [&] {
        assign(statement.targets, statement.several_targets, item);
        return evaluate(*statement.filter).truth();
      });
      if (keeps) kept->items.push_back(item);
    }
    items = std::move(kept);
  }
  if (items->items.empty()) {
    in_scope(scope_, [&] { return execute(statement.otherwise, out); });
    return;
  }
  auto loop = std::make_shared<Loop>();
  loop->items = items;
  loop->depth = depth;
  loop->last_seen = std::make_shared<Value>(Value::undefined(""));
  if (statement.recursive) {
    loop->recurse = std::make_shared<const Function>(
        Function{"loop", [&statement, depth](Interpreter& interpreter, const Arguments& arguments) {
                   arguments.expect("loop", 1, {});
                   if (arguments.positional.empty()) raise(arguments.place, "loop() asks for what to iterate over");
                   std::string inner;
                   const Depth level(interpreter, arguments.place);
                   interpreter.execute_for(statement, arguments.positional[0], depth + 1, inner);
                   return interpreter.text(std::move(inner), arguments.place);
                 }});
  }
  for (; loop->index < items->items.size(); ++loop->index) {
    const Flow flow = in_scope(scope_, [&] {
      scope_->values["loop"] = Value::of(loop);
      assign(statement.targets, statement.several_targets, items->items[loop->index]);
      return execute(statement.body, out);
    });
    if (flow == Flow::break_loop) break;
  }
}

void Interpreter::assign(const std::vector<Target>& targets, bool several, const Value& value) {
  if (!several) {
    const Target& target = targets.front();
    if (target.attribute.empty()) {
      scope_->values[target.name] = value;
      return;
    }
    Expression name;
    name.kind = ExpressionKind::name;
    name.place = target.place;
    name.text = target.name;
    const Value space = evaluate(name);
    if (!space.is_namespace()) raise(target.place, "'{}' is no namespace: its attributes cannot be set", target.name);
    if (value.is_namespace() || value.is_function() || value.is_loop())
      raise_unsupported(target.place, "a {} inside a namespace", value.type_name());
    space.name_space().values[target.attribute] = value;
    return;
  }
  const auto items = iterate(value, targets.front().place);
  if (items->items.size() != targets.size())
    raise(targets.front().place, "{} values for {} names", items->items.size(), targets.size());
  for (std::size_t at = 0; at < targets.size(); ++at) scope_->values[targets[at].name] = items->items[at];
}

void Interpreter::execute_set(const Statement& statement) {
  assign(statement.targets, statement.several_targets, evaluate(*statement.expression));
}

std::string Interpreter::text_of_block(const Block& block) {
  std::string text;
  in_scope(scope_, [&] { return execute(block, text); });
  return text;
}

Value Interpreter::filtered_block(const Statement& statement) {
  const Value text = this->text(text_of_block(statement.body), statement.place);
  return statement.expression ? evaluate_filter(*statement.expression, &text) : text;
}

std::shared_ptr<const Function> Interpreter::make_macro(const Statement& statement, const std::string& name) {
  if (scopes_of_macros_.empty() || scopes_of_macros_.back() != scope_) scopes_of_macros_.push_back(scope_);
  return std::make_shared<const Function>(
      Function{name, [&statement, name, scope = scope_](Interpreter& interpreter, const Arguments& arguments) {
                 return interpreter.call_macro(statement, name, scope, arguments);
               }});
}

void Interpreter::execute_macro(const Statement& statement) {
  scope_->values[statement.name] = Value::of(make_macro(statement, statement.name));
}

Value Interpreter::call_macro(const Statement& statement, const std::string& name, const std::shared_ptr<Scope>& scope,
                              const Arguments& arguments) {
  const Depth depth(*this, arguments.place);
  return in_scope(scope, [&] {
    const auto& parameters = statement.parameters;
    if (arguments.positional.size() > parameters.size())
      raise(arguments.place, "macro '{}' takes at most {} arguments, got {}", name, parameters.size(),
            arguments.positional.size());
    for (const auto& [given, value] : arguments.named) {
      const auto known =
          std::find_if(parameters.begin(), parameters.end(),
                       [&, &wanted = given](const Parameter& parameter) { return parameter.name == wanted; });
      if (known == parameters.end() && given != "caller")
        raise(arguments.place, "macro '{}' has no argument called '{}'", name, given);
      if (known == parameters.end()) scope_->values["caller"] = value;
    }
    for (std::size_t at = 0; at < parameters.size(); ++at) {
      const Parameter& parameter = parameters[at];
      const Value* given = arguments.find(at, parameter.name);
      const Value value = given != nullptr  ? *given
                          : parameter.value ? evaluate(*parameter.value)
                                            : Value::undefined(parameter.name);
      scope_->values[parameter.name] = value;
    }
    std::string text;
    execute(statement.body, text);
    return this->text(std::move(text), arguments.place);
  });
}

void Interpreter::execute_call_block(const Statement& statement, std::string& out) {
  const Expression& call_expression = *statement.expression;
  const Value macro = evaluate(*call_expression.children[0]);
  Arguments arguments = evaluate_arguments(call_expression.arguments, call_expression.place);
  arguments.named.emplace_back("caller", Value::of(make_macro(statement, "caller")));
  write(to_text(call(macro, arguments)), out, statement.place);
}

Interpreter::Flow Interpreter::execute_with(const Statement& statement, std::string& out) {
  std::vector<Value> values;
  for (const Parameter& parameter : statement.parameters) values.push_back(evaluate(*parameter.value));
  return in_scope(scope_, [&] {
    for (std::size_t at = 0; at < values.size(); ++at) scope_->values[statement.parameters[at].name] = values[at];
    return execute(statement.body, out);
  });
}

}  // namespace tome::jinja
