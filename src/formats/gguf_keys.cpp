#include <cmath>

#include "formats/gguf_model.h"
#include "formats/printable.h"

namespace tome {

tl::unexpected<Error> GgufKeys::wrong_type(const std::string& key, std::string_view expected) const {
  const GgufValue* value = file_.find(key);
  return fail(ErrorKind::format, "[gguf] {}: key '{}': {}, expected {}", file_.name, printable(key),
              gguf_type_name(value->type), expected);
}

Result<std::optional<std::uint64_t>> GgufKeys::unsigned_number(const std::string& key, std::uint64_t most) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->as_signed() && value->type != GgufType::u64) return wrong_type(key, "a whole number");
  const auto number = value->as_unsigned();
  if (!number)
    return fail(ErrorKind::format, "[gguf] {}: key '{}': {} is negative", file_.name, key, *value->as_signed());
  if (*number > most)
    return fail(ErrorKind::format, "[gguf] {}: key '{}': {}, expected at most {}", file_.name, key, *number, most);
  return number;
}

Result<std::optional<double>> GgufKeys::number(const std::string& key) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return std::nullopt;
  const auto number = value->as_number();
  if (!number) return wrong_type(key, "a number");
  if (!std::isfinite(*number))
    return fail(ErrorKind::format, "[gguf] {}: key '{}': {}, expected a finite number", file_.name, key, *number);
  return number;
}

Result<std::optional<bool>> GgufKeys::boolean(const std::string& key) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return std::nullopt;
  const auto flag = value->as_bool();
  if (!flag) return wrong_type(key, "a bool");
  return flag;
}

Result<std::optional<std::string>> GgufKeys::text(const std::string& key) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::string) return wrong_type(key, "a string");
  return std::string(value->text);
}

Result<std::uint32_t> GgufKeys::required_count(const std::string& key) const {
  TOME_ASSIGN(const auto count, unsigned_number(key));
  if (!count) return fail(ErrorKind::format, "[gguf] {}: key '{}' is missing", file_.name, key);
  if (*count == 0) return fail(ErrorKind::format, "[gguf] {}: key '{}' is zero", file_.name, key);
  return static_cast<std::uint32_t>(*count);
}

Result<std::optional<std::uint32_t>> GgufKeys::per_layer_count(const std::string& key, std::uint32_t layers) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::array) {
    TOME_ASSIGN(const std::uint32_t count, required_count(key));
    return count;
  }
  if (value->count != layers)
    return fail(ErrorKind::format, "[gguf] {}: key '{}': an array of {} values, expected {}, one a layer", file_.name,
                key, value->count, layers);
  if (value->scalars.empty()) return wrong_type(key, "an array of whole numbers");
  const auto first = value->scalar(0).as_unsigned();
  for (std::uint64_t layer = 0; layer < value->count; ++layer) {
    const auto count = value->scalar(layer).as_unsigned();
    if (!count || *count > UINT32_MAX)
      return fail(ErrorKind::format, "[gguf] {}: key '{}': layer {}: expected a whole number", file_.name, key, layer);
    if (*count == 0) return fail(ErrorKind::format, "[gguf] {}: key '{}': layer {} is zero", file_.name, key, layer);
    if (count != first)
      return fail(ErrorKind::unsupported, "[gguf] {}: key '{}': layers with different counts ({} and {})", file_.name,
                  key, *first, *count);
  }
  return static_cast<std::uint32_t>(*first);
}

Result<const GgufValue*> GgufKeys::array(const std::string& key) const {
  const GgufValue* value = file_.find(key);
  if (value != nullptr && value->type != GgufType::array) return wrong_type(key, "an array");
  return value;
}

}  // namespace tome
