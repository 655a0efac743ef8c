#pragma once
// Inside the interpreter an error travels as an exception with its place; ChatTemplate turns it into a Result.
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/result.h"

namespace tome::jinja {

/// Where in the template's source, counted from 1; a column is a character.
struct Place {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

struct TemplateError {
  ErrorKind kind = ErrorKind::format;
  std::string message;
};

template <class... Args>
[[noreturn]] void raise(Place place, fmt::format_string<Args...> format, Args&&... args) {
  throw TemplateError{ErrorKind::format, fmt::format("[chat template] line {}, column {}: {}", place.line, place.column,
                                                     fmt::format(format, std::forward<Args>(args)...))};
}

template <class... Args>
[[noreturn]] void raise_unsupported(Place place, fmt::format_string<Args...> format, Args&&... args) {
  throw TemplateError{ErrorKind::unsupported,
                      fmt::format("[chat template] line {}, column {}: {}", place.line, place.column,
                                  fmt::format(format, std::forward<Args>(args)...))};
}

}  // namespace tome::jinja
