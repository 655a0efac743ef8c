#include "runtime/snapshot_cache.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/digest.h"
#include "tensor/dtype.h"

namespace tome {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view suffix = ".tome-snapshot";

struct Kept {
  fs::path path;
  fs::file_time_type used;
  std::uint64_t bytes = 0;
};

std::vector<Kept> kept_files(const std::string& directory) {
  std::vector<Kept> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_regular_file(ignored) || !entry->path().string().ends_with(suffix)) continue;
    files.push_back({entry->path(), entry->last_write_time(ignored), entry->file_size(ignored)});
  }
  return files;
}

}  // namespace

std::string SnapshotCache::default_directory() {
  const char* base = std::getenv("XDG_CACHE_HOME");
  if (base != nullptr && *base == '/') return std::string(base) + "/tome/snapshots";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.cache/tome/snapshots";
}

SnapshotCache::SnapshotCache(std::string directory, std::uint64_t limit_bytes)
    : directory_(std::move(directory)), limit_bytes_(limit_bytes) {}

std::string SnapshotCache::path_of(const std::string& key) const {
  return (fs::path(directory_) / (key + std::string(suffix))).string();
}

std::string SnapshotCache::key(const Engine& engine, std::span<const TokenId> tokens, const ReadingDepth& depth) {
  Sha256 digest;
  digest.update(fmt::format("tome snapshot 1\n{}\n{}\n{}\n{}\n{}\n", engine.model().fingerprint,
                            engine.plan_fingerprint(), dtype_name(engine.options().kv_type),
                            engine.options().precision == Precision::fp32 ? "fp32" : "native", tokens.size()));
  if (depth.keys_of)
    digest.update(fmt::format("keys of layer {}, window {}, sinks {}\n", *depth.keys_of, depth.window, depth.sinks));
  digest.update(std::as_bytes(tokens));
  return digest.hex();
}

std::optional<std::string> SnapshotCache::find(const std::string& key) const {
  const std::string path = path_of(key);
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  fs::last_write_time(path, fs::file_time_type::clock::now(), error);  // on a read-only folder it just ages
  return path;
}

Status SnapshotCache::keep(const std::string& key, const Session& session, std::uint64_t bytes) const {
  if (bytes > limit_bytes_)
    return fail(ErrorKind::memory, "[cache] the snapshot takes {} bytes, the cache's limit is {}", bytes, limit_bytes_);
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) return fail(ErrorKind::io, "[cache] {}: {}", directory_, error.message());
  trim(limit_bytes_ - bytes);
  TOME_TRY(session.save(path_of(key)));
  return {};
}

std::size_t SnapshotCache::trim(std::uint64_t limit) const {
  std::vector<Kept> files = kept_files(directory_);
  std::sort(files.begin(), files.end(), [](const Kept& a, const Kept& b) { return a.used > b.used; });
  std::uint64_t total = 0;
  std::size_t removed = 0;
  for (const Kept& file : files) {
    total += file.bytes;  // of the younger ones too: a small old one never outlives a large younger one
    if (total <= limit) continue;
    std::error_code ignored;
    removed += fs::remove(file.path, ignored) ? 1 : 0;
  }
  return removed;
}

void SnapshotCache::remove(const std::string& key) const {
  std::error_code ignored;
  fs::remove(path_of(key), ignored);
}

}  // namespace tome
