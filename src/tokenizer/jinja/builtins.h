#pragma once
// The filters, tests, methods and global functions that templates may use: one table each, searched by name.
#include <string_view>

#include "tokenizer/jinja/value.h"

namespace tome::jinja {

using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Arguments& arguments);
using Test = bool (*)(const Value& input, const Arguments& arguments);

/// nullptr when there is none of that name.
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);

/// A method of a string, list, dict or loop, bound to its object; an undefined value when there is none.
Value find_method(const Value& object, const std::string& name);
/// range, dict, namespace, raise_exception, strftime_now; an undefined value when there is none.
Value find_global(const std::string& name);

/// text % arguments, and the filter `format`. Raises.
std::string format_printf(Interpreter& interpreter, std::string_view format, const std::vector<Value>& arguments,
                          Place place);

// Shared by the tables.
std::int64_t integer_argument(const Arguments& arguments, std::size_t index, std::string_view name,
                              std::int64_t otherwise);
std::string text_argument(const Arguments& arguments, std::size_t index, std::string_view name,
                          std::string_view otherwise);
bool truth_argument(const Arguments& arguments, std::size_t index, std::string_view name, bool otherwise);

}  // namespace tome::jinja
