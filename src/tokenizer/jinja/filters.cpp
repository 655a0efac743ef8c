// What may follow `|`.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/text.h"
#include "tokenizer/utf8.h"

namespace tome::jinja {
namespace {

const Value& needed(const Arguments& arguments, std::size_t index, std::string_view name) {
  const Value* value = arguments.find(index, name);
  if (value == nullptr) raise(arguments.place, "argument '{}' is missing", name);
  return *value;
}

/// Filters of text read numbers and the like as text, as str() does.
std::string input_text(const Value& value) { return to_text(value); }

/// "a.b.0" looked up step by step.
Value path_of(Interpreter& interpreter, const Value& object, const Value& path, Place place) {
  if (path.is_integer()) return interpreter.item(object, path, place);
  if (!path.is_text()) raise(place, "an attribute must be a string or integer, not {}", path.type_name());
  Value value = object;
  for (const std::string_view part : split(path.text(), ".")) {
    const bool number = !part.empty() && part.size() < 10 &&
                        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    const Value key = number ? Value::of(static_cast<std::int64_t>(std::stoll(std::string(part)))) : Value::of(part);
    value = interpreter.item(value, key, place);
  }
  return value;
}

// ---- text

Value filter_trim(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("trim", 1, {"chars"});
  const std::string text = input_text(input);
  const Value* set = arguments.find(0, "chars");
  if (set == nullptr || set->is_none()) return interpreter.text(std::string(strip(text)), arguments.place);
  const std::string wanted = text_argument(arguments, 0, "chars", "");
  return interpreter.text(wanted.empty() ? text : std::string(strip(text, wanted)), arguments.place);
}

template <std::string (*change)(std::string_view)>
Value filter_case(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("this filter", 0, {});
  return interpreter.text(change(input_text(input)), arguments.place);
}

/// Jinja's own title(): words begin after spaces and - ( { [ <.
std::string title_words(std::string_view text) {
  std::string result;
  bool begins = true;
  for (const std::string_view character : characters(text)) {
    const std::uint32_t code_point = read_utf8(character, 0).code_point;
    const bool separates =
        is_space(code_point) ||
        (code_point < 128 && std::string_view("-({[<").find(static_cast<char>(code_point)) != std::string_view::npos);
    result += begins && !separates ? upper(character) : lower(character);
    begins = separates;
  }
  return result;
}

Value filter_replace(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("replace", 3, {"old", "new", "count"});
  const std::string from = to_text(needed(arguments, 0, "old"));
  const std::string to = to_text(needed(arguments, 1, "new"));
  const Value* count = arguments.find(2, "count");
  const std::string text = input_text(input);
  const std::uint64_t places = text.size() / std::max<std::size_t>(from.size(), 1) + 1;
  if (places * to.size() > std::uint64_t{1} << 20) interpreter.charge(0, places * to.size(), arguments.place);
  const std::int64_t most = count == nullptr || count->is_none() ? -1 : integer_argument(arguments, 2, "count", -1);
  return interpreter.text(replace(text, from, to, most), arguments.place);
}

Value filter_string(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("string", 0, {});
  return input.is_text() ? input : interpreter.text(to_text(input), arguments.place);
}

Value filter_escape(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  std::string escaped;
  for (const char byte : input_text(input)) {
    if (byte == '&') {
      escaped += "&amp;";
    } else if (byte == '<') {
      escaped += "&lt;";
    } else if (byte == '>') {
      escaped += "&gt;";
    } else if (byte == '\'') {
      escaped += "&#39;";
    } else if (byte == '"') {
      escaped += "&#34;";
    } else {
      escaped += byte;
    }
  }
  return interpreter.text(std::move(escaped), arguments.place);
}

Value filter_indent(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("indent", 3, {"width", "first", "blank"});
  const Value* width = arguments.find(0, "width");
  std::string margin(4, ' ');
  if (width != nullptr && width->is_text()) margin = width->text();
  if (width != nullptr && !width->is_text()) {
    const std::int64_t count = std::max<std::int64_t>(integer_argument(arguments, 0, "width", 4), 0);
    interpreter.charge(0, static_cast<std::uint64_t>(count), arguments.place);
    margin.assign(static_cast<std::size_t>(count), ' ');
  }
  const bool first = truth_argument(arguments, 1, "first", false);
  const bool blank = truth_argument(arguments, 2, "blank", false);
  const std::string text = input_text(input) + "\n";
  std::string result;
  bool begin = true;
  for (const std::string_view line : split_lines(text)) {
    if (!begin) result += '\n';
    if (begin ? first : blank || !line.empty()) {
      result += margin;
      interpreter.charge(1, margin.size(), arguments.place);
    }
    begin = false;
    result += line;
  }
  return interpreter.text(std::move(result), arguments.place);
}

Value filter_center(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("center", 1, {"width"});
  const std::int64_t width = integer_argument(arguments, 0, "width", 80);
  std::string text = input_text(input);
  const std::int64_t missing = width - count_characters(text);
  if (missing <= 0) return interpreter.text(std::move(text), arguments.place);
  interpreter.charge(0, static_cast<std::uint64_t>(missing), arguments.place);
  const std::int64_t left = missing / 2 + (missing & width & 1);
  return interpreter.text(std::string(static_cast<std::size_t>(left), ' ') + text +
                              std::string(static_cast<std::size_t>(missing - left), ' '),
                          arguments.place);
}

Value filter_word_count(Interpreter&, const Value& input, const Arguments& arguments) {
  arguments.expect("wordcount", 0, {});
  const std::string text = input_text(input);
  std::int64_t count = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text, at);
    const bool word = step.code_point == '_' || is_letter_or_number(step.code_point);
    if (word && !inside) ++count;
    inside = word;
    at += step.length;
  }
  return Value::of(count);
}

