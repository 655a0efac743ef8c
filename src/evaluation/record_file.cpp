#include "evaluation/record_file.h"

#include "formats/json_fields.h"
#include "formats/printable.h"

namespace tome {
namespace {

constexpr std::string_view white_space = " \t\r\n";

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

Result<RecordFile> RecordFile::open(const std::string& path) {
  RecordFile result;
  TOME_ASSIGN(result.file_, MappedFile::open(path));
  const std::string_view text = text_of(*result.file_);
  if (text.starts_with("\x1f\x8b"))
    return fail(ErrorKind::format, "[eval] {}: gzip data, expected JSON text (unpack it with gunzip)", path);
  const std::uint64_t begin = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
  const std::size_t first = text.find_first_not_of(white_space, begin);
  if (first == std::string_view::npos) return fail(ErrorKind::format, "[eval] {}: empty, expected JSON records", path);
  if (text[first] == '[')
    result.find_elements(text, first + 1);
  else
    result.find_lines(text, begin);
  if (result.records_.empty()) return fail(ErrorKind::format, "[eval] {}: no records in its array", path);
  return result;
}

void RecordFile::find_lines(std::string_view text, std::uint64_t begin) {
  std::uint64_t line = 1;
  for (std::uint64_t at = begin; at < text.size(); ++line) {
    const std::uint64_t end = std::min<std::uint64_t>(text.find('\n', at), text.size());
    if (text.substr(at, end - at).find_first_not_of(white_space) != std::string_view::npos)
      records_.push_back({at, end, line});
    at = end + 1;
  }
}

/// Elements end at a comma or bracket outside of strings, objects and inner arrays; what is wrong inside of one is left
/// to the parser of that one.
void RecordFile::find_elements(std::string_view text, std::uint64_t begin) {
  std::uint64_t line = 1;
  for (std::uint64_t at = 0; at < begin; ++at) line += text[at] == '\n';
  Record record{begin, begin, 0};
  std::uint64_t depth = 0;
  bool quoted = false;
  const auto finish = [&](std::uint64_t end) {
    if (record.line != 0) records_.push_back({record.begin, end, record.line});
    record = {end + 1, end + 1, 0};
  };
  for (std::uint64_t at = begin; at < text.size(); ++at) {
    const char byte = text[at];
    if (byte == '\n') ++line;
    if (quoted) {
      if (byte == '\\')
        ++at;
      else if (byte == '"')
        quoted = false;
      continue;
    }
    if (depth == 0 && (byte == ',' || byte == ']')) {
      finish(at);
      if (byte == ']') return;
      continue;
    }
    if (record.line == 0 && white_space.find(byte) == std::string_view::npos) record = {at, at, line};
    if (byte == '"') quoted = true;
    if (byte == '{' || byte == '[') ++depth;
    if (depth > 0 && (byte == '}' || byte == ']')) --depth;
  }
  finish(text.size());
}

std::string RecordFile::where(std::size_t index) const {
  return fmt::format("[eval] {}:{}", path(), records_[index].line);
}

std::string_view RecordFile::text(std::size_t index) const {
  const Record& record = records_[index];
  return text_of(*file_).substr(record.begin, record.end - record.begin);
}

Result<Json> RecordFile::object(std::size_t index) const {
  auto parsed = parse_json(text(index), "");
  if (!parsed) return fail(ErrorKind::format, "{}{}", where(index), printable(parsed.error().message, 200));
  Json json = std::move(*parsed);
  if (!json.is_object()) return fail(ErrorKind::format, "{}: {}, expected an object", where(index), shown(json));
  return json;
}

}  // namespace tome
