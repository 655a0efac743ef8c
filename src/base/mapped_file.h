#pragma once
// A file mapped read-only into memory. Move-only; share it with std::shared_ptr. The bytes live as long as the object.
// A file truncated by someone else while mapped raises SIGBUS, as with every mapping: Tome never rewrites in place.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace tome {

class MappedFile {
 public:
  /// Errors: io when the file is missing, not a regular file or unreadable. An empty file maps to an empty span.
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  /// Tells the kernel that a part is not needed again soon (it has been copied): it leaves the resident set.
  /// A part of another file is left alone.
  void forget(std::span<const std::byte> part) const;

 private:
  MappedFile() = default;
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The whole of a (small) file, or standard input for "-". Errors: io; format when longer than `limit` bytes.
Result<std::string> read_file(const std::string& path, std::uint64_t limit);
/// Writes beside the target, syncs and renames: never a half-written file. Errors: io with the system's reason.
Status write_file_atomically(const std::string& path, std::span<const std::byte> bytes);
Status write_file_atomically(const std::string& path, const std::string& text);

}  // namespace tome
