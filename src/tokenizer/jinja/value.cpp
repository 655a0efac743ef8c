#include "tokenizer/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "tokenizer/jinja/text.h"
#include "tokenizer/utf8.h"

namespace tome::jinja {
namespace {

constexpr std::uint32_t deepest = 100;
constexpr std::size_t longest_text = std::size_t{1} << 30;
constexpr std::size_t index_from = 8;  // dicts of fewer items are searched

void check_item(const Value& value, Place place) {
  if (value.is_namespace() || value.is_function() || value.is_loop())
    raise_unsupported(place, "a {} inside a list, dict or namespace", value.type_name());
  if (value.depth() >= deepest) raise(place, "values nested deeper than {}", deepest);
}

template <class AnyJson>
Value convert_json(const AnyJson& json, std::uint32_t depth) {
  if (depth > deepest) raise({}, "a variable is nested deeper than {}", deepest);
  switch (json.type()) {
    case nlohmann::detail::value_t::boolean:
      return Value::of(json.template get<bool>());
    case nlohmann::detail::value_t::number_integer:
      return Value::of(json.template get<std::int64_t>());
    case nlohmann::detail::value_t::number_unsigned: {
      const auto number = json.template get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(INT64_MAX)) return Value::of(static_cast<double>(number));
      return Value::of(static_cast<std::int64_t>(number));
    }
    case nlohmann::detail::value_t::number_float:
      return Value::of(json.template get<double>());
    case nlohmann::detail::value_t::string: {
      const auto& text = json.template get_ref<const std::string&>();
      if (text.size() > longest_text)
        raise({}, "a variable of {} bytes, at most {} are allowed", text.size(), longest_text);
      return Value::of(is_valid_utf8(text) ? text : repair_utf8(text));
    }
    case nlohmann::detail::value_t::array: {
      std::vector<Value> items;
      for (const AnyJson& item : json) items.push_back(convert_json(item, depth + 1));
      return make_list(std::move(items), {});
    }
    case nlohmann::detail::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items())
        dict.set(Value::of(is_valid_utf8(key) ? key : repair_utf8(key)), convert_json(item, depth + 1));
      return make_dict(std::move(dict), {});
    }
    default:
      return {};
  }
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Place place) : style_(style), place_(place) {}

  void write(const Value& value, std::int64_t level) {
    if (value.is_none()) {
      text_ += "null";
    } else if (value.is_boolean()) {
      text_ += value.truth() ? "true" : "false";
    } else if (value.is_integer()) {
      text_ += std::to_string(value.integer());
    } else if (value.is_real()) {
      write_real(value.number());
    } else if (value.is_text()) {
      write_text(value.text());
    } else if (value.is_list()) {
      write_list(value.list(), level);
    } else if (value.is_dict()) {
      write_dict(value.dict(), level);
    } else {
      raise(place_, "tojson: {} cannot be written as JSON", value.type_name());
    }
  }
  std::string take() { return std::move(text_); }

 private:
  void write_real(double value) {
    text_ += std::isnan(value) ? "NaN" : std::isinf(value) ? (value < 0 ? "-Infinity" : "Infinity") : print_real(value);
  }

  void write_text(std::string_view text) {
    text_ += '"';
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = read_utf8(text, at);
      write_character(step.code_point, text.substr(at, step.length));
      at += step.length;
    }
    text_ += '"';
  }

  void write_character(std::uint32_t code_point, std::string_view bytes) {
    switch (code_point) {
      case '"':
        text_ += "\\\"";
        return;
      case '\\':
        text_ += "\\\\";
        return;
      case '\n':
        text_ += "\\n";
        return;
      case '\r':
        text_ += "\\r";
        return;
      case '\t':
        text_ += "\\t";
        return;
      case '\b':
        text_ += "\\b";
        return;
      case '\f':
        text_ += "\\f";
        return;
      default:
        break;
    }
    if (code_point < 0x20 || (style_.ensure_ascii && code_point >= 0x7F && code_point < 0x10000)) {
      text_ += fmt::format("\\u{:04x}", code_point);
    } else if (style_.ensure_ascii && code_point >= 0x10000) {
      const std::uint32_t rest = code_point - 0x10000;
      text_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    } else {
      text_ += bytes;
    }
  }

  void new_line(std::int64_t level) {
    if (style_.indent < 0) return;
    text_ += '\n';
    for (std::int64_t at = 0; at < level; ++at) {
      if (style_.indent_text.empty()) {
        text_.append(static_cast<std::size_t>(style_.indent), ' ');
      } else {
        text_ += style_.indent_text;
      }
    }
  }

  void write_list(const List& list, std::int64_t level) {
    if (list.items.empty()) {
      text_ += "[]";
      return;
    }
    text_ += '[';
    for (std::size_t at = 0; at < list.items.size(); ++at) {
      if (at > 0) text_ += style_.item_separator;
      new_line(level + 1);
      write(list.items[at], level + 1);
    }
    new_line(level);
    text_ += ']';
  }

  std::string key_of(const Value& key) {
    if (key.is_text()) return key.text();
    if (key.is_none()) return "null";
    if (key.is_boolean()) return key.truth() ? "true" : "false";
    if (key.is_number()) return to_text(key);
    raise(place_, "tojson: a key must be a string, number, boolean or none, not {}", key.type_name());
  }

  void write_dict(const Dict& dict, std::int64_t level) {
    if (dict.items.empty()) {
      text_ += "{}";
      return;
    }
    std::vector<const std::pair<Value, Value>*> items;
    for (const auto& item : dict.items) items.push_back(&item);
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [&](const auto* left, const auto* right) { return less(left->first, right->first, place_); });
    }
    text_ += '{';
    bool first = true;
    for (const auto* item : items) {
      if (!first) text_ += style_.item_separator;
      first = false;
      new_line(level + 1);
      write_text(key_of(item->first));
      text_ += style_.key_separator;
      write(item->second, level + 1);
    }
    new_line(level);
    text_ += '}';
  }

  const JsonStyle& style_;
  Place place_;
  std::string text_;
};

}  // namespace

