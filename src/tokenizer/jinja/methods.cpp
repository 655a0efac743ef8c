// Methods of strings, lists, dicts and the loop variable, as Python has them.
#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/text.h"
#include "tokenizer/utf8.h"

namespace tome::jinja {
namespace {

using Method = Value (*)(Interpreter& interpreter, const Value& object, const Arguments& arguments);
struct NamedMethod {
  std::string_view name;
  Method call;
};

/// A required text argument.
const std::string& needed_text(const Arguments& arguments, std::size_t index, std::string_view name) {
  const Value* value = arguments.find(index, name);
  if (value == nullptr) raise(arguments.place, "argument '{}' is missing", name);
  if (!value->is_text()) raise(arguments.place, "argument '{}' must be a string, not {}", name, value->type_name());
  return value->text();
}

Value list_of(Interpreter& interpreter, const std::vector<std::string_view>& parts, Place place) {
  std::vector<Value> items;
  std::size_t bytes = 0;
  for (const std::string_view part : parts) {
    items.push_back(Value::of(part));
    bytes += part.size();
  }
  interpreter.charge(items.size(), bytes, place);
  return interpreter.list(std::move(items), place);
}

template <bool left, bool right>
Value strip_method(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("strip", 1, {});
  const Value* set = arguments.find(0, "chars");
  if (set == nullptr || set->is_none())
    return interpreter.text(std::string(strip(object.text(), {}, left, right)), arguments.place);
  const std::string& wanted = needed_text(arguments, 0, "chars");
  if (wanted.empty()) return object;
  return interpreter.text(std::string(strip(object.text(), wanted, left, right)), arguments.place);
}

template <bool from_right>
Value split_method(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("split", 2, {"sep", "maxsplit"});
  const Value* separator = arguments.find(0, "sep");
  const std::int64_t most = integer_argument(arguments, 1, "maxsplit", -1);
  std::string_view wanted;
  if (separator != nullptr && !separator->is_none()) {
    wanted = needed_text(arguments, 0, "sep");
    if (wanted.empty()) raise(arguments.place, "split: the separator is empty");
  }
  interpreter.charge(object.text().size() / 16, 0, arguments.place);
  return list_of(interpreter,
                 from_right ? split_from_right(object.text(), wanted, most) : split(object.text(), wanted, most),
                 arguments.place);
}

template <bool at_end>
Value affix_method(Interpreter&, const Value& object, const Arguments& arguments) {
  arguments.expect(at_end ? "endswith" : "startswith", 1, {});
  const std::string_view text = object.text();
  const auto matches = [&](const std::string& affix) {
    if (affix.size() > text.size()) return false;
    return (at_end ? text.substr(text.size() - affix.size()) : text.substr(0, affix.size())) == affix;
  };
  const Value* wanted = arguments.find(0, "prefix");
  if (wanted == nullptr || !wanted->is_list()) return Value::of(matches(needed_text(arguments, 0, "prefix")));
  bool any = false;
  for (const Value& affix : wanted->list().items) {
    if (!affix.is_text()) raise(arguments.place, "a tuple of strings is expected");
    any = any || matches(affix.text());
  }
  return Value::of(any);
}

template <std::string (*change)(std::string_view)>
Value case_method(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("this method", 0, {});
  return interpreter.text(change(object.text()), arguments.place);
}

Value replace_method(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("replace", 3, {"count"});
  const std::string& from = needed_text(arguments, 0, "old");
  const std::string& to = needed_text(arguments, 1, "new");
  const std::uint64_t places = object.text().size() / std::max<std::size_t>(from.size(), 1) + 1;
  if (places * to.size() > std::uint64_t{1} << 20) interpreter.charge(0, places * to.size(), arguments.place);
  return interpreter.text(replace(object.text(), from, to, integer_argument(arguments, 2, "count", -1)),
                          arguments.place);
}

template <bool last>
std::int64_t find_in(const Value& object, const Arguments& arguments) {
  arguments.expect("find", 1, {});
  const std::string& wanted = needed_text(arguments, 0, "sub");
  const std::size_t at = last ? object.text().rfind(wanted) : object.text().find(wanted);
  return at == std::string::npos ? -1 : count_characters(std::string_view(object.text()).substr(0, at));
}

template <bool last>
Value find_method_of_text(Interpreter&, const Value& object, const Arguments& arguments) {
  return Value::of(find_in<last>(object, arguments));
}

Value index_method(Interpreter&, const Value& object, const Arguments& arguments) {
  const std::int64_t at = find_in<false>(object, arguments);
  if (at < 0) raise(arguments.place, "index: the substring is not there");
  return Value::of(at);
}

Value count_method(Interpreter&, const Value& object, const Arguments& arguments) {
  arguments.expect("count", 1, {});
  const std::string& wanted = needed_text(arguments, 0, "sub");
  if (wanted.empty()) return Value::of(count_characters(object.text()) + 1);
  std::int64_t count = 0;
  for (std::size_t at = object.text().find(wanted); at != std::string::npos;
       at = object.text().find(wanted, at + wanted.size()))
    ++count;
  return Value::of(count);
}

Value join_method(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("join", 1, {});
  if (arguments.positional.empty()) raise(arguments.place, "join: what to join is missing");
  const auto items = iterate(arguments.positional[0], arguments.place);
  std::string joined;
  for (std::size_t at = 0; at < items->items.size(); ++at) {
    if (!items->items[at].is_text()) raise(arguments.place, "join: item {} is no string", at);
    if (at > 0) joined += object.text();
    joined += items->items[at].text();
    interpreter.charge(1, object.text().size(), arguments.place);
  }
  return interpreter.text(std::move(joined), arguments.place);
}

/// True when the text is not empty and every character passes.
template <bool (*passes)(std::uint32_t)>
Value all_method(Interpreter&, const Value& object, const Arguments& arguments) {
  arguments.expect("this method", 0, {});
  const std::string& text = object.text();
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text, at);
    if (!passes(step.code_point)) return Value::of(false);
    at += step.length;
  }
  return Value::of(!text.empty());
}

