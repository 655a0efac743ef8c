#pragma once
// A file being written beside its final place: bytes are hashed as they come, checked (size, sha256) at the end and
// only then renamed. The final name never holds half a file. One owner, one thread.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/digest.h"
#include "base/result.h"

namespace tome {

struct ExpectedFile {
  std::optional<std::uint64_t> bytes = std::nullopt;
  std::string sha256 = {};  ///< 64 hex digits, or empty: not known
};

class DownloadFile {
 public:
  /// Opens `part_path` (locked against a second Tome); keeps what it holds when `resume`. Errors: io.
  static Result<std::unique_ptr<DownloadFile>> open(const std::string& part_path, bool resume);
  DownloadFile(const DownloadFile&) = delete;
  DownloadFile& operator=(const DownloadFile&) = delete;
  /// Closes; the part stays for a later resume unless discard() was called.
  ~DownloadFile();

  std::uint64_t size() const { return size_; }
  /// Errors: io with the system's reason (a full disk); the part is then discarded.
  Status write(std::span<const std::byte> bytes);
  /// Back to an empty file: the server started from the beginning.
  Status restart();
  /// Checks and renames to `path`. Errors: network for a wrong size or sha256 (the part is discarded), io.
  Status commit(const std::string& path, const ExpectedFile& expected);
  void discard();

 private:
  DownloadFile() = default;
  Status hash_existing();
  std::string part_path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::unique_ptr<Sha256> digest_;
};

/// Errors: io, before any byte is fetched, with the size needed and the size at hand.
Status check_disk_space(const std::string& directory, std::uint64_t bytes);
/// mkdir -p. Errors: io with the system's reason.
Status make_directories(const std::string& directory);
/// The sha256 of a file, read in pieces. Errors: io.
Result<std::string> sha256_of_file(const std::string& path);

}  // namespace tome
