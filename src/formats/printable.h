#pragma once
// Names and values that come from a file, made fit for a one-line message: control characters and bytes outside ASCII
// are escaped, long ones are cut. Pure functions, any thread.
#include <string>
#include <string_view>

namespace tome {

/// At most `limit` bytes of `text`, then "…(N bytes)".
std::string printable(std::string_view text, std::size_t limit = 80);

}  // namespace tome
