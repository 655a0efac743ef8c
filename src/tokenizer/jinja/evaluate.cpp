// The interpreter's expressions.
#include <algorithm>
#include <cmath>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/text.h"

namespace tome::jinja {
namespace {

[[noreturn]] void raise_types(std::string_view symbol, const Value& left, const Value& right, Place place) {
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) raise(place, "'{}' is undefined", value->undefined_name());
  }
  raise(place, "'{}' does not work on {} and {}", symbol, left.type_name(), right.type_name());
}

Value integer_arithmetic(char symbol, std::int64_t left, std::int64_t right, Place place) {
  std::int64_t result = 0;
  bool overflow = false;
  if (symbol == '+') overflow = __builtin_add_overflow(left, right, &result);
  if (symbol == '-') overflow = __builtin_sub_overflow(left, right, &result);
  if (symbol == '*') overflow = __builtin_mul_overflow(left, right, &result);
  if (overflow) raise(place, "an integer beyond 64 bits");
  return Value::of(result);
}

/// Python rounds the quotient down and gives the remainder the divisor's sign.
Value integer_division(bool remainder, std::int64_t left, std::int64_t right, Place place) {
  if (right == 0) raise(place, "division by zero");
  if (right == -1) return remainder ? Value::of(std::int64_t{0}) : integer_arithmetic('-', 0, left, place);
  std::int64_t quotient = left / right;
  std::int64_t rest = left % right;
  if (rest != 0 && (rest < 0) != (right < 0)) {
    --quotient;
    rest += right;
  }
  return Value::of(remainder ? rest : quotient);
}

Value integer_power(std::int64_t base, std::int64_t exponent, Place place) {
  if (exponent < 0) {
    if (base == 0) raise(place, "division by zero");
    return Value::of(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  if (base == 0 || base == 1) return Value::of(exponent == 0 ? std::int64_t{1} : base);
  if (base == -1) return Value::of(exponent % 2 == 0 ? std::int64_t{1} : std::int64_t{-1});
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(result, base, &result)) raise(place, "an integer beyond 64 bits");
  }
  return Value::of(result);
}

Value number_arithmetic(std::string_view symbol, const Value& left, const Value& right, Place place) {
  const bool integers = left.is_integer() && right.is_integer();
  if (integers && symbol == "//") return integer_division(false, left.integer(), right.integer(), place);
  if (integers && symbol == "%") return integer_division(true, left.integer(), right.integer(), place);
  if (integers && symbol == "**") return integer_power(left.integer(), right.integer(), place);
  if (integers && symbol != "/") return integer_arithmetic(symbol[0], left.integer(), right.integer(), place);
  const double a = left.number();
  const double b = right.number();
  if (symbol == "+") return Value::of(a + b);
  if (symbol == "-") return Value::of(a - b);
  if (symbol == "*") return Value::of(a * b);
  if (symbol == "**") return Value::of(std::pow(a, b));
  if (b == 0) raise(place, "division by zero");
  if (symbol == "/") return Value::of(a / b);
  if (symbol == "//") return Value::of(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return Value::of(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Value repeat(Interpreter& interpreter, const Value& sequence, std::int64_t times, Place place) {
  times = std::max<std::int64_t>(times, 0);
  const std::uint64_t size = sequence.is_text() ? sequence.text().size() : sequence.list().items.size() * sizeof(Value);
  std::uint64_t total = 0;
  if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(times), &total)) total = UINT64_MAX / 2;
  if (size == 0) times = 0;
  interpreter.charge(total / 64, total, place);
  if (sequence.is_text()) {
    std::string text;
    for (; times > 0; --times) text += sequence.text();
    return Value::of(std::move(text));
  }
  std::vector<Value> items;
  for (; times > 0; --times) items.insert(items.end(), sequence.list().items.begin(), sequence.list().items.end());
  return make_list(std::move(items), place, sequence.list().tuple);
}

/// Python's slice: the first index, how many, and the step.
struct SliceRange {
  std::int64_t first = 0, count = 0, step = 1;
};

SliceRange slice_range(std::int64_t size, const Value& begin, const Value& end, const Value& step, Place place) {
  for (const Value* part : {&begin, &end, &step}) {
    if (part->is_undefined()) raise(place, "'{}' is undefined", part->undefined_name());
    if (!part->is_none() && !part->is_integer()) raise(place, "a slice asks for integers, got {}", part->type_name());
  }
  SliceRange range;
  if (!step.is_none()) range.step = step.integer();
  if (range.step == 0) raise(place, "a slice's step cannot be zero");
  const bool forward = range.step > 0;
  const auto bound = [&](const Value& value, std::int64_t otherwise) {
    if (value.is_none()) return otherwise;
    std::int64_t index = value.integer();
    if (index < 0) index += size;
    return std::clamp<std::int64_t>(index, forward ? 0 : -1, forward ? size : size - 1);
  };
  range.first = bound(begin, forward ? 0 : size - 1);
  const std::int64_t last = bound(end, forward ? size : -1);
  const std::int64_t span = forward ? last - range.first : range.first - last;
  if (span <= 0) return range;
  const std::uint64_t stride =
      forward ? static_cast<std::uint64_t>(range.step) : std::uint64_t{0} - static_cast<std::uint64_t>(range.step);
  range.count = static_cast<std::int64_t>((static_cast<std::uint64_t>(span) - 1) / stride) + 1;
  return range;
}

}  // namespace