template <bool want_upper>
Value is_case_method(Interpreter&, const Value& object, const Arguments& arguments) {
  arguments.expect("this method", 0, {});
  const std::string same = want_upper ? upper(object.text()) : lower(object.text());
  const std::string other = want_upper ? lower(object.text()) : upper(object.text());
  return Value::of(same == object.text() && other != object.text());
}

template <bool at_end>
Value remove_affix(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect(at_end ? "removesuffix" : "removeprefix", 1, {});
  const std::string& affix = needed_text(arguments, 0, "prefix");
  std::string_view text = object.text();
  const bool has = affix.size() <= text.size() &&
                   (at_end ? text.substr(text.size() - affix.size()) : text.substr(0, affix.size())) == affix;
  if (!has) return object;
  if (at_end) {
    text.remove_suffix(affix.size());
  } else {
    text.remove_prefix(affix.size());
  }
  return interpreter.text(std::string(text), arguments.place);
}

Value split_lines_method(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("splitlines", 0, {});
  interpreter.charge(object.text().size() / 16, 0, arguments.place);
  return list_of(interpreter, split_lines(object.text()), arguments.place);
}

constexpr NamedMethod text_methods[] = {
    {"strip", strip_method<true, true>},
    {"lstrip", strip_method<true, false>},
    {"rstrip", strip_method<false, true>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", split_lines_method},
    {"startswith", affix_method<false>},
    {"endswith", affix_method<true>},
    {"upper", case_method<upper>},
    {"lower", case_method<lower>},
    {"title", case_method<title>},
    {"capitalize", case_method<capitalize>},
    {"replace", replace_method},
    {"find", find_method_of_text<false>},
    {"rfind", find_method_of_text<true>},
    {"index", index_method},
    {"count", count_method},
    {"join", join_method},
    {"isdigit", all_method<is_digit_character>},
    {"isalpha", all_method<is_letter_character>},
    {"isalnum", all_method<is_letter_or_number>},
    {"isspace", all_method<is_space>},
    {"isupper", is_case_method<true>},
    {"islower", is_case_method<false>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
};

Value pairs_of(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("items", 0, {});
  std::vector<Value> items;
  for (const auto& [key, value] : object.dict().items) items.push_back(make_list({key, value}, arguments.place, true));
  interpreter.charge(2 * items.size(), 2 * items.size() * sizeof(Value), arguments.place);
  return interpreter.list(std::move(items), arguments.place);
}

Value keys_of(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("keys", 0, {});
  return interpreter.list(iterate(object, arguments.place)->items, arguments.place);
}

Value values_of(Interpreter& interpreter, const Value& object, const Arguments& arguments) {
  arguments.expect("values", 0, {});
  std::vector<Value> items;
  for (const auto& item : object.dict().items) items.push_back(item.second);
  return interpreter.list(std::move(items), arguments.place);
}

Value get_from_dict(Interpreter&, const Value& object, const Arguments& arguments) {
  arguments.expect("get", 2, {});
  if (arguments.positional.empty()) raise(arguments.place, "get: the key is missing");
  if (const Value* found = object.dict().find(arguments.positional[0])) return *found;
  return arguments.positional.size() > 1 ? arguments.positional[1] : Value();
}

constexpr NamedMethod dict_methods[] = {
    {"items", pairs_of}, {"keys", keys_of}, {"values", values_of}, {"get", get_from_dict}};

Value index_in_list(Interpreter&, const Value& object, const Arguments& arguments) {
  arguments.expect("index", 1, {});
  if (arguments.positional.empty()) raise(arguments.place, "index: the item is missing");
  const auto& items = object.list().items;
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const Value& item) { return equal(item, arguments.positional[0]); });
  if (found == items.end()) raise(arguments.place, "index: the item is not there");
  return Value::of(static_cast<std::int64_t>(found - items.begin()));
}