Value filter_truncate(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("truncate", 4, {"length", "killwords", "end", "leeway"});
  const std::int64_t length = integer_argument(arguments, 0, "length", 255);
  const std::string end = text_argument(arguments, 2, "end", "...");
  const std::int64_t leeway = integer_argument(arguments, 3, "leeway", 5);
  const std::string text = input_text(input);
  const std::int64_t tail = count_characters(end);
  if (length < tail || leeway < 0)
    raise(arguments.place, "truncate: length {} below that of the end mark, or leeway {} below 0", length, leeway);
  if (count_characters(text) - length <= leeway) return interpreter.text(text, arguments.place);
  std::string kept = text.substr(0, byte_of_character(text, length - tail));
  if (!truth_argument(arguments, 1, "killwords", false)) kept = kept.substr(0, kept.rfind(' '));
  return interpreter.text(kept + end, arguments.place);
}

Value filter_format(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  if (!arguments.named.empty()) raise_unsupported(arguments.place, "format with named values");
  return interpreter.text(format_printf(interpreter, input_text(input), arguments.positional, arguments.place),
                          arguments.place);
}

Value filter_json(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("tojson", 4, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  // Transformers' order of arguments: ensure_ascii, indent, separators, sort_keys.
  style.ensure_ascii = truth_argument(arguments, 0, "ensure_ascii", false);
  style.sort_keys = truth_argument(arguments, 3, "sort_keys", false);
  const Value* indent = arguments.find(1, "indent");
  if (indent != nullptr && !indent->is_none()) {
    if (indent->is_text()) {
      style.indent = 0;
      style.indent_text = indent->text();
    } else {
      style.indent = std::clamp<std::int64_t>(integer_argument(arguments, 1, "indent", 0), 0, 1000);
    }
    style.item_separator = ",";
  }
  const Value* separators = arguments.find(2, "separators");
  if (separators != nullptr && !separators->is_none()) {
    const auto parts = iterate(*separators, arguments.place);
    if (parts->items.size() != 2) raise(arguments.place, "tojson: separators must be two strings");
    style.item_separator = to_text(parts->items[0]);
    style.key_separator = to_text(parts->items[1]);
  }
  return interpreter.text(to_json(input, style, arguments.place), arguments.place);
}

// ---- numbers

Value filter_abs(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("abs", 0, {});
  if (!input.is_number()) raise(arguments.place, "abs asks for a number, not {}", input.type_name());
  if (input.is_real()) return Value::of(std::fabs(input.number()));
  return input.integer() < 0 ? arithmetic(interpreter, "-", Value::of(std::int64_t{0}), input, arguments.place)
                             : Value::of(input.integer());
}

/// Digits that may carry a sign and single underscores, in a base; nothing when the text is something else.
bool read_integer(std::string_view text, int base, std::int64_t& value) {
  text = strip(text);
  std::string digits;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool between =
        at > 0 && at + 1 < text.size() && text[at - 1] != '_' && text[at - 1] != '-' && text[at - 1] != '+';
    if (text[at] == '_' && between) continue;
    if (at == 0 && text[at] == '+' && text.size() > 1 && text[1] != '-') continue;
    digits += text[at];
  }
  const std::size_t sign = !digits.empty() && digits[0] == '-' ? 1 : 0;
  const std::string_view prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
  if (!prefix.empty() && lower(std::string_view(digits).substr(sign, 2)) == prefix) digits.erase(sign, 2);
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return !digits.empty() && result.ec == std::errc() && result.ptr == digits.data() + digits.size();
}