void Dict::set(const Value& key, const Value& value) {
  for (auto& [known, held] : items) {
    if (items.size() >= index_from && key.is_text()) break;
    if (equal(known, key)) {
      held = value;
      return;
    }
  }
  if (key.is_text()) {
    const auto [found, fresh] = by_text.emplace(key.text(), items.size());
    if (!fresh) {
      items[found->second].second = value;
      return;
    }
  }
  items.emplace_back(key, value);
}

const Value* Dict::find(std::string_view key) const {
  if (items.size() >= index_from) {
    const auto found = by_text.find(std::string(key));
    return found == by_text.end() ? nullptr : &items[found->second].second;
  }
  for (const auto& [known, value] : items) {
    if (known.is_text() && known.text() == key) return &value;
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  if (key.is_text()) return find(std::string_view(key.text()));
  for (const auto& [known, value] : items) {
    if (equal(known, key)) return &value;
  }
  return nullptr;
}

const Value* Arguments::find(std::size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [known, value] : named) {
    if (known == name) return &value;
  }
  return nullptr;
}

void Arguments::expect(std::string_view function, std::size_t count,
                       std::initializer_list<std::string_view> names) const {
  if (positional.size() > count)
    raise(place, "{} takes at most {} arguments, got {}", function, count, positional.size());
  for (const auto& [name, value] : named) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      raise(place, "{} has no argument called '{}'", function, name);
  }
}

Value Value::from_json(const Json& json) { return convert_json(json, 0); }
Value Value::from_json(const nlohmann::ordered_json& json) { return convert_json(json, 0); }

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_integer()) return integer() != 0;
  if (is_real()) return number() != 0;
  if (is_text()) return !text().empty();
  if (is_list()) return !list().items.empty();
  if (is_dict()) return !dict().items.empty();
  return true;
}

std::uint32_t Value::depth() const {
  if (is_list()) return list().depth;
  if (is_dict()) return dict().depth;
  return 0;
}

std::string_view Value::type_name() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "none";
  if (is_boolean()) return "boolean";
  if (is_integer()) return "integer";
  if (is_real()) return "float";
  if (is_text()) return "string";
  if (is_list()) return list().tuple ? "tuple" : "list";
  if (is_dict()) return "dict";
  if (is_namespace()) return "namespace";
  if (is_loop()) return "loop";
  return "function";
}

Value make_list(std::vector<Value> items, Place place, bool tuple) {
  auto list = std::make_shared<List>();
  for (const Value& item : items) {
    check_item(item, place);
    list->depth = std::max(list->depth, item.depth() + 1);
  }
  list->items = std::move(items);
  list->tuple = tuple;
  return Value::of(std::shared_ptr<const List>(std::move(list)));
}

Value make_dict(Dict dict, Place place) {
  for (const auto& [key, value] : dict.items) {
    check_item(value, place);
    if (key.is_list() ? !key.list().tuple : key.is_dict() || key.is_undefined())
      raise(place, "a {} cannot be the key of a dict", key.type_name());
    check_item(key, place);
    dict.depth = std::max({dict.depth, value.depth() + 1, key.depth() + 1});
  }
  return Value::of(std::make_shared<const Dict>(std::move(dict)));
}