Value count_in_list(Interpreter&, const Value& object, const Arguments& arguments) {
  arguments.expect("count", 1, {});
  if (arguments.positional.empty()) raise(arguments.place, "count: the item is missing");
  const auto& items = object.list().items;
  return Value::of(static_cast<std::int64_t>(std::count_if(
      items.begin(), items.end(), [&](const Value& item) { return equal(item, arguments.positional[0]); })));
}

constexpr NamedMethod list_methods[] = {{"index", index_in_list}, {"count", count_in_list}};

constexpr std::string_view forbidden_methods[] = {"append", "extend",  "insert", "pop",        "remove", "clear",
                                                  "sort",   "reverse", "update", "setdefault", "popitem"};

template <std::size_t size>
Value bind(const NamedMethod (&methods)[size], const Value& object, const std::string& name) {
  for (const NamedMethod& method : methods) {
    if (method.name != name) continue;
    return Value::of(std::make_shared<const Function>(
        Function{name, [object, call = method.call](Interpreter& interpreter, const Arguments& arguments) {
                   return call(interpreter, object, arguments);
                 }}));
  }
  return Value::undefined(name);
}

/// As Jinja's sandbox: what would change a list or dict is refused when it is called.
Value refuse_change(const std::string& name, std::string_view type) {
  return Value::of(std::make_shared<const Function>(
      Function{name, [name, type](Interpreter&, const Arguments& arguments) -> Value {
                 raise_unsupported(arguments.place, "'{}' would change a {}, which templates cannot", name, type);
               }}));
}

Value loop_attribute(const Value& object, const std::string& name) {
  const Loop& loop = object.loop();
  const auto index = static_cast<std::int64_t>(loop.index);
  const auto length = static_cast<std::int64_t>(loop.items->items.size());
  if (name == "index") return Value::of(index + 1);
  if (name == "index0") return Value::of(index);
  if (name == "revindex") return Value::of(length - index);
  if (name == "revindex0") return Value::of(length - index - 1);
  if (name == "first") return Value::of(index == 0);
  if (name == "last") return Value::of(index + 1 == length);
  if (name == "length") return Value::of(length);
  if (name == "depth") return Value::of(static_cast<std::int64_t>(loop.depth));
  if (name == "depth0") return Value::of(static_cast<std::int64_t>(loop.depth) - 1);
  if (name == "previtem") return index > 0 ? loop.items->items[loop.index - 1] : Value::undefined("loop.previtem");
  if (name == "nextitem")
    return index + 1 < length ? loop.items->items[loop.index + 1] : Value::undefined("loop.nextitem");
  if (name == "cycle") {
    return Value::of(std::make_shared<const Function>(
        Function{name, [index](Interpreter&, const Arguments& arguments) {
                   if (arguments.positional.empty()) raise(arguments.place, "loop.cycle: nothing to cycle through");
                   return arguments.positional[static_cast<std::size_t>(index) % arguments.positional.size()];
                 }}));
  }
  if (name == "changed") {
    return Value::of(std::make_shared<const Function>(
        Function{name, [seen = loop.last_seen](Interpreter&, const Arguments& arguments) {
                   const Value now = make_list(arguments.positional, arguments.place, true);
                   const bool changed = !equal(*seen, now);
                   *seen = now;
                   return Value::of(changed);
                 }}));
  }
  return Value::undefined(name);
}

}  // namespace

Value find_method(const Value& object, const std::string& name) {
  if (object.is_loop()) return loop_attribute(object, name);
  if (object.is_text()) return bind(text_methods, object, name);
  if (!object.is_list() && !object.is_dict()) return Value::undefined(name);
  if (std::find(std::begin(forbidden_methods), std::end(forbidden_methods), name) != std::end(forbidden_methods)) {
    const bool of_dict =
        name == "update" || name == "setdefault" || name == "popitem" || name == "pop" || name == "clear";
    const bool of_list = name != "update" && name != "setdefault" && name != "popitem";
    if (object.is_dict() ? of_dict : of_list) return refuse_change(name, object.type_name());
  }
  return object.is_list() ? bind(list_methods, object, name) : bind(dict_methods, object, name);
}

}  // namespace tome::jinja
