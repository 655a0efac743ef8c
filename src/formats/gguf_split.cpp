#include "formats/gguf_split.h"

#include <charconv>

#include "formats/gguf_model.h"

namespace tome {
namespace {

std::optional<std::uint32_t> five_digits(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Status append_part(const std::string& path, GgufParts& parts) {
  TOME_ASSIGN(std::shared_ptr<const MappedFile> file, MappedFile::open(path));
  TOME_ASSIGN(GgufFile parsed, parse_gguf(file->bytes(), path));
  parts.files.push_back(std::move(parsed));
  parts.storage.push_back(std::move(file));
  return {};
}

/// The split.* keys of part `number` (from 1) of `count`.
Status check_part(const GgufFile& file, std::uint32_t number, std::uint32_t count) {
  const GgufKeys keys(file);
  TOME_ASSIGN(const auto stated_count, keys.unsigned_number("split.count"));
  if (stated_count.value_or(0) != count)
    return fail(ErrorKind::format, "[gguf] {}: split.count {}, the file name says {}", file.name,
                stated_count.value_or(0), count);
  TOME_ASSIGN(const auto stated_number, keys.unsigned_number("split.no"));
  if (!stated_number || *stated_number != number - 1)
    return fail(ErrorKind::format, "[gguf] {}: split.no {}, expected {}", file.name,
                stated_number ? std::to_string(*stated_number) : "missing", number - 1);
  return {};
}

Status check_total(const GgufParts& parts) {
  std::uint64_t total = 0;
  for (const GgufFile& file : parts.files) total += file.tensors.size();
  TOME_ASSIGN(const auto stated, GgufKeys(parts.files[0]).unsigned_number("split.tensors.count"));
  if (stated && *stated != total)
    return fail(ErrorKind::format, "[gguf] {}: split.tensors.count {}, the parts hold {}", parts.files[0].name, *stated,
                total);
  return {};
}

}  // namespace

std::string SplitName::part(std::uint32_t which) const {
  return fmt::format("{}-{:05}-of-{:05}.gguf", stem, which, count);
}

std::optional<SplitName> parse_split_name(const std::string& path) {
  constexpr std::size_t suffix = std::string_view("-00001-of-00003.gguf").size();
  if (path.size() < suffix) return std::nullopt;
  const std::string_view tail = std::string_view(path).substr(path.size() - suffix);
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf") return std::nullopt;
  const auto number = five_digits(tail.substr(1, 5)), count = five_digits(tail.substr(10, 5));
  if (!number || !count) return std::nullopt;
  return SplitName{path.substr(0, path.size() - suffix), *number, *count};
}

Result<GgufParts> open_gguf(const std::string& path) {
  GgufParts parts;
  const auto split = parse_split_name(path);
  if (!split) {
    TOME_TRY(append_part(path, parts));
    TOME_ASSIGN(const auto count, GgufKeys(parts.files[0]).unsigned_number("split.count"));
    if (count.value_or(0) > 1)
      return fail(ErrorKind::format, "[gguf] {}: one of {} parts, but not named like one (-00001-of-{:05}.gguf)", path,
                  *count, *count);
    return parts;
  }
  if (split->number == 0 || split->number > split->count)
    return fail(ErrorKind::format, "[gguf] {}: part {} of {}", path, split->number, split->count);
  for (std::uint32_t number = 1; number <= split->count; ++number) {
    TOME_TRY(append_part(split->part(number), parts));
    TOME_TRY(check_part(parts.files.back(), number, split->count));
  }
  TOME_TRY(check_total(parts));
  return parts;
}

}  // namespace tome