bool read_real(std::string_view text, double& value) {
  text = strip(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}

Value filter_int(Interpreter&, const Value& input, const Arguments& arguments) {
  arguments.expect("int", 2, {"default", "base"});
  const Value* given = arguments.find(0, "default");
  const Value otherwise = given != nullptr ? *given : Value::of(std::int64_t{0});
  const std::int64_t base = integer_argument(arguments, 1, "base", 10);
  if (base < 2 || base > 36) raise(arguments.place, "int: base {}, expected 2 to 36", base);
  if (input.is_integer()) return Value::of(input.integer());
  double real = 0;
  if (input.is_text()) {
    std::int64_t whole = 0;
    if (read_integer(input.text(), static_cast<int>(base), whole)) return Value::of(whole);
    if (!read_real(input.text(), real)) return otherwise;
  } else if (input.is_real()) {
    real = input.number();
  } else {
    return otherwise;
  }
  if (!(std::fabs(real) < 9.2e18)) return otherwise;
  return Value::of(static_cast<std::int64_t>(real));
}

Value filter_float(Interpreter&, const Value& input, const Arguments& arguments) {
  arguments.expect("float", 1, {"default"});
  const Value* given = arguments.find(0, "default");
  double real = 0;
  if (input.is_number()) return Value::of(input.number());
  if (input.is_text() && read_real(input.text(), real)) return Value::of(real);
  return given != nullptr ? *given : Value::of(0.0);
}

Value filter_round(Interpreter&, const Value& input, const Arguments& arguments) {
  arguments.expect("round", 2, {"precision", "method"});
  const std::int64_t precision = integer_argument(arguments, 0, "precision", 0);
  const std::string method = text_argument(arguments, 1, "method", "common");
  if (!input.is_number()) raise(arguments.place, "round asks for a number, not {}", input.type_name());
  if (precision < -300 || precision > 300) raise(arguments.place, "round: precision {}", precision);
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return Value::of(std::ceil(input.number() * scale) / scale);
  if (method == "floor") return Value::of(std::floor(input.number() * scale) / scale);
  if (method != "common") raise(arguments.place, "round: method '{}', expected common, ceil or floor", method);
  if (input.is_integer() && precision >= 0) return input;
  if (precision < 0) return Value::of(std::nearbyint(input.number() * scale) / scale);
  // The decimal digits decide, as in Python; ties that the digits do not show go to even.
  double rounded = 0;
  const std::string digits = fmt::format("{:.{}f}", input.number(), precision);
  std::from_chars(digits.data(), digits.data() + digits.size(), rounded);
  return Value::of(rounded);
}

// ---- collections

Value filter_length(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("length", 0, {});
  if (input.is_text()) {
    interpreter.charge(input.text().size() / 64, 0, arguments.place);
    return Value::of(count_characters(input.text()));
  }
  if (input.is_list() || input.is_dict() || input.is_undefined())
    return Value::of(static_cast<std::int64_t>(iterate(input, arguments.place)->items.size()));
  raise(arguments.place, "a {} has no length", input.type_name());
}

Value filter_default(Interpreter&, const Value& input, const Arguments& arguments) {
  arguments.expect("default", 2, {"default_value", "boolean"});
  const bool missing = input.is_undefined() || (truth_argument(arguments, 1, "boolean", false) && !input.truth());
  if (!missing) return input;
  const Value* given = arguments.find(0, "default_value");
  return given != nullptr ? *given : Value::of("");
}

Value filter_first(Interpreter&, const Value& input, const Arguments& arguments) {
  arguments.expect("first", 0, {});
  const auto items = iterate(input, arguments.place);
  return items->items.empty() ? Value::undefined("the first item of an empty sequence") : items->items.front();
}

Value filter_last(Interpreter&, const Value& input, const Arguments& arguments) {
  arguments.expect("last", 0, {});
  const auto items = iterate(input, arguments.place);
  return items->items.empty() ? Value::undefined("the last item of an empty sequence") : items->items.back();
}

Value filter_list(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("list", 0, {});
  return interpreter.list(iterate(input, arguments.place)->items, arguments.place);
}

Value filter_reverse(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("reverse", 0, {});
  std::vector<Value> items = iterate(input, arguments.place)->items;
  std::reverse(items.begin(), items.end());
  if (!input.is_text()) return interpreter.list(std::move(items), arguments.place);
  std::string text;
  for (const Value& item : items) text += item.text();
  return interpreter.text(std::move(text), arguments.place);
}

Value filter_join(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("join", 2, {"d", "attribute"});
  const Value* given = arguments.find(0, "d");
  const std::string separator = given != nullptr ? to_text(*given) : "";
  const Value* attribute = arguments.find(1, "attribute");
  std::string joined;
  bool first = true;
  const auto sequence = iterate(input, arguments.place);
  for (const Value& item : sequence->items) {
    if (!first) joined += separator;
    first = false;
    joined += to_text(
        attribute != nullptr && !attribute->is_none() ? path_of(interpreter, item, *attribute, arguments.place) : item);
    interpreter.charge(1, separator.size(), arguments.place);
  }
  return interpreter.text(std::move(joined), arguments.place);
}

Value filter_items(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("items", 0, {});
  if (input.is_undefined()) return interpreter.list({}, arguments.place);
  if (!input.is_dict()) raise(arguments.place, "items asks for a dict, not {}", input.type_name());
  return interpreter.call(find_method(input, "items"), arguments);
}

Value filter_map(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.positional.empty() ? arguments.find(0, "attribute") : nullptr;
  std::vector<Value> mapped;
  const auto items = iterate(input, arguments.place);
  if (attribute != nullptr) {
    arguments.expect("map", 0, {"attribute", "default"});
    const Value* otherwise = arguments.find(1, "default");
    for (const Value& item : items->items) {
      Value value = path_of(interpreter, item, *attribute, arguments.place);
      if (value.is_undefined() && otherwise != nullptr) value = *otherwise;
      mapped.push_back(std::move(value));
    }
    return interpreter.list(std::move(mapped), arguments.place);
  }
  const std::string name = text_argument(arguments, 0, "filter", "");
  const Filter filter = find_filter(name);
  if (filter == nullptr) raise_unsupported(arguments.place, "map: unknown filter '{}'", name);
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : items->items) mapped.push_back(filter(interpreter, item, rest));
  return interpreter.list(std::move(mapped), arguments.place);
}