Value arithmetic(Interpreter& interpreter, std::string_view symbol, const Value& left, const Value& right,
                 Place place) {
  if (left.is_number() && right.is_number()) return number_arithmetic(symbol, left, right, place);
  if (symbol == "+" && left.is_text() && right.is_text()) return interpreter.text(left.text() + right.text(), place);
  if (symbol == "+" && left.is_list() && right.is_list() && left.list().tuple == right.list().tuple) {
    std::vector<Value> items = left.list().items;
    items.insert(items.end(), right.list().items.begin(), right.list().items.end());
    interpreter.charge(items.size(), items.size() * sizeof(Value), place);
    return make_list(std::move(items), place, left.list().tuple);
  }
  if (symbol == "*" && (left.is_text() || left.is_list()) && right.is_integer())
    return repeat(interpreter, left, right.integer(), place);
  if (symbol == "*" && (right.is_text() || right.is_list()) && left.is_integer())
    return repeat(interpreter, right, left.integer(), place);
  if (symbol == "%" && left.is_text() && !right.is_undefined()) {
    const bool tuple = right.is_list() && right.list().tuple;
    return interpreter.text(
        format_printf(interpreter, left.text(), tuple ? right.list().items : std::vector<Value>{right}, place), place);
  }
  raise_types(symbol, left, right, place);
}

Value Interpreter::attribute(const Value& object, const std::string& name, Place place) {
  charge(1, 0, place);
  if (object.is_undefined()) raise(place, "'{}' is undefined, so it has no '{}'", object.undefined_name(), name);
  if (object.is_namespace()) {
    const auto& values = object.name_space().values;
    const auto found = values.find(name);
    return found == values.end() ? Value::undefined(name) : found->second;
  }
  Value method = find_method(object, name);
  if (!method.is_undefined()) return method;
  if (object.is_dict()) {
    if (const Value* value = object.dict().find(name)) return *value;
  }
  return Value::undefined(name);
}

Value Interpreter::item(const Value& object, const Value& key, Place place) {
  charge(1, 0, place);
  if (object.is_undefined()) raise(place, "'{}' is undefined, so it has no {}", object.undefined_name(), to_repr(key));
  if (object.is_dict()) {
    if (const Value* value = object.dict().find(key)) return *value;
  } else if (key.is_integer() && (object.is_list() || object.is_text())) {
    const std::int64_t size =
        object.is_list() ? static_cast<std::int64_t>(object.list().items.size()) : count_characters(object.text());
    if (object.is_text()) charge(object.text().size() / 16, 0, place);
    const std::int64_t index = key.integer() < 0 ? key.integer() + size : key.integer();
    if (index < 0 || index >= size) return Value::undefined(to_text(key));
    if (object.is_list()) return object.list().items[static_cast<std::size_t>(index)];
    const std::size_t begin = byte_of_character(object.text(), index);
    const std::size_t end = begin + byte_of_character(std::string_view(object.text()).substr(begin), 1);
    return text(object.text().substr(begin, end - begin), place);
  }
  if (!key.is_text()) return Value::undefined(to_text(key));
  if (object.is_namespace()) return attribute(object, key.text(), place);
  return find_method(object, key.text());
}

