#pragma once
// Base64 of RFC 4648, with padding (OpenSSL). Pure function, any thread.
#include <optional>
#include <string>
#include <string_view>

namespace tome {

/// nullopt for what is not base64 or is longer than 1 GiB.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace tome