/// select, reject, selectattr and rejectattr.
template <bool by_attribute, bool wanted>
Value filter_select(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Arguments rest = arguments;
  Value attribute;
  if (by_attribute) {
    attribute = needed(arguments, 0, "attribute");
    rest.positional.erase(rest.positional.begin());
  }
  Test test = nullptr;
  if (!rest.positional.empty()) {
    const std::string name = text_argument(rest, 0, "test", "");
    test = find_test(name);
    if (test == nullptr) raise_unsupported(arguments.place, "unknown test '{}'", name);
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> kept;
  const auto sequence = iterate(input, arguments.place);
  for (const Value& item : sequence->items) {
    const Value value = by_attribute ? path_of(interpreter, item, attribute, arguments.place) : item;
    const bool holds = test != nullptr ? test(value, rest) : value.truth();
    if (holds == wanted) kept.push_back(item);
  }
  return interpreter.list(std::move(kept), arguments.place);
}

/// What sort, unique, min and max compare: an attribute when named, in lower case unless asked.
Value sort_key(Interpreter& interpreter, const Value& item, const Value* attribute, bool case_sensitive, Place place) {
  const Value value =
      attribute != nullptr && !attribute->is_none() ? path_of(interpreter, item, *attribute, place) : item;
  return value.is_text() && !case_sensitive ? Value::of(lower(value.text())) : value;
}

struct Keyed {
  Value key, item;
};

std::vector<Keyed> keyed_items(Interpreter& interpreter, const Value& input, const Value* attribute,
                               bool case_sensitive, Place place) {
  std::vector<Keyed> keyed;
  const auto sequence = iterate(input, place);
  for (const Value& item : sequence->items)
    keyed.push_back({sort_key(interpreter, item, attribute, case_sensitive, place), item});
  interpreter.charge(keyed.size() * 16, keyed.size() * sizeof(Keyed), place);
  return keyed;
}

Value sorted(Interpreter& interpreter, std::vector<Keyed> keyed, bool reverse, Place place) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& left, const Keyed& right) {
    return reverse ? less(right.key, left.key, place) : less(left.key, right.key, place);
  });
  std::vector<Value> items;
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return interpreter.list(std::move(items), place);
}

