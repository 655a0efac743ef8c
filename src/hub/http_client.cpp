#include "hub/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <mutex>

#include "base/cancel.h"

namespace tome {
namespace {

struct CurlCloser {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

/// What the callbacks share.
struct Transfer {
  CURL* handle = nullptr;
  const HttpSink& sink;
  HttpReply reply;
  bool announced = false;
  Status failure = {};
};

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {  // a new reply: after a redirect only the hub's own facts stay
    std::erase_if(transfer.reply.headers, [](const auto& header) {
      return !header.first.starts_with("x-linked-") && header.first != "x-repo-commit";
    });
    return line.size();
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front()))) value.remove_prefix(1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back()))) value.remove_suffix(1);
  transfer.reply.headers[lower(line.substr(0, colon))] = value;
  return line.size();
}

Status announce(Transfer& transfer) {
  if (transfer.announced) return {};
  transfer.announced = true;
  long status = 0;
  curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
  transfer.reply.status = static_cast<int>(status);
  const bool good = status >= 200 && status < 300;
  return good && transfer.sink.headers_done ? transfer.sink.headers_done(transfer.reply) : Status{};
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.failure = announce(transfer);
  const bool good = transfer.reply.status >= 200 && transfer.reply.status < 300;
  if (transfer.failure && good && transfer.sink.body) {
    transfer.failure = transfer.sink.body(std::as_bytes(std::span(data, size * count)));
  }
  return transfer.failure ? size * count : 0;
}

int on_progress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return cancel_requested() ? 1 : 0; }

}  // namespace

std::string encode_path(std::string_view path) {
  std::string encoded;
  for (const unsigned char c : path) {
    const bool plain = std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/';
    encoded += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return encoded;
}

Result<HttpReply> http_get(const HttpRequest& request, const HttpSink& sink) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, CurlCloser> owner(curl_easy_init());
  CURL* handle = owner.get();
  if (handle == nullptr) return fail(ErrorKind::network, "[http] cannot start libcurl");
  Transfer transfer{.handle = handle, .sink = sink, .reply = {}};
  std::string reason(CURL_ERROR_SIZE, '\0');
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, request.follow ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "tome");
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(request.stall_seconds)));
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  if (request.head) curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  const std::string range = fmt::format("{}-", request.range_begin);
  if (request.range_begin > 0) curl_easy_setopt(handle, CURLOPT_RANGE, range.c_str());
  if (!request.token.empty()) {
    curl_easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(handle, CURLOPT_XOAUTH2_BEARER, request.token.c_str());
  }
  const CURLcode code = curl_easy_perform(handle);
  if (!transfer.failure) return tl::unexpected(transfer.failure.error());
  if (cancel_requested()) return fail(ErrorKind::cancelled, "cancelled");
  if (code != CURLE_OK) {
    const std::string message = reason.c_str();
    return fail(ErrorKind::network, "[http] {}: {}", request.url, message.empty() ? curl_easy_strerror(code) : message);
  }
  TOME_TRY(announce(transfer));  // an empty body
  const char* redirect = nullptr;
  curl_easy_getinfo(handle, CURLINFO_REDIRECT_URL, &redirect);
  if (redirect != nullptr) transfer.reply.redirect_url = redirect;
  return transfer.reply;
}

}  // namespace tome
