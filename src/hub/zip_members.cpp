#include "hub/zip_members.h"

#include <zip.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/cancel.h"

namespace tome {
namespace {

struct ZipCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

}  // namespace

Status read_zip_members(const std::string& path, const std::function<bool(const std::string& name)>& wanted,
                        std::uint64_t limit,
                        const std::function<Status(const std::string& name, std::span<const std::byte>)>& consume) {
  int code = 0;
  const std::unique_ptr<zip_t, ZipCloser> archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    return fail(ErrorKind::format, "[zip] {}: {}", path, reason);
  }
  std::vector<std::pair<std::string, zip_uint64_t>> members;
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  for (zip_uint64_t index = 0; index < static_cast<zip_uint64_t>(std::max<zip_int64_t>(entries, 0)); ++index) {
    const char* text = zip_get_name(archive.get(), index, 0);
    if (text != nullptr && wanted(text)) members.emplace_back(text, index);
  }
  std::ranges::sort(members);
  const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
  members.erase(std::unique(members.begin(), members.end(), same_name), members.end());
  std::uint64_t total = 0;
  std::vector<std::byte> buffer(1 << 20);
  for (const auto& [name, index] : members) {
    const std::unique_ptr<zip_file_t, ZipCloser> member(zip_fopen_index(archive.get(), index, 0));
    if (!member) return fail(ErrorKind::format, "[zip] {}: '{}': {}", path, name, zip_strerror(archive.get()));
    for (bool first = true;; first = false) {
      if (cancel_requested()) return fail(ErrorKind::cancelled, "cancelled");
      const zip_int64_t count = zip_fread(member.get(), buffer.data(), buffer.size());
      if (count < 0) return fail(ErrorKind::format, "[zip] {}: '{}': {}", path, name, zip_file_strerror(member.get()));
      if (count == 0 && !first) break;
      total += static_cast<std::uint64_t>(count);
      if (total > limit) return fail(ErrorKind::format, "[zip] {}: more than the expected {} bytes", path, limit);
      TOME_TRY(consume(name, std::span<const std::byte>(buffer.data(), static_cast<std::size_t>(count))));
      if (count == 0) break;
    }
  }
  return {};
}

Status read_wheel_members(const std::string& wheel, std::string_view name, std::uint64_t limit,
                          const std::function<Status(std::span<const std::byte>)>& consume) {
  bool found = false;
  TOME_TRY(read_zip_members(
      wheel,
      [&](const std::string& full) {
        const bool taken = std::string_view(full).substr(full.rfind('/') + 1).starts_with(name);
        found = found || taken;
        return taken;
      },
      limit, [&](const std::string&, std::span<const std::byte> bytes) { return consume(bytes); }));
  if (!found) return fail(ErrorKind::format, "[zip] {}: no member named '{}'", wheel, name);
  return {};
}

}  // namespace tome