Value filter_sort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("sort", 3, {"reverse", "case_sensitive", "attribute"});
  auto keyed = keyed_items(interpreter, input, arguments.find(2, "attribute"),
                           truth_argument(arguments, 1, "case_sensitive", false), arguments.place);
  return sorted(interpreter, std::move(keyed), truth_argument(arguments, 0, "reverse", false), arguments.place);
}

Value filter_sort_dict(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("dictsort", 3, {"case_sensitive", "by", "reverse"});
  if (!input.is_dict()) raise(arguments.place, "dictsort asks for a dict, not {}", input.type_name());
  const std::string by = text_argument(arguments, 1, "by", "key");
  if (by != "key" && by != "value") raise(arguments.place, "dictsort: by '{}', expected key or value", by);
  const Value place_of_key = Value::of(std::int64_t{by == "key" ? 0 : 1});
  const Value pairs = filter_items(interpreter, input, Arguments{{}, {}, arguments.place});
  auto keyed = keyed_items(interpreter, pairs, &place_of_key, truth_argument(arguments, 0, "case_sensitive", false),
                           arguments.place);
  return sorted(interpreter, std::move(keyed), truth_argument(arguments, 2, "reverse", false), arguments.place);
}

Value filter_unique(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("unique", 2, {"case_sensitive", "attribute"});
  std::vector<Value> seen;
  std::vector<Value> kept;
  for (const Keyed& entry : keyed_items(interpreter, input, arguments.find(1, "attribute"),
                                        truth_argument(arguments, 0, "case_sensitive", false), arguments.place)) {
    interpreter.charge(seen.size(), 0, arguments.place);
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& value) { return equal(value, entry.key); })) continue;
    seen.push_back(entry.key);
    kept.push_back(entry.item);
  }
  return interpreter.list(std::move(kept), arguments.place);
}

