#pragma once
// Typed fields of a JSON object that a stranger wrote. Messages name the file, the field, what was found and what was
// expected. Absent and null are the same. Holds references: lives no longer than the JSON. Any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tome {

class JsonFields {
 public:
  /// `where` opens each message ("[hf] model/config.json"); `path` is put before field names ("rope_scaling.").
  JsonFields(const Json& object, std::string where, std::string path = "")
      : object_(object), where_(std::move(where)), path_(std::move(path)) {}

  /// nullptr when absent or null.
  const Json* find(const char* field) const;
  Result<std::optional<std::uint64_t>> unsigned_number(const char* field, std::uint64_t most = UINT32_MAX) const;
  Result<std::optional<double>> number(const char* field) const;
  Result<std::optional<bool>> boolean(const char* field) const;
  Result<std::optional<std::string>> text(const char* field) const;
  Result<std::optional<std::vector<float>>> numbers(const char* field) const;
  Result<std::uint32_t> required_count(const char* field) const;
  /// The object under `field`; nullopt when absent.
  Result<std::optional<JsonFields>> object(const char* field) const;
  /// The array under `field`; nullptr when absent.
  Result<const Json*> array(const char* field) const;

  const Json& json() const { return object_; }
  const std::string& where() const { return where_; }
  std::string name(std::string_view field) const { return path_ + std::string(field); }
  tl::unexpected<Error> wrong_type(const char* field, std::string_view expected) const;

 private:
  const Json& object_;
  std::string where_, path_;
};

/// A short, printable form of a value, for messages.
std::string shown(const Json& value);

}  // namespace tome