Value Interpreter::call(const Value& function, const Arguments& arguments) {
  charge(1, 0, arguments.place);
  if (function.is_function()) return function.function().call(*this, arguments);
  if (function.is_loop() && function.loop().recurse) return function.loop().recurse->call(*this, arguments);
  if (function.is_undefined())
    raise(arguments.place, "'{}' is undefined, so it cannot be called", function.undefined_name());
  raise(arguments.place, "a {} cannot be called", function.type_name());
}

std::vector<Value> Interpreter::evaluate_all(const std::vector<ExpressionPointer>& expressions) {
  std::vector<Value> values;
  values.reserve(expressions.size());
  for (const auto& expression : expressions) values.push_back(evaluate(*expression));
  return values;
}

Arguments Interpreter::evaluate_arguments(const CallArguments& arguments, Place place) {
  Arguments values;
  values.place = place;
  values.positional = evaluate_all(arguments.positional);
  for (const auto& [name, expression] : arguments.named) values.named.emplace_back(name, evaluate(*expression));
  return values;
}

Value Interpreter::evaluate_name(const Expression& expression) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->outer.get()) {
    const auto found = scope->values.find(expression.text);
    if (found != scope->values.end()) return found->second;
  }
  return find_global(expression.text);
}

Value Interpreter::evaluate_slice(const Expression& expression) {
  const Value object = evaluate(*expression.children[0]);
  Value parts[3];
  for (std::size_t at = 0; at < 3; ++at) {
    if (expression.children[at + 1]) parts[at] = evaluate(*expression.children[at + 1]);
  }
  if (object.is_undefined()) raise(expression.place, "'{}' is undefined", object.undefined_name());
  if (object.is_list()) {
    const auto& items = object.list().items;
    const SliceRange range =
        slice_range(static_cast<std::int64_t>(items.size()), parts[0], parts[1], parts[2], expression.place);
    charge(static_cast<std::uint64_t>(range.count), static_cast<std::uint64_t>(range.count) * sizeof(Value),
           expression.place);
    std::vector<Value> chosen;
    for (std::int64_t at = 0; at < range.count; ++at)
      chosen.push_back(items[static_cast<std::size_t>(range.first + at * range.step)]);
    return make_list(std::move(chosen), expression.place, object.list().tuple);
  }
  if (!object.is_text()) raise(expression.place, "a {} cannot be sliced", object.type_name());
  const std::string_view text = object.text();
  charge(text.size() / 16, 0, expression.place);
  const SliceRange range = slice_range(count_characters(text), parts[0], parts[1], parts[2], expression.place);
  if (range.step == 1) {
    const std::size_t begin = byte_of_character(text, range.first);
    const std::size_t length = byte_of_character(text.substr(begin), range.count);
    return this->text(std::string(text.substr(begin, length)), expression.place);
  }
  charge(text.size(), text.size() * sizeof(std::string_view), expression.place);
  const auto all = characters(text);
  std::string chosen;
  for (std::int64_t at = 0; at < range.count; ++at)
    chosen += all[static_cast<std::size_t>(range.first + at * range.step)];
  return this->text(std::move(chosen), expression.place);
}

Value Interpreter::evaluate_compare(const Expression& expression) {
  Value left = evaluate(*expression.children[0]);
  for (std::size_t at = 0; at < expression.operators.size(); ++at) {
    const std::string& symbol = expression.operators[at];
    Value right = evaluate(*expression.children[at + 1]);
    if (right.is_text()) charge(right.text().size() / 64, 0, expression.place);
    if (right.is_list()) charge(right.list().items.size(), 0, expression.place);
    bool holds = false;
    if (symbol == "==") holds = equal(left, right);
    if (symbol == "!=") holds = !equal(left, right);
    if (symbol == "<") holds = less(left, right, expression.place);
    if (symbol == ">") holds = less(right, left, expression.place);
    if (symbol == "<=") holds = less(left, right, expression.place) || equal(left, right);
    if (symbol == ">=") holds = less(right, left, expression.place) || equal(left, right);
    if (symbol == "in") holds = contains(right, left, expression.place);
    if (symbol == "not in") holds = !contains(right, left, expression.place);
    if (!holds) return Value::of(false);
    left = std::move(right);
  }
  return Value::of(true);
}