std::string to_text(const Value& value) {
  if (value.is_text()) return value.text();
  if (value.is_undefined()) return "";
  return to_repr(value);
}

std::string to_repr(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "None";
  if (value.is_boolean()) return value.truth() ? "True" : "False";
  if (value.is_integer()) return std::to_string(value.integer());
  if (value.is_real()) return print_real(value.number());
  if (value.is_text()) return quote(value.text());
  if (value.is_list()) {
    const List& list = value.list();
    std::string text(1, list.tuple ? '(' : '[');
    for (std::size_t at = 0; at < list.items.size(); ++at) {
      if (at > 0) text += ", ";
      text += to_repr(list.items[at]);
    }
    if (list.tuple && list.items.size() == 1) text += ',';
    return text + (list.tuple ? ')' : ']');
  }
  if (value.is_dict()) {
    std::string text = "{";
    for (const auto& [key, item] : value.dict().items) {
      if (text.size() > 1) text += ", ";
      text += to_repr(key) + ": " + to_repr(item);
    }
    return text + '}';
  }
  return fmt::format("<{}>", value.type_name());
}

bool equal(const Value& left, const Value& right) {
  if (left.is_number() && right.is_number()) {
    if (left.is_integer() && right.is_integer()) return left.integer() == right.integer();
    return left.number() == right.number();
  }
  if (left.is_text() && right.is_text()) return left.text() == right.text();
  if (left.is_none() || right.is_none()) return left.is_none() && right.is_none();
  if (left.is_undefined() || right.is_undefined()) return left.is_undefined() && right.is_undefined();
  if (left.is_list() && right.is_list()) {
    const List& a = left.list();
    const List& b = right.list();
    return a.tuple == b.tuple && std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), equal);
  }
  if (left.is_dict() && right.is_dict()) {
    if (left.dict().items.size() != right.dict().items.size()) return false;
    for (const auto& [key, value] : left.dict().items) {
      const Value* other = right.dict().find(key);
      if (other == nullptr || !equal(value, *other)) return false;
    }
    return true;
  }
  if (left.is_namespace() && right.is_namespace()) return &left.name_space() == &right.name_space();
  if (left.is_loop() && right.is_loop()) return &left.loop() == &right.loop();
  if (left.is_function() && right.is_function()) return &left.function() == &right.function();
  return false;
}

bool less(const Value& left, const Value& right, Place place) {
  if (left.is_integer() && right.is_integer()) return left.integer() < right.integer();
  if (left.is_number() && right.is_number()) return left.number() < right.number();
  if (left.is_text() && right.is_text()) return left.text() < right.text();
  if (left.is_list() && right.is_list() && left.list().tuple == right.list().tuple) {
    const auto& a = left.list().items;
    const auto& b = right.list().items;
    for (std::size_t at = 0; at < std::min(a.size(), b.size()); ++at) {
      if (!equal(a[at], b[at])) return less(a[at], b[at], place);
    }
    return a.size() < b.size();
  }
  if (left.is_undefined()) raise(place, "'{}' is undefined", left.undefined_name());
  if (right.is_undefined()) raise(place, "'{}' is undefined", right.undefined_name());
  raise(place, "{} and {} have no order", left.type_name(), right.type_name());
}

bool contains(const Value& container, const Value& item, Place place) {
  if (container.is_text()) {
    if (!item.is_text()) raise(place, "'in <string>' asks for a string, got {}", item.type_name());
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is_dict()) return container.dict().find(item) != nullptr;
  if (container.is_list()) {
    const auto& items = container.list().items;
    return std::any_of(items.begin(), items.end(), [&](const Value& value) { return equal(value, item); });
  }
  if (container.is_undefined()) return false;
  raise(place, "'in' cannot look into {}", container.type_name());
}

std::shared_ptr<const List> iterate(const Value& value, Place place) {
  if (value.is_list()) return value.shared_list();
  auto list = std::make_shared<List>();
  if (value.is_dict()) {
    for (const auto& item : value.dict().items) list->items.push_back(item.first);
    list->depth = value.dict().depth;
  } else if (value.is_text()) {
    for (const std::string_view character : characters(value.text())) list->items.push_back(Value::of(character));
  } else if (!value.is_undefined()) {
    raise(place, "{} is not iterable", value.type_name());
  }
  return list;
}

std::string to_json(const Value& value, const JsonStyle& style, Place place) {
  JsonWriter writer(style, place);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace tome::jinja
