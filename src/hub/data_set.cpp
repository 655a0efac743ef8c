// Data sets of a model hub: files of JSON, as they are or packed.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "base/mapped_file.h"
#include "hub/download_file.h"
#include "hub/model_hub.h"
#include "hub/zip_members.h"

namespace tome {
namespace {

namespace fs = std::filesystem;

/// Most that an archive may unpack to.
constexpr std::uint64_t kMostUnpacked = std::uint64_t{64} << 30;

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
bool is_json(const std::string& name) { return name.ends_with(".json") || name.ends_with(".jsonl"); }

/// Those of `wanted`, the one in the fewest folders of each; without any wish every file of JSON; else the archives.
std::vector<std::string> choose(std::vector<std::string> names, const std::vector<std::string>& wanted) {
  const auto depth = [](const std::string& name) { return std::ranges::count(name, '/'); };
  std::ranges::sort(names, [&](const std::string& a, const std::string& b) {
    return depth(a) != depth(b) ? depth(a) < depth(b) : a < b;
  });
  std::vector<std::string> chosen;
  if (wanted.empty()) std::ranges::copy_if(names, std::back_inserter(chosen), is_json);
  for (const std::string& name : wanted) {
    const auto found = std::ranges::find(names, name, file_name);
    if (found != names.end()) chosen.push_back(*found);
  }
  if (!chosen.empty()) return chosen;
  std::ranges::copy_if(names, std::back_inserter(chosen),
                       [](const std::string& name) { return name.ends_with(".zip"); });
  return chosen;
}

bool is_member(const std::string& full) { return is_json(full) && !file_name(full).starts_with('.'); }

/// What unpack() leaves beside an archive once all of it is there: the archive's sha256.
std::string marker_of(const std::string& archive) { return archive + ".unpacked"; }

/// Paths of the members, in the order of their names, once each.
Result<std::vector<std::string>> members_of(const std::string& archive, const std::string& directory) {
  std::set<std::string> paths;
  const auto look = [&](const std::string& full) {
    if (is_member(full)) paths.insert(directory + "/" + file_name(full));
    return false;
  };
  TOME_TRY(read_zip_members(archive, look, 0, [](const std::string&, std::span<const std::byte>) { return Status{}; }));
  return std::vector<std::string>(paths.begin(), paths.end());
}

Result<bool> is_unpacked(const std::string& archive, const std::vector<std::string>& members) {
  std::error_code error;
  if (!fs::is_regular_file(marker_of(archive), error)) return false;
  for (const std::string& member : members)
    if (!fs::is_regular_file(member, error)) return false;
  TOME_ASSIGN(const std::string marked, read_file(marker_of(archive), 4096));
  TOME_ASSIGN(const std::string found, sha256_of_file(archive));
  return marked == found;
}

/// The members of JSON, each written beside `directory`/its file name and renamed when it is whole. Of two with one
/// file name the first stays.
Status unpack(const std::string& archive, const std::string& directory) {
  std::string open_member;
  std::set<std::string> names;
  std::unique_ptr<DownloadFile> file;
  const auto finish = [&]() -> Status {
    return file ? file->commit(directory + "/" + file_name(open_member), {}) : Status{};
  };
  const auto take = [&](const std::string& full, std::span<const std::byte> bytes) -> Status {
    if (full != open_member) {
      TOME_TRY(finish());
      file.reset();
      open_member = full;
      const std::string name = file_name(full);
      TOME_TRY(check_relative_path(name, ErrorKind::format));
      if (!names.insert(name).second) return {};
      TOME_ASSIGN(file, DownloadFile::open(directory + "/" + name + ".part", false));
    }
    return file ? file->write(bytes) : Status{};
  };
  const Status unpacked = read_zip_members(archive, is_member, kMostUnpacked, take);
  if (!unpacked) {
    if (file) file->discard();
    return unpacked;
  }
  TOME_TRY(finish());
  TOME_ASSIGN(const std::string digest, sha256_of_file(archive));
  return write_file_atomically(marker_of(archive), digest);
}

}  // namespace

bool names_data_set(std::string_view name) {
  if (!name.starts_with("hf:datasets/")) return false;
  const auto reference = parse_model_reference(name);
  return !reference || reference->data_set;  // "hf:datasets/name" is a model of an owner of that name
}

Result<PulledData> pull_data_set(const std::string& name, const std::vector<std::string>& wanted,
                                 const PullOptions& options) {
  TOME_ASSIGN(const ModelReference reference, parse_model_reference(name));
  if (!reference.data_set)
    return fail(ErrorKind::usage, "[pull] '{}', expected hf:datasets/owner/repository[:file]", name);
  TOME_ASSIGN(const HubSettings settings, hub_settings());
  PulledData pulled;
  pulled.folder = repository_directory(
      reference, options.cache_directory.empty() ? data_cache_directory() : options.cache_directory);
  std::vector<std::string> chosen = {reference.file};
  if (reference.file.empty()) {
    TOME_ASSIGN(const RepositoryListing listing, list_repository(reference, settings));
    chosen = choose(listing.names, wanted);
    if (chosen.empty()) {
      const std::string kind = wanted.empty()       ? "a .json or .jsonl"
                               : wanted.size() == 1 ? wanted[0]
                                                    : wanted[0] + " or another of its kind";
      return fail(ErrorKind::unsupported,
                  "[pull] {}: none of its {} files is {}, nor a .zip; give files at hand instead", name,
                  listing.names.size(), kind);
    }
    if (!listing.licence.empty()) pulled.licence = fmt::format("{} (as the repository states)", listing.licence);
  }
  TOME_ASSIGN(pulled.already_there, fetch_files(reference, settings, chosen, pulled.folder, options.progress));
  for (const std::string& file : chosen) {
    const std::string path = pulled.folder + "/" + file;
    if (!file.ends_with(".zip")) {
      pulled.files.push_back(path);
      continue;
    }
    TOME_ASSIGN(const std::vector<std::string> members, members_of(path, pulled.folder));
    TOME_ASSIGN(const bool there, is_unpacked(path, members));
    if (!there) {
      TOME_TRY(unpack(path, pulled.folder));
      pulled.already_there = false;
    }
    for (const std::string& member : members)
      if (wanted.empty() || std::ranges::find(wanted, file_name(member)) != wanted.end())
        pulled.files.push_back(member);
  }
  return pulled;
}

}  // namespace tome