Value Interpreter::evaluate_dict(const Expression& expression) {
  Dict dict;
  for (std::size_t at = 0; at + 1 < expression.children.size(); at += 2) {
    const Value key = evaluate(*expression.children[at]);
    dict.set(key, evaluate(*expression.children[at + 1]));
  }
  charge(dict.items.size(), dict.items.size() * 2 * sizeof(Value), expression.place);
  return make_dict(std::move(dict), expression.place);
}

Value Interpreter::evaluate_concatenation(const Expression& expression) {
  std::string joined;
  for (const auto& child : expression.children) {
    joined += to_text(evaluate(*child));
    charge(1, joined.size() / 4, expression.place);
  }
  return text(std::move(joined), expression.place);
}

Value Interpreter::evaluate_filter(const Expression& expression, const Value* input) {
  const Depth depth(*this, expression.place);
  // A block's text comes in at the innermost operand.
  if (expression.kind == ExpressionKind::name && input != nullptr) return *input;
  if (expression.kind != ExpressionKind::filter) return evaluate(expression);
  const Expression& operand = *expression.children[0];
  const Value value = input != nullptr ? evaluate_filter(operand, input) : evaluate(operand);
  const Arguments arguments = evaluate_arguments(expression.arguments, expression.place);
  if (value.is_text()) charge(value.text().size() / 64, 0, expression.place);
  return find_filter(expression.text)(*this, value, arguments);
}

Value Interpreter::evaluate_call(const Expression& expression) {
  const Value function = evaluate(*expression.children[0]);
  return call(function, evaluate_arguments(expression.arguments, expression.place));
}

Value Interpreter::evaluate(const Expression& expression) {
  const Depth depth(*this, expression.place);
  charge(1, 0, expression.place);
  const auto child = [&](std::size_t at) { return evaluate(*expression.children[at]); };
  switch (expression.kind) {
    case ExpressionKind::constant:
      return expression.value;
    case ExpressionKind::name:
      return evaluate_name(expression);
    case ExpressionKind::list:
      return list(evaluate_all(expression.children), expression.place);
    case ExpressionKind::tuple:
      return make_list(evaluate_all(expression.children), expression.place, true);
    case ExpressionKind::dict:
      return evaluate_dict(expression);
    case ExpressionKind::attribute:
      return attribute(child(0), expression.text, expression.place);
    case ExpressionKind::subscript: {
      const Value object = child(0);
      return item(object, child(1), expression.place);
    }
    case ExpressionKind::slice:
      return evaluate_slice(expression);
    case ExpressionKind::call:
      return evaluate_call(expression);
    case ExpressionKind::filter:
      return evaluate_filter(expression, nullptr);
    case ExpressionKind::test: {
      const Value value = child(0);
      return Value::of(find_test(expression.text)(value, evaluate_arguments(expression.arguments, expression.place)));
    }
    case ExpressionKind::negate:
      return Value::of(!child(0).truth());
    case ExpressionKind::minus: {
      const Value operand = child(0);
      if (operand.is_real()) return Value::of(-operand.number());
      return arithmetic(*this, "-", Value::of(std::int64_t{0}), operand, expression.place);
    }
    case ExpressionKind::plus:
      return arithmetic(*this, "+", Value::of(std::int64_t{0}), child(0), expression.place);
    case ExpressionKind::binary: {
      const Value left = child(0);
      return arithmetic(*this, expression.text, left, child(1), expression.place);
    }
    case ExpressionKind::concatenate:
      return evaluate_concatenation(expression);
    case ExpressionKind::compare:
      return evaluate_compare(expression);
    case ExpressionKind::logical_and:
    case ExpressionKind::logical_or: {
      Value value;
      for (std::size_t at = 0; at < expression.children.size(); ++at) {
        value = child(at);
        if (value.truth() == (expression.kind == ExpressionKind::logical_or)) return value;
      }
      return value;
    }
    case ExpressionKind::conditional:
      if (child(1).truth()) return child(0);
      return expression.children[2] ? child(2) : Value::undefined("the other side of an 'if' without 'else'");
  }
  return {};
}

}  // namespace tome::jinja
