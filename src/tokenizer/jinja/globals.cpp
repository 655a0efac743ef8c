// range, dict, namespace, raise_exception, strftime_now; arguments shared by all tables; printf formatting.
#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/text.h"
#include "tokenizer/utf8.h"

namespace tome::jinja {
namespace {

constexpr std::int64_t longest_range = 100000;  // as Jinja's sandbox

Value range_function(Interpreter& interpreter, const Arguments& arguments) {
  arguments.expect("range", 3, {});
  if (arguments.positional.empty()) raise(arguments.place, "range: the end is missing");
  for (const Value& value : arguments.positional) {
    if (!value.is_integer()) raise(arguments.place, "range asks for integers, got {}", value.type_name());
  }
  const bool one = arguments.positional.size() == 1;
  const std::int64_t begin = one ? 0 : arguments.positional[0].integer();
  const std::int64_t end = arguments.positional[one ? 0 : 1].integer();
  const std::int64_t step = arguments.positional.size() > 2 ? arguments.positional[2].integer() : 1;
  if (step == 0) raise(arguments.place, "range: the step is zero");
  std::vector<Value> items;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
    if (static_cast<std::int64_t>(items.size()) >= longest_range)
      raise(arguments.place, "range: more than {} numbers", longest_range);
    items.push_back(Value::of(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return interpreter.list(std::move(items), arguments.place);
}

Value dict_function(Interpreter& interpreter, const Arguments& arguments) {
  Dict dict;
  for (const Value& given : arguments.positional) {
    if (given.is_dict()) {
      for (const auto& [key, value] : given.dict().items) dict.set(key, value);
    } else {
      const auto pairs = iterate(given, arguments.place);
      for (const Value& pair : pairs->items) {
        const auto two = iterate(pair, arguments.place);
        if (two->items.size() != 2) raise(arguments.place, "dict asks for pairs");
        dict.set(two->items[0], two->items[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) dict.set(Value::of(name), value);
  interpreter.charge(dict.items.size(), dict.items.size() * 2 * sizeof(Value), arguments.place);
  return make_dict(std::move(dict), arguments.place);
}

Value namespace_function(Interpreter& interpreter, const Arguments& arguments) {
  const Value values = dict_function(interpreter, arguments);
  auto space = std::make_shared<Namespace>();
  for (const auto& [key, value] : values.dict().items) space->values[to_text(key)] = value;
  return Value::of(std::move(space));
}

Value raise_function(Interpreter&, const Arguments& arguments) {
  const std::string message = arguments.positional.empty() ? "" : to_text(arguments.positional[0]);
  raise(arguments.place, "the template refuses: {}", message);
}

Value time_function(Interpreter& interpreter, const Arguments& arguments) {
  arguments.expect("strftime_now", 1, {});
  if (arguments.positional.empty() || !arguments.positional[0].is_text())
    raise(arguments.place, "strftime_now asks for a format");
  const std::string& format = arguments.positional[0].text();
  constexpr std::size_t longest = 4096;
  if (format.size() > longest)
    raise(arguments.place, "strftime_now: a format of {} bytes, at most {}", format.size(), longest);
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  // A leading character keeps an empty result apart from a full buffer.
  std::string buffer(longest * 32, '\0');
  buffer.resize(std::strftime(buffer.data(), buffer.size(), ('x' + format).c_str(), &parts));
  return interpreter.text(repair_utf8(std::string_view(buffer).substr(std::min<std::size_t>(1, buffer.size()))),
                          arguments.place);
}

struct NamedFunction {
  std::string_view name;
  Value (*call)(Interpreter&, const Arguments&);
};

constexpr NamedFunction functions[] = {{"range", range_function},
                                       {"dict", dict_function},
                                       {"namespace", namespace_function},
                                       {"raise_exception", raise_function},
                                       {"strftime_now", time_function}};

/// One conversion of a printf format: %[flags][width][.precision]letter.
struct Conversion {
  bool left = false, zeros = false, plus = false, space = false;
  std::size_t width = 0;
  int precision = -1;
  char letter = 0;
};

Conversion read_conversion(std::string_view format, std::size_t& at, Place place) {
  Conversion conversion;
  for (; at < format.size(); ++at) {
    if (format[at] == '-') {
      conversion.left = true;
    } else if (format[at] == '0') {
      conversion.zeros = true;
    } else if (format[at] == '+') {
      conversion.plus = true;
    } else if (format[at] == ' ') {
      conversion.space = true;
    } else {
      break;
    }
  }
  const auto number = [&] {
    int value = 0;
    while (at < format.size() && format[at] >= '0' && format[at] <= '9' && value < 1000)
      value = value * 10 + (format[at++] - '0');
    return value;
  };
  conversion.width = static_cast<std::size_t>(number());
  if (at < format.size() && format[at] == '.') {
    ++at;
    conversion.precision = std::min(number(), 100);
  }
  if (at >= format.size()) raise(place, "a format ends within '%'");
  conversion.letter = format[at++];
  return conversion;
}

std::string convert(const Conversion& conversion, const Value& value, Place place) {
  const char letter = conversion.letter;
  if (letter == 's' || letter == 'r') {
    std::string text = letter == 's' ? to_text(value) : to_repr(value);
    if (conversion.precision >= 0) text.resize(byte_of_character(text, conversion.precision));
    return text;
  }
  if (!value.is_number()) raise(place, "'%{}' asks for a number, got {}", letter, value.type_name());
  std::string text;
  if (letter == 'd' || letter == 'i') {
    const double number = value.number();
    if (value.is_real() && !(std::fabs(number) < 9e18)) raise(place, "'%{}' of a number beyond 64 bits", letter);
    text = std::to_string(value.is_real() ? static_cast<std::int64_t>(number) : value.integer());
  } else if (letter == 'x' && value.is_integer()) {
    text = value.integer() < 0 ? fmt::format("-{:x}", std::uint64_t{0} - static_cast<std::uint64_t>(value.integer()))
                               : fmt::format("{:x}", value.integer());
  } else if (letter == 'f' || letter == 'F') {
    text = fmt::format("{:.{}f}", value.number(), conversion.precision < 0 ? 6 : conversion.precision);
  } else if (letter == 'e') {
    text = fmt::format("{:.{}e}", value.number(), conversion.precision < 0 ? 6 : conversion.precision);
  } else if (letter == 'g') {
    text = fmt::format("{:.{}g}", value.number(), conversion.precision < 0 ? 6 : conversion.precision);
  } else {
    raise_unsupported(place, "format '%{}'", letter);
  }
  if (text[0] != '-' && conversion.plus) text.insert(0, "+");
  if (text[0] != '-' && !conversion.plus && conversion.space) text.insert(0, " ");
  if (conversion.zeros && !conversion.left && text.size() < conversion.width) {
    const bool sign = text[0] == '-' || text[0] == '+' || text[0] == ' ';
    text.insert(sign ? 1 : 0, conversion.width - text.size(), '0');
  }
  return text;
}

}  // namespace

Value find_global(const std::string& name) {
  for (const NamedFunction& function : functions) {
    if (function.name == name) return Value::of(std::make_shared<const Function>(Function{name, function.call}));
  }
  return Value::undefined(name);
}

std::int64_t integer_argument(const Arguments& arguments, std::size_t index, std::string_view name,
                              std::int64_t otherwise) {
  const Value* value = arguments.find(index, name);
  if (value == nullptr) return otherwise;
  if (!value->is_integer())
    raise(arguments.place, "argument '{}' must be an integer, not {}", name, value->type_name());
  return value->integer();
}

std::string text_argument(const Arguments& arguments, std::size_t index, std::string_view name,
                          std::string_view otherwise) {
  const Value* value = arguments.find(index, name);
  if (value == nullptr) return std::string(otherwise);
  if (!value->is_text()) raise(arguments.place, "argument '{}' must be a string, not {}", name, value->type_name());
  return value->text();
}

bool truth_argument(const Arguments& arguments, std::size_t index, std::string_view name, bool otherwise) {
  const Value* value = arguments.find(index, name);
  return value == nullptr ? otherwise : value->truth();
}

std::string format_printf(Interpreter& interpreter, std::string_view format, const std::vector<Value>& arguments,
                          Place place) {
  std::string result;
  std::size_t used = 0;
  for (std::size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      result += format[at++];
      continue;
    }
    ++at;
    const Conversion conversion = read_conversion(format, at, place);
    if (conversion.letter == '%') {
      result += '%';
      continue;
    }
    if (used >= arguments.size()) raise(place, "a format asks for more than {} values", arguments.size());
    std::string text = convert(conversion, arguments[used++], place);
    const auto width = static_cast<std::size_t>(count_characters(text));
    if (width < conversion.width) text.insert(conversion.left ? text.size() : 0, conversion.width - width, ' ');
    interpreter.charge(1, text.size(), place);
    result += text;
  }
  if (used < arguments.size()) raise(place, "a format uses {} of {} values", used, arguments.size());
  return result;
}

}  // namespace tome::jinja
