#include "runtime/document.h"

#include <algorithm>

#include "base/mapped_file.h"

namespace tome {
namespace {

/// Length of the well-formed sequence at `text`, 0 when there is none (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t index = 2; index < length; ++index)
    if ((byte(index) & 0xc0) != 0x80) return 0;
  return length;
}

Status check_text(const std::string& name, std::string_view text) {
  if (text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos)
    return fail(ErrorKind::usage, "[document] {}: empty, expected text", name);
  const std::size_t bad = find_invalid_utf8(text);
  if (bad == std::string_view::npos) return {};
  if (text.size() > 2 && text[0] == '\x1f' && text[1] == '\x8b')
    return fail(ErrorKind::format, "[document] {}: gzip data, expected UTF-8 text (zcat it into `tome ask - …`)", name);
  return fail(ErrorKind::format, "[document] {}: byte {} (0x{:02x}) is not UTF-8", name, bad,
              static_cast<unsigned char>(text[bad]));
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

Result<Document> Document::load(const std::vector<std::string>& paths, std::uint64_t limit) {
  if (std::count(paths.begin(), paths.end(), "-") > 1)
    return fail(ErrorKind::usage, "[document] -: standard input can be read only once");
  std::vector<std::pair<std::string, std::string>> texts;
  std::uint64_t total = 0;
  for (const std::string& path : paths) {
    TOME_ASSIGN(std::string text, read_file(path, limit - total));
    total += text.size();
    texts.emplace_back(path == "-" ? "standard input" : path, std::move(text));
  }
  return from_texts(std::move(texts));
}

Result<Document> Document::from_texts(std::vector<std::pair<std::string, std::string>> texts) {
  if (texts.empty()) return fail(ErrorKind::usage, "[document] none given");
  Document document;
  for (auto& [name, text] : texts) {
    if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // a byte order mark is no text
    TOME_TRY(check_text(name, text));
    if (!document.text_.empty()) document.text_ += document.text_.ends_with('\n') ? "\n" : "\n\n";
    if (texts.size() > 1) document.text_ += "File: " + name + "\n\n";
    Part part{
        .name = name, .begin = document.text_.size(), .end = document.text_.size() + text.size(), .line_starts = {}};
    part.line_starts.push_back(part.begin);
    for (std::size_t at = text.find('\n'); at != std::string::npos && at + 1 < text.size();
         at = text.find('\n', at + 1))
      part.line_starts.push_back(part.begin + at + 1);
    document.text_ += text;
    document.parts_.push_back(std::move(part));
  }
  return document;
}

Document::Place Document::place(std::uint64_t byte) const {
  Place place;
  while (place.part + 1 < parts_.size() && byte >= parts_[place.part].end) ++place.part;
  const auto& starts = parts_[place.part].line_starts;
  const auto after = std::upper_bound(starts.begin(), starts.end(), byte);
  place.line = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(after - starts.begin()));
  return place;
}

std::string Document::describe(std::uint64_t begin, std::uint64_t end) const {
  const Place first = place(begin);
  const Place last = place(end > begin ? end - 1 : begin);
  const std::uint64_t last_line =
      last.part == first.part ? last.line : static_cast<std::uint64_t>(parts_[first.part].line_starts.size());
  if (last_line <= first.line) return fmt::format("{}:{}", parts_[first.part].name, first.line);
  return fmt::format("{}:{}–{}", parts_[first.part].name, first.line, last_line);
}

}  // namespace tome
