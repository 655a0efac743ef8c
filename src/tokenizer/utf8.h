#pragma once
// UTF-8 as Unicode defines it (Table 3-7): what is ill-formed becomes one U+FFFD per maximal subpart, exactly as
// Python's bytes.decode("utf-8", errors="replace"). Stateless; any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tome {

/// One step through UTF-8. `length` is at least 1; when `complete` is false and `valid` too, the bytes up to the end of
/// the text could still become a character.
struct Utf8Step {
  std::uint32_t code_point = 0xFFFD;
  std::uint32_t length = 1;
  bool valid = false;
  bool complete = true;
};

/// Reads the character (or the ill-formed part) that begins at `at`; at < text.size().
Utf8Step read_utf8(std::string_view text, std::size_t at);

bool is_valid_utf8(std::string_view text);
void append_utf8(std::string& text, std::uint32_t code_point);
/// Ill-formed parts replaced by U+FFFD.
std::string repair_utf8(std::string_view text);

/// A rewritten text remembers which of its spans stand for which spans of the original; everything between is equal.
class OffsetMap {
 public:
  struct Change {
    std::uint64_t new_begin, new_length, old_begin, old_length;
  };
  /// Changes come in ascending order.
  void add(const Change& change) { changes_.push_back(change); }
  bool identity() const { return changes_.empty(); }
  /// Rewrites ascending offsets of the new text into offsets of the original. A place inside a changed span becomes the
  /// span's beginning.
  void to_original(std::vector<std::uint64_t>& offsets, std::size_t first = 0) const;

 private:
  std::vector<Change> changes_;
};

/// repair_utf8 with the map back.
std::string repair_utf8(std::string_view text, OffsetMap& map);

}  // namespace tome
