#pragma once
// HTTP through libcurl: redirects, a bearer token that never follows to another host, Range, cancellation. One request
// a call, one thread.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"

namespace tome {

struct HttpRequest {
  std::string url;
  std::string token = {};         ///< sent to the first host only
  std::uint64_t range_begin = 0;  ///< 0: the whole
  bool head = false;
  bool follow = true;           ///< redirects; otherwise they are replies with a redirect_url
  double stall_seconds = 60.0;  ///< no byte for this long: given up
};

struct HttpReply {
  int status = 0;
  /// Lower-case names. Of redirects, too: the last value wins, except x-linked-* and x-repo-commit, which only the
  /// first host sends.
  std::map<std::string, std::string> headers;
  std::string redirect_url = {};  ///< absolute, of a 3xx that was not followed
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

/// `headers_done` sees the final reply before the first byte of a 2xx body; bodies of other replies are dropped.
struct HttpSink {
  std::function<Status(const HttpReply&)> headers_done = {};
  std::function<Status(std::span<const std::byte>)> body = {};
};

/// Errors: network (no connection, cut, stalled), cancelled, and what the sink returns. A reply of any status is a
/// reply.
Result<HttpReply> http_get(const HttpRequest& request, const HttpSink& sink);

/// Percent-encodes all but unreserved characters and '/'.
std::string encode_path(std::string_view path);

}  // namespace tome
