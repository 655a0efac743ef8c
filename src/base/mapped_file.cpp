#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>

namespace tome {

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail(ErrorKind::io, "{}: {}", path, std::strerror(errno));
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return fail(ErrorKind::io, "{}: not a regular file", path);
  }
  auto file = std::shared_ptr<MappedFile>(new MappedFile());
  file->path_ = path;
  file->size_ = static_cast<std::size_t>(status.st_size);
  if (file->size_ > 0) {
    void* mapping = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapping == MAP_FAILED) {
      const int reason = errno;
      ::close(descriptor);
      file->size_ = 0;
      return fail(ErrorKind::io, "{}: cannot map {} bytes: {}", path, status.st_size, std::strerror(reason));
    }
    file->data_ = static_cast<const std::byte*>(mapping);
  }
  ::close(descriptor);
  return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::forget(std::span<const std::byte> part) const {
  const std::less_equal<const std::byte*> up_to;
  if (!up_to(data_, part.data()) || !up_to(part.data() + part.size(), data_ + size_)) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(part.data()) + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<std::string> read_file(const std::string& path, std::uint64_t limit) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return fail(ErrorKind::io, "{}: {}", path, std::strerror(errno));
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const std::size_t count = std::fread(buffer, 1, sizeof buffer, file);
    text.append(buffer, count);
    if (count < sizeof buffer || text.size() > limit) break;
  }
  const int reason = std::ferror(file) != 0 ? errno : 0;
  if (file != stdin) std::fclose(file);
  if (reason != 0) return fail(ErrorKind::io, "{}: {}", path, std::strerror(reason));
  if (text.size() > limit) return fail(ErrorKind::format, "{}: longer than the limit of {} bytes", path, limit);
  return text;
}

Status write_file_atomically(const std::string& path, std::span<const std::byte> bytes) {
  const std::string beside = path + ".part" + std::to_string(::getpid());
  const int descriptor = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return fail(ErrorKind::io, "{}: {}", beside, std::strerror(errno));
  std::size_t written = 0;
  int reason = 0;
  while (written < bytes.size() && reason == 0) {
    const ssize_t count = ::write(descriptor, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno != EINTR) reason = errno;
    if (count > 0) written += static_cast<std::size_t>(count);
  }
  if (reason == 0 && ::fsync(descriptor) != 0) reason = errno;
  if (::close(descriptor) != 0 && reason == 0) reason = errno;
  if (reason == 0 && ::rename(beside.c_str(), path.c_str()) != 0) reason = errno;
  if (reason != 0) {
    ::unlink(beside.c_str());
    return fail(ErrorKind::io, "{}: cannot write {} bytes: {}", path, bytes.size(), std::strerror(reason));
  }
  return {};
}

Status write_file_atomically(const std::string& path, const std::string& text) {
  return write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace tome
