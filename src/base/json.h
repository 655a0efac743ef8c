#pragma once
// JSON from strangers: nlohmann-json with what it leaves open closed: duplicate keys, depth and size are refused.
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"

namespace tome {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t max_depth = 64;
  bool allow_bare_infinity = false;  ///< Python writes Infinity and NaN; read as numbers when allowed
};

/// Errors: format, naming `what`, for syntax (with the byte), duplicate keys (with the key), depth, bad UTF-8.
Result<Json> parse_json(std::string_view text, std::string_view what, const JsonLimits& limits = {});

}  // namespace tome
