#pragma once
// What is read: one or more texts in the order given, as one string, with the way back from a byte to file and line.
// Several files are each headed by "File: NAME". Immutable after loading; any thread may read it.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tome {

class Document {
 public:
  struct Part {
    std::string name;                        ///< as the user wrote it; "standard input" for "-"
    std::uint64_t begin = 0, end = 0;        ///< bytes of text() that are the file's own (its header is not)
    std::vector<std::uint64_t> line_starts;  ///< bytes of text()
  };
  struct Place {
    std::size_t part = 0;
    std::uint64_t line = 1;  ///< from 1, in the part's own file
  };
  static constexpr std::uint64_t default_limit = std::uint64_t{1} << 30;

  /// Reads files, "-" for standard input. Errors, each naming the file: io; usage ("-" twice, empty); format (not
  /// UTF-8, with the byte's offset; longer than `limit` in all).
  static Result<Document> load(const std::vector<std::string>& paths, std::uint64_t limit = default_limit);
  /// The same from texts at hand, as (name, text).
  static Result<Document> from_texts(std::vector<std::pair<std::string, std::string>> texts);

  const std::string& text() const { return text_; }
  const std::vector<Part>& parts() const { return parts_; }
  /// Of a byte of text(); bytes of a header count as the first line of the file that follows.
  Place place(std::uint64_t byte) const;
  /// "fhs-3.0.txt:120–134", for bytes [begin, end) of one part.
  std::string describe(std::uint64_t begin, std::uint64_t end) const;

 private:
  std::string text_;
  std::vector<Part> parts_;
};

/// Offset of the first byte that no well-formed UTF-8 holds there, or npos.
std::size_t find_invalid_utf8(std::string_view text);

}  // namespace tome
