#pragma once
// Failures that come from outside (files, users, the network, memory) are values with facts in them; CHECK (check.h) is
// for programmer mistakes. Libraries return a Result; only cli and server print or exit.
#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tome {

enum class ErrorKind {
  usage,        ///< the user asked for something that makes no sense: exit code 2
  format,       ///< bytes that are not what their format says
  unsupported,  ///< well-formed, but Tome cannot do it
  io,           ///< files and the operating system
  network,      ///< transport, HTTP status, checksum of a download
  memory,       ///< not enough of it; told before the work
  cancelled,    ///< Ctrl-C: exit code 130
  numeric,      ///< a computation that did not come to a number
};

/// One line: what was being read, which field, what was found, what was expected.
struct Error {
  ErrorKind kind = ErrorKind::io;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

/// `return fail(ErrorKind::format, "[gguf] {}: version {}, expected 2 or 3", path, version);`
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{kind, fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace tome

#define TOME_CONCAT_(a, b) a##b
#define TOME_CONCAT(a, b) TOME_CONCAT_(a, b)
/// Returns the error of a Status or Result, goes on otherwise.
#define TOME_TRY(expression)                                                                                     \
  do {                                                                                                           \
    if (auto tome_status_ = (expression); !tome_status_) return tl::unexpected(std::move(tome_status_).error()); \
  } while (false)
/// `TOME_ASSIGN(auto file, MappedFile::open(path));`
#define TOME_ASSIGN(declaration, expression) TOME_ASSIGN_(declaration, expression, TOME_CONCAT(tome_result_, __LINE__))
#define TOME_ASSIGN_(declaration, expression, name)          \
  auto name = (expression);                                  \
  if (!name) return tl::unexpected(std::move(name).error()); \
  declaration = std::move(*name)
