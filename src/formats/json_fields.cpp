#include "formats/json_fields.h"

#include <cmath>

#include "formats/printable.h"

namespace tome {

std::string shown(const Json& value) {
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  if (value.is_object()) return fmt::format("an object of {}", value.size());
  return printable(value.dump(-1, ' ', true), 100);
}

const Json* JsonFields::find(const char* field) const {
  const auto found = object_.find(field);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

tl::unexpected<Error> JsonFields::wrong_type(const char* field, std::string_view expected) const {
  return fail(ErrorKind::format, "{}: '{}' is {}, expected {}", where_, name(field), shown(object_.at(field)),
              expected);
}

Result<std::optional<std::uint64_t>> JsonFields::unsigned_number(const char* field, std::uint64_t most) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned()) return wrong_type(field, "a whole number from 0");
  const auto number = value->get<std::uint64_t>();
  if (number > most) return wrong_type(field, fmt::format("at most {}", most));
  return number;
}

Result<std::optional<double>> JsonFields::number(const char* field) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) return wrong_type(field, "a number");
  const double number = value->get<double>();
  if (!std::isfinite(number)) return wrong_type(field, "a finite number");
  return number;
}

Result<std::optional<bool>> JsonFields::boolean(const char* field) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) return wrong_type(field, "true or false");
  return value->get<bool>();
}

Result<std::optional<std::string>> JsonFields::text(const char* field) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return wrong_type(field, "a string");
  return value->get<std::string>();
}

Result<std::optional<std::vector<float>>> JsonFields::numbers(const char* field) const {
  TOME_ASSIGN(const Json* value, array(field));
  if (value == nullptr) return std::nullopt;
  std::vector<float> result;
  for (const Json& element : *value) {
    if (!element.is_number()) return wrong_type(field, "an array of numbers");
    result.push_back(static_cast<float>(element.get<double>()));
  }
  return result;
}

Result<std::uint32_t> JsonFields::required_count(const char* field) const {
  TOME_ASSIGN(const auto count, unsigned_number(field));
  if (!count) return fail(ErrorKind::format, "{}: '{}' is missing", where_, name(field));
  if (*count == 0) return fail(ErrorKind::format, "{}: '{}' is zero", where_, name(field));
  return static_cast<std::uint32_t>(*count);
}

Result<std::optional<JsonFields>> JsonFields::object(const char* field) const {
  const Json* value = find(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) return wrong_type(field, "an object");
  return JsonFields(*value, where_, name(field) + ".");
}

Result<const Json*> JsonFields::array(const char* field) const {
  const Json* value = find(field);
  if (value != nullptr && !value->is_array()) return wrong_type(field, "an array");
  return value;
}

}  // namespace tome
