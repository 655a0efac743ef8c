#include "hub/download_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace tome {
namespace {

/// Reads the rest of a descriptor in pieces. Returns the errno of a failure, 0 when all was read.
template <class Consumer>
int read_pieces(int descriptor, const Consumer& consume) {
  std::array<std::byte, 1 << 16> buffer;
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count == 0) return 0;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    consume(std::span<const std::byte>(buffer.data(), static_cast<std::size_t>(count)));
  }
}

}  // namespace

Result<std::unique_ptr<DownloadFile>> DownloadFile::open(const std::string& part_path, bool resume) {
  auto file = std::unique_ptr<DownloadFile>(new DownloadFile());
  file->part_path_ = part_path;
  file->descriptor_ = ::open(part_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file->descriptor_ < 0) return fail(ErrorKind::io, "{}: {}", part_path, std::strerror(errno));
  if (::flock(file->descriptor_, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorKind::io, "{}: another process is downloading this file", part_path);
  }
  if (resume) {
    TOME_TRY(file->hash_existing());
  } else {
    TOME_TRY(file->restart());
  }
  return file;
}

DownloadFile::~DownloadFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status DownloadFile::hash_existing() {
  digest_ = std::make_unique<Sha256>();
  size_ = 0;
  const int reason = read_pieces(descriptor_, [this](std::span<const std::byte> bytes) {
    digest_->update(bytes);
    size_ += bytes.size();
  });
  if (reason != 0) return fail(ErrorKind::io, "{}: {}", part_path_, std::strerror(reason));
  return {};
}

Status DownloadFile::restart() {
  digest_ = std::make_unique<Sha256>();
  size_ = 0;
  if (::ftruncate(descriptor_, 0) != 0 || ::lseek(descriptor_, 0, SEEK_SET) != 0) {
    return fail(ErrorKind::io, "{}: {}", part_path_, std::strerror(errno));
  }
  return {};
}

Status DownloadFile::write(std::span<const std::byte> bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = ::write(descriptor_, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int reason = count < 0 ? errno : ENOSPC;
      discard();
      return fail(ErrorKind::io, "{}: cannot write beyond {} bytes: {}; nothing was kept", part_path_, size_ + written,
                  std::strerror(reason));
    }
    written += static_cast<std::size_t>(count);
  }
  digest_->update(bytes);
  size_ += bytes.size();
  return {};
}

Status DownloadFile::commit(const std::string& path, const ExpectedFile& expected) {
  if (expected.bytes && size_ != *expected.bytes) {
    discard();
    return fail(ErrorKind::network, "{}: {} bytes downloaded, expected {}; nothing was kept", path, size_,
                *expected.bytes);
  }
  const std::string found = digest_->hex();
  if (!expected.sha256.empty() && found != expected.sha256) {
    discard();
    return fail(ErrorKind::network, "{}: sha256 {}, expected {}; nothing was kept", path, found, expected.sha256);
  }
  int reason = 0;
  if (::fsync(descriptor_) != 0) reason = errno;
  if (reason == 0 && ::rename(part_path_.c_str(), path.c_str()) != 0) reason = errno;
  if (reason != 0) {
    discard();
    return fail(ErrorKind::io, "{}: cannot keep the downloaded file: {}", path, std::strerror(reason));
  }
  return {};
}

void DownloadFile::discard() { ::unlink(part_path_.c_str()); }

Status check_disk_space(const std::string& directory, std::uint64_t bytes) {
  struct statvfs status {};
  if (::statvfs(directory.c_str(), &status) != 0) return fail(ErrorKind::io, "{}: {}", directory, std::strerror(errno));
  const std::uint64_t available = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  if (available < bytes) {
    return fail(ErrorKind::io, "{}: {} bytes needed, {} free; nothing was downloaded", directory, bytes, available);
  }
  return {};
}

Status make_directories(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail(ErrorKind::io, "{}: cannot create the folder: {}", directory, error.message());
  return {};
}

Result<std::string> sha256_of_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail(ErrorKind::io, "{}: {}", path, std::strerror(errno));
  Sha256 digest;
  const int reason = read_pieces(descriptor, [&digest](std::span<const std::byte> bytes) { digest.update(bytes); });
  ::close(descriptor);
  if (reason != 0) return fail(ErrorKind::io, "{}: {}", path, std::strerror(reason));
  return digest.hex();
}

}  // namespace tome
