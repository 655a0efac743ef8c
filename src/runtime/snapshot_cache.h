#pragma once
// Sessions that have read a document, kept as snapshot files in one folder, so that the second question on the same
// document starts at once. The name of a file is the SHA-256 of everything that the keys and values depend on. The
// folder has a size limit: the snapshots used longest ago go first. Several processes may share a folder (files are
// renamed into place).
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "runtime/engine.h"

namespace tome {

class SnapshotCache {
 public:
  static constexpr std::uint64_t default_limit = std::uint64_t{8} << 30;

  /// ${XDG_CACHE_HOME:-~/.cache}/tome/snapshots
  static std::string default_directory();
  /// The folder is made when the first snapshot is kept.
  SnapshotCache(std::string directory, std::uint64_t limit_bytes);

  /// Of a session that has taken exactly `tokens` in, on `engine` as it is now (after fit()).
  static std::string key(const Engine& engine, std::span<const TokenId> tokens, const ReadingDepth& depth = {});
  /// The path of a kept snapshot, marked as used now; nothing when there is none.
  std::optional<std::string> find(const std::string& key) const;
  /// Saves the session, then removes old snapshots down to the limit. Errors: io (a full disk …), memory when the
  /// snapshot alone is larger than the limit (`bytes` is what it will take); nothing half-written stays.
  Status keep(const std::string& key, const Session& session, std::uint64_t bytes) const;
  /// Removes the snapshots used longest ago until at most `limit` bytes are left. Returns how many went.
  std::size_t trim(std::uint64_t limit) const;
  void remove(const std::string& key) const;
  std::string path_of(const std::string& key) const;

 private:
  std::string directory_;
  std::uint64_t limit_bytes_;
};

}  // namespace tome
