#include "hub/model_hub.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "base/cancel.h"
#include "base/json.h"
#include "hub/download_file.h"
#include "hub/http_client.h"
#include "hub/repository_files.h"
#include "hub/transfer_progress.h"

namespace tome {
namespace {

namespace fs = std::filesystem;

/// What the hub says of one file.
struct RemoteFile {
  std::string name, url;
  std::string version;  ///< its etag, hex digits only
  ExpectedFile expected;
};

bool is_hex(std::string_view text, std::size_t length) {
  return text.size() == length &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// W/"abc" → abc
std::string bare_etag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  std::string bare;
  for (const char c : etag) {
    if (std::isxdigit(static_cast<unsigned char>(c)))
      bare += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return bare;
}

std::optional<std::uint64_t> number(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoull(text);
}

Status check_reply(const HttpReply& reply, const HubSettings& settings, const std::string& what) {
  if (reply.status >= 200 && reply.status < 300) return {};
  if (reply.status == 401 || reply.status == 403) {
    return fail(ErrorKind::network, "[pull] {}: HTTP {}: {}", what, reply.status,
                settings.token.empty() ? "it needs a token, or there is no such repository; set HF_TOKEN"
                                       : "HF_TOKEN does not give access (have you accepted the model's terms?)");
  }
  if (reply.status == 404) {
    return fail(ErrorKind::network, "[pull] {}: HTTP 404: no such repository or file (private ones need HF_TOKEN)",
                what);
  }
  return fail(ErrorKind::network, "[pull] {}: HTTP {}, expected 200", what, reply.status);
}

bool worth_retrying(int status) { return status == 408 || status == 429 || status >= 500; }

Status wait_before_retry(double seconds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < until) {
    if (cancel_requested()) return fail(ErrorKind::cancelled, "cancelled");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

/// Runs `attempt` until it gives a reply that is no passing trouble. `progressed`: whether bytes came since the last
/// call.
template <class Attempt, class Progressed>
Result<HttpReply> with_retries(const HubSettings& settings, const Attempt& attempt, const Progressed& progressed) {
  double pause = settings.retry_seconds;
  for (int failures = 1;; ++failures) {
    Result<HttpReply> reply = attempt();
    const bool passing = reply ? worth_retrying(reply->status) : reply.error().kind == ErrorKind::network;
    if (!passing) return reply;
    if (progressed()) {
      failures = 1;
      pause = settings.retry_seconds;
    }
    if (failures >= settings.attempts) return reply;
    TOME_TRY(wait_before_retry(pause));
    pause = std::min(pause * 2.0, 30.0);
  }
}

Result<HttpReply> get_with_retries(const HubSettings& settings, const HttpRequest& request, const HttpSink& sink) {
  return with_retries(
      settings, [&] { return http_get(request, sink); }, [] { return false; });
}

/// HEAD, along redirects, up to the reply that tells size and etag. A storage host's signed address may not allow HEAD,
/// so the hub's own facts are enough; the token goes to the hub only.
Result<HttpReply> facts_of(const std::string& url, const HubSettings& settings) {
  HttpRequest request{.url = url, .token = settings.token, .head = true, .follow = false};
  request.stall_seconds = settings.stall_seconds;
  for (int hops = 0; hops < 10; ++hops) {
    TOME_ASSIGN(HttpReply reply, get_with_retries(settings, request, {}));
    if (reply.redirect_url.empty()) return reply;
    if (!reply.header("x-linked-size").empty()) {
      reply.status = 200;
      return reply;
    }
    if (!reply.redirect_url.starts_with(settings.endpoint + "/")) request.token.clear();
    request.url = reply.redirect_url;
  }
  return fail(ErrorKind::network, "[pull] {}: more than 10 redirects", url);
}

Result<RemoteFile> look_at(const ModelReference& reference, const HubSettings& settings, const std::string& name) {
  RemoteFile file;
  file.name = name;
  file.url = fmt::format("{}/{}/resolve/main/{}", settings.endpoint, repository_name(reference), encode_path(name));
  TOME_ASSIGN(const HttpReply reply, facts_of(file.url, settings));
  TOME_TRY(check_reply(reply, settings, fmt::format("hf:{}:{}", repository_name(reference), name)));
  const std::string linked = bare_etag(reply.header("x-linked-etag")), plain = bare_etag(reply.header("etag"));
  file.version = linked.empty() ? plain : linked;
  for (const std::string& etag : {linked, plain}) {
    if (file.expected.sha256.empty() && is_hex(etag, 64)) file.expected.sha256 = etag;
  }
  file.expected.bytes = number(reply.header("x-linked-size"));
  if (!file.expected.bytes) file.expected.bytes = number(reply.header("content-length"));
  return file;
}

Result<bool> is_there(const RemoteFile& file, const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  if (file.expected.bytes && fs::file_size(path, error) != *file.expected.bytes) return false;
  if (file.expected.sha256.empty()) return file.expected.bytes.has_value();
  TOME_ASSIGN(const std::string found, sha256_of_file(path));
  return found == file.expected.sha256;
}

/// Parts of other versions of the same file are of no use any more.
void remove_other_parts(const std::string& path) {
  const fs::path target(path);
  std::error_code error;
  for (fs::directory_iterator entry(target.parent_path(), error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().filename().string().starts_with(target.filename().string() + ".part"))
      fs::remove(entry->path(), ignored);
  }
}

/// Whether a 206 goes on where the part ends.
bool continues_at(const HttpReply& reply, std::uint64_t begin) {
  return reply.status == 206 && reply.header("content-range").starts_with(fmt::format("bytes {}-", begin));
}

Status download(const RemoteFile& remote, const HubSettings& settings, const std::string& path,
                TransferProgress& transfer, std::uint64_t before) {
  const std::string version = remote.version.substr(0, 16);
  TOME_ASSIGN(const auto file,
              DownloadFile::open(version.empty() ? path + ".part" : path + ".part-" + version, !version.empty()));
  if (remote.expected.bytes && file->size() > *remote.expected.bytes) TOME_TRY(file->restart());
  std::uint64_t seen = file->size();
  const HttpSink sink{.headers_done = [&](const HttpReply& reply) -> Status {
                        if (file->size() > 0 && !continues_at(reply, file->size())) return file->restart();
                        return {};
                      },
                      .body = [&](std::span<const std::byte> bytes) -> Status {
                        if (remote.expected.bytes && file->size() + bytes.size() > *remote.expected.bytes) {
                          file->discard();
                          return fail(ErrorKind::network,
                                      "[pull] {}: more than the announced {} bytes; nothing was kept", remote.name,
                                      *remote.expected.bytes);
                        }
                        TOME_TRY(file->write(bytes));
                        transfer.update(before + file->size());
                        return {};
                      }};
  const auto attempt = [&]() -> Result<HttpReply> {
    if (remote.expected.bytes && file->size() == *remote.expected.bytes) return HttpReply{.status = 200, .headers = {}};
    Result<HttpReply> reply = http_get({.url = remote.url,
                                        .token = settings.token,
                                        .range_begin = file->size(),
                                        .stall_seconds = settings.stall_seconds},
                                       sink);
    if (reply && reply->status == 416) {  // the part is longer than the file: begin again
      TOME_TRY(file->restart());
      reply = http_get({.url = remote.url, .token = settings.token, .stall_seconds = settings.stall_seconds}, sink);
    }
    return reply;
  };
  const auto progressed = [&] {
    const bool more = file->size() > seen;
    seen = file->size();
    return more;
  };
  TOME_ASSIGN(const HttpReply reply, with_retries(settings, attempt, progressed));
  TOME_TRY(check_reply(reply, settings, remote.name));
  TOME_TRY(file->commit(path, remote.expected));
  remove_other_parts(path);
  return {};
}

}  // namespace

Result<HubSettings> hub_settings() {
  const char* endpoint = std::getenv("HF_ENDPOINT");
  const char* token = std::getenv("HF_TOKEN");
  HubSettings settings{.endpoint = endpoint == nullptr ? "" : endpoint, .token = token == nullptr ? "" : token};
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  if (settings.endpoint.empty()) {
    return fail(ErrorKind::usage, "[pull] HF_ENDPOINT is not set; set it to the address of your model hub (https://…)");
  }
  if (!settings.endpoint.starts_with("http://") && !settings.endpoint.starts_with("https://")) {
    return fail(ErrorKind::usage, "[pull] HF_ENDPOINT is '{}', expected an http:// or https:// address",
                settings.endpoint);
  }
  return settings;
}

Result<RepositoryListing> list_repository(const ModelReference& reference, const HubSettings& settings) {
  constexpr std::size_t kLimit = 64U << 20;
  const std::string what = "hf:" + repository_name(reference);
  std::string text;
  const HttpSink sink{.headers_done = [&](const HttpReply&) -> Status {
                        text.clear();
                        return {};
                      },
                      .body = [&](std::span<const std::byte> bytes) -> Status {
                        if (text.size() + bytes.size() > kLimit) {
                          return fail(ErrorKind::format, "[pull] {}: a listing of more than {} bytes", what, kLimit);
                        }
                        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                        return {};
                      }};
  TOME_ASSIGN(const HttpReply reply,
              get_with_retries(settings,
                               {.url = fmt::format("{}/api/{}{}", settings.endpoint,
                                                   reference.data_set ? "" : "models/", repository_name(reference)),
                                .token = settings.token,
                                .stall_seconds = settings.stall_seconds},
                               sink));
  TOME_TRY(check_reply(reply, settings, what));
  TOME_ASSIGN(const Json json, parse_json(text, what + ": listing"));
  RepositoryListing listing;
  const auto siblings = json.is_object() ? json.find("siblings") : json.end();
  if (!json.is_object() || siblings == json.end() || !siblings->is_array()) {
    return fail(ErrorKind::format, "[pull] {}: the listing has no array 'siblings'", what);
  }
  for (const Json& sibling : *siblings) {
    const auto name = sibling.is_object() ? sibling.find("rfilename") : sibling.end();
    if (!sibling.is_object() || name == sibling.end() || !name->is_string()) {
      return fail(ErrorKind::format, "[pull] {}: a file without the text 'rfilename'", what);
    }
    TOME_TRY(check_relative_path(name->get_ref<const std::string&>(), ErrorKind::format));
    listing.names.push_back(name->get<std::string>());
  }
  if (const auto card = json.find("cardData"); card != json.end() && card->is_object()) {
    if (const auto licence = card->find("license"); licence != card->end() && licence->is_string()) {
      listing.licence = licence->get<std::string>();
    }
  }
  return listing;
}

Result<bool> fetch_files(const ModelReference& reference, const HubSettings& settings,
                         const std::vector<std::string>& files, const std::string& directory,
                         const ProgressFunction& progress) {
  std::vector<RemoteFile> missing;
  std::uint64_t total = 0;
  for (const std::string& name : files) {
    TOME_ASSIGN(RemoteFile file, look_at(reference, settings, name));
    TOME_ASSIGN(const bool there, is_there(file, directory + "/" + name));
    if (there) continue;
    total += file.expected.bytes.value_or(0);
    missing.push_back(std::move(file));
  }
  if (missing.empty()) return true;
  TOME_TRY(make_directories(directory));
  std::uint64_t have = 0;
  for (const RemoteFile& file : missing) {
    std::error_code error;
    const auto size = fs::file_size(directory + "/" + file.name + ".part-" + file.version.substr(0, 16), error);
    if (!error) have += size;
  }
  TOME_TRY(check_disk_space(directory, total - std::min(total, have)));
  TransferProgress transfer(progress, have, total);
  std::uint64_t before = 0;
  for (const RemoteFile& file : missing) {
    const std::string path = directory + "/" + file.name;
    TOME_TRY(make_directories(fs::path(path).parent_path().string()));
    TOME_TRY(download(file, settings, path, transfer, before));
    before += file.expected.bytes.value_or(0);
  }
  transfer.update(before, true);
  return false;
}

Result<PulledModel> pull_from_hub(const ModelReference& reference, const HubSettings& settings,
                                  const std::string& cache_directory, const ProgressFunction& progress) {
  ChosenFiles chosen;
  std::string licence;
  if (reference.file.empty()) {
    TOME_ASSIGN(const RepositoryListing listing, list_repository(reference, settings));
    TOME_ASSIGN(chosen, choose_files(listing.names));
    if (!listing.licence.empty()) licence = fmt::format("{} (as the repository states)", listing.licence);
  } else {
    chosen = {.files = split_parts(reference.file), .entry = reference.file};
  }
  const std::string directory = repository_directory(reference, cache_directory);
  TOME_ASSIGN(const bool there, fetch_files(reference, settings, chosen.files, directory, progress));
  return PulledModel{.path = chosen.entry.empty() ? directory : directory + "/" + chosen.entry,
                     .licence = licence,
                     .already_there = there};
}

}  // namespace tome
