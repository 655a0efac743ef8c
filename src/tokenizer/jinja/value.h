#pragma once
// A value of the template language: Python's small types. Lists and dicts never change once made, so they can be shared
// and never form a cycle; only a namespace changes, and it cannot be put into another container.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "tokenizer/jinja/template_error.h"

namespace tome::jinja {

class Value;
class Interpreter;

/// What a name that does not exist gives: prints as nothing, is false, and may not be looked into.
struct Undefined {
  std::string name;
};
struct None {};

struct List;
struct Dict;
struct Namespace;
struct Function;
struct Loop;

class Value {
 public:
  using Text = std::shared_ptr<const std::string>;
  using Variant = std::variant<std::shared_ptr<const Undefined>, None, bool, std::int64_t, double, Text,
                               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
                               std::shared_ptr<const Function>, std::shared_ptr<Loop>>;

  Value() : value_(None{}) {}
  static Value undefined(std::string name) {
    return Value(Variant(std::make_shared<const Undefined>(Undefined{std::move(name)})));
  }
  static Value of(bool value) { return Value(Variant(value)); }
  static Value of(std::int64_t value) { return Value(Variant(value)); }
  static Value of(double value) { return Value(Variant(value)); }
  static Value of(std::string text) { return Value(Variant(std::make_shared<const std::string>(std::move(text)))); }
  static Value of(std::string_view text) { return of(std::string(text)); }
  static Value of(const char* text) { return of(std::string(text)); }
  static Value of(std::shared_ptr<const List> list) { return Value(Variant(std::move(list))); }
  static Value of(std::shared_ptr<const Dict> dict) { return Value(Variant(std::move(dict))); }
  static Value of(std::shared_ptr<Namespace> space) { return Value(Variant(std::move(space))); }
  static Value of(std::shared_ptr<const Function> function) { return Value(Variant(std::move(function))); }
  static Value of(std::shared_ptr<Loop> loop) { return Value(Variant(std::move(loop))); }
  static Value from_json(const Json& json);
  static Value from_json(const nlohmann::ordered_json& json);

  bool is_undefined() const { return std::holds_alternative<std::shared_ptr<const Undefined>>(value_); }
  bool is_none() const { return std::holds_alternative<None>(value_); }
  bool is_boolean() const { return std::holds_alternative<bool>(value_); }
  bool is_text() const { return std::holds_alternative<Text>(value_); }
  /// bool counts as an integer, as in Python.
  bool is_integer() const { return is_boolean() || std::holds_alternative<std::int64_t>(value_); }
  bool is_real() const { return std::holds_alternative<double>(value_); }
  bool is_number() const { return is_integer() || is_real(); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<const List>>(value_); }
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Dict>>(value_); }
  bool is_namespace() const { return std::holds_alternative<std::shared_ptr<Namespace>>(value_); }
  bool is_function() const { return std::holds_alternative<std::shared_ptr<const Function>>(value_); }
  bool is_loop() const { return std::holds_alternative<std::shared_ptr<Loop>>(value_); }

  const std::string& undefined_name() const { return std::get<std::shared_ptr<const Undefined>>(value_)->name; }
  const std::string& text() const { return *std::get<Text>(value_); }
  std::int64_t integer() const {
    return is_boolean() ? (std::get<bool>(value_) ? 1 : 0) : std::get<std::int64_t>(value_);
  }
  double number() const { return is_real() ? std::get<double>(value_) : static_cast<double>(integer()); }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(value_); }
  const std::shared_ptr<const List>& shared_list() const { return std::get<std::shared_ptr<const List>>(value_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(value_); }
  Namespace& name_space() const { return *std::get<std::shared_ptr<Namespace>>(value_); }
  const Function& function() const { return *std::get<std::shared_ptr<const Function>>(value_); }
  const std::shared_ptr<const Function>& shared_function() const {
    return std::get<std::shared_ptr<const Function>>(value_);
  }
  Loop& loop() const { return *std::get<std::shared_ptr<Loop>>(value_); }

  bool truth() const;
  /// How deep containers nest below this value.
  std::uint32_t depth() const;
  /// The name of the Python type, for messages.
  std::string_view type_name() const;

 private:
  explicit Value(Variant value) : value_(std::move(value)) {}
  Variant value_;
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
  std::uint32_t depth = 1;
};

/// Keeps the order of insertion, as Python does.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  std::unordered_map<std::string, std::size_t> by_text;
  std::uint32_t depth = 1;

  void set(const Value& key, const Value& value);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
};

struct Namespace {
  std::unordered_map<std::string, Value> values;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  Place place;

  /// The argument at `index` or called `name`; nullptr when not given.
  const Value* find(std::size_t index, std::string_view name) const;
  /// Raises when there are more positional arguments than `count`, or named ones outside `names`.
  void expect(std::string_view function, std::size_t count, std::initializer_list<std::string_view> names) const;
};

struct Function {
  std::string name;
  std::function<Value(Interpreter&, const Arguments&)> call;
};

/// The `loop` variable.
struct Loop {
  std::shared_ptr<const List> items;
  std::size_t index = 0;
  std::uint32_t depth = 1;
  std::shared_ptr<Value> last_seen;  // for loop.changed
  std::shared_ptr<const Function> recurse;
};

/// Raises when a namespace, function or loop would go into a container, or nesting passes a limit.
Value make_list(std::vector<Value> items, Place place, bool tuple = false);
Value make_dict(Dict dict, Place place);

/// str(value) and repr(value).
std::string to_text(const Value& value);
std::string to_repr(const Value& value);

bool equal(const Value& left, const Value& right);
/// left < right. Raises for types that have no order.
bool less(const Value& left, const Value& right, Place place);
/// `item in container`.
bool contains(const Value& container, const Value& item, Place place);
/// The items that a for loop visits: list items, dict keys, characters; nothing for an undefined value.
std::shared_ptr<const List> iterate(const Value& value, Place place);

struct JsonStyle {
  std::int64_t indent = -1;  ///< below 0: one line
  std::string indent_text;   ///< instead of spaces when not empty
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ensure_ascii = false;
  bool sort_keys = false;
};
/// json.dumps, as Transformers' tojson: no HTML escaping.
std::string to_json(const Value& value, const JsonStyle& style, Place place);

}  // namespace tome::jinja
