// What may follow `is`.
#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/text.h"

namespace tome::jinja {
namespace {

const Value& operand(const Arguments& arguments) {
  if (arguments.positional.size() != 1)
    raise(arguments.place, "this test asks for one argument, got {}", arguments.positional.size());
  return arguments.positional[0];
}

std::int64_t whole_number(const Value& value, Place place) {
  if (!value.is_integer()) raise(place, "an integer is expected, not {}", value.type_name());
  return value.integer();
}

bool is_even(const Value& value, const Arguments& arguments) { return whole_number(value, arguments.place) % 2 == 0; }
bool is_odd(const Value& value, const Arguments& arguments) { return whole_number(value, arguments.place) % 2 != 0; }

bool divides(const Value& value, const Arguments& arguments) {
  const std::int64_t divisor = whole_number(operand(arguments), arguments.place);
  if (divisor == 0) raise(arguments.place, "division by zero");
  return divisor == -1 || whole_number(value, arguments.place) % divisor == 0;
}

bool is_iterable(const Value& value, const Arguments&) {
  return value.is_list() || value.is_dict() || value.is_text() || value.is_undefined();
}

bool is_less(const Value& left, const Arguments& arguments) { return less(left, operand(arguments), arguments.place); }
bool is_greater(const Value& left, const Arguments& arguments) {
  return less(operand(arguments), left, arguments.place);
}
bool is_equal(const Value& left, const Arguments& arguments) { return equal(left, operand(arguments)); }
bool is_unequal(const Value& left, const Arguments& arguments) { return !equal(left, operand(arguments)); }

bool is_same(const Value& left, const Arguments& arguments) {
  const Value& right = operand(arguments);
  if (left.is_boolean() != right.is_boolean() || left.is_real() != right.is_real()) return false;
  return equal(left, right);
}

struct NamedTest {
  std::string_view name;
  Test test;
};

constexpr NamedTest tests[] = {
    {"defined", [](const Value& value, const Arguments&) { return !value.is_undefined(); }},
    {"undefined", [](const Value& value, const Arguments&) { return value.is_undefined(); }},
    {"none", [](const Value& value, const Arguments&) { return value.is_none(); }},
    {"boolean", [](const Value& value, const Arguments&) { return value.is_boolean(); }},
    {"true", [](const Value& value, const Arguments&) { return value.is_boolean() && value.truth(); }},
    {"false", [](const Value& value, const Arguments&) { return value.is_boolean() && !value.truth(); }},
    {"integer", [](const Value& value, const Arguments&) { return value.is_integer() && !value.is_boolean(); }},
    {"float", [](const Value& value, const Arguments&) { return value.is_real(); }},
    {"number", [](const Value& value, const Arguments&) { return value.is_number(); }},
    {"string", [](const Value& value, const Arguments&) { return value.is_text(); }},
    {"mapping", [](const Value& value, const Arguments&) { return value.is_dict(); }},
    {"sequence",
     [](const Value& value, const Arguments&) {
       return value.is_list() || value.is_dict() || value.is_text() || value.is_undefined();
     }},
    {"iterable", is_iterable},
    {"callable", [](const Value& value,
                    const Arguments&) { return value.is_function() || (value.is_loop() && value.loop().recurse); }},
    {"sameas", is_same},
    {"eq", is_equal},
    {"equalto", is_equal},
    {"ne", is_unequal},
    {"lt", is_less},
    {"lessthan", is_less},
    {"le", [](const Value& left, const Arguments& arguments) { return !is_greater(left, arguments); }},
    {"gt", is_greater},
    {"greaterthan", is_greater},
    {"ge", [](const Value& left, const Arguments& arguments) { return !is_less(left, arguments); }},
    {"in",
     [](const Value& item, const Arguments& arguments) { return contains(operand(arguments), item, arguments.place); }},
    {"even", is_even},
    {"odd", is_odd},
    {"divisibleby", divides},
    {"lower",
     [](const Value& value, const Arguments&) {
       const std::string text = to_text(value);
       return lower(text) == text && upper(text) != text;
     }},
    {"upper",
     [](const Value& value, const Arguments&) {
       const std::string text = to_text(value);
       return upper(text) == text && lower(text) != text;
     }},
    {"filter",
     [](const Value& value, const Arguments&) { return value.is_text() && find_filter(value.text()) != nullptr; }},
    {"test",
     [](const Value& value, const Arguments&) { return value.is_text() && find_test(value.text()) != nullptr; }},
};

}  // namespace

Test find_test(std::string_view name) {
  if (name == "None") name = "none";
  for (const NamedTest& test : tests) {
    if (test.name == name) return test.test;
  }
  // Comparison signs, as in selectattr("n", ">", 3).
  if (name == "==") return is_equal;
  if (name == "!=") return is_unequal;
  if (name == "<") return is_less;
  if (name == ">") return is_greater;
  if (name == "<=") return find_test("le");
  if (name == ">=") return find_test("ge");
  return nullptr;
}

}  // namespace tome::jinja