template <bool largest>
Value filter_extreme(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect(largest ? "max" : "min", 2, {"case_sensitive", "attribute"});
  const auto keyed = keyed_items(interpreter, input, arguments.find(1, "attribute"),
                                 truth_argument(arguments, 0, "case_sensitive", false), arguments.place);
  if (keyed.empty()) return Value::undefined("the extreme of an empty sequence");
  const Keyed* best = &keyed.front();
  for (const Keyed& entry : keyed) {
    if (largest ? less(best->key, entry.key, arguments.place) : less(entry.key, best->key, arguments.place))
      best = &entry;
  }
  return best->item;
}

Value filter_sum(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("sum", 2, {"attribute", "start"});
  const Value* attribute = arguments.find(0, "attribute");
  const Value* start = arguments.find(1, "start");
  Value total = start != nullptr ? *start : Value::of(std::int64_t{0});
  const auto sequence = iterate(input, arguments.place);
  for (const Value& item : sequence->items) {
    const Value value =
        attribute != nullptr && !attribute->is_none() ? path_of(interpreter, item, *attribute, arguments.place) : item;
    total = arithmetic(interpreter, "+", total, value, arguments.place);
  }
  return total;
}

Value filter_batch(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("batch", 2, {"linecount", "fill_with"});
  const std::int64_t size = integer_argument(arguments, 0, "linecount", 0);
  if (size < 1) raise(arguments.place, "batch: a size of {}", size);
  const Value* fill = arguments.find(1, "fill_with");
  std::vector<Value> batches;
  std::vector<Value> batch;
  const auto sequence = iterate(input, arguments.place);
  for (const Value& item : sequence->items) {
    if (static_cast<std::int64_t>(batch.size()) == size) {
      batches.push_back(interpreter.list(std::move(batch), arguments.place));
      batch.clear();
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    while (fill != nullptr && !fill->is_none() && static_cast<std::int64_t>(batch.size()) < size) {
      interpreter.charge(1, sizeof(Value), arguments.place);
      batch.push_back(*fill);
    }
    batches.push_back(interpreter.list(std::move(batch), arguments.place));
  }
  return interpreter.list(std::move(batches), arguments.place);
}

/// Python's getattr: never the items of a dict.
Value filter_attribute(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  arguments.expect("attr", 1, {"name"});
  const std::string name = to_text(needed(arguments, 0, "name"));
  return input.is_dict() ? find_method(input, name) : interpreter.attribute(input, name, arguments.place);
}

struct NamedFilter {
  std::string_view name;
  Filter filter;
};

constexpr NamedFilter filters[] = {
    {"abs", filter_abs},
    {"attr", filter_attribute},
    {"batch", filter_batch},
    {"capitalize", filter_case<capitalize>},
    {"center", filter_center},
    {"count", filter_length},
    {"d", filter_default},
    {"default", filter_default},
    {"dictsort", filter_sort_dict},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"first", filter_first},
    {"float", filter_float},
    {"format", filter_format},
    {"indent", filter_indent},
    {"int", filter_int},
    {"items", filter_items},
    {"join", filter_join},
    {"last", filter_last},
    {"length", filter_length},
    {"list", filter_list},
    {"lower", filter_case<lower>},
    {"map", filter_map},
    {"max", filter_extreme<true>},
    {"min", filter_extreme<false>},
    {"reject", filter_select<false, false>},
    {"rejectattr", filter_select<true, false>},
    {"replace", filter_replace},
    {"reverse", filter_reverse},
    {"round", filter_round},
    {"safe", filter_string},
    {"select", filter_select<false, true>},
    {"selectattr", filter_select<true, true>},
    {"sort", filter_sort},
    {"string", filter_string},
    {"sum", filter_sum},
    {"title", filter_case<title_words>},
    {"tojson", filter_json},
    {"trim", filter_trim},
    {"truncate", filter_truncate},
    {"unique", filter_unique},
    {"upper", filter_case<upper>},
    {"wordcount", filter_word_count},
};

}  // namespace

Filter find_filter(std::string_view name) {
  for (const NamedFilter& filter : filters) {
    if (filter.name == name) return filter.filter;
  }
  return nullptr;
}

}  // namespace tome::jinja
