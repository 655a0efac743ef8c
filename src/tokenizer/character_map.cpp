#include "tokenizer/character_map.h"

#include "tokenizer/utf8.h"

namespace tome {
namespace {

// A unit of a double array as darts-clone packs it.
bool has_value(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFFu; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FFu; }  // with its flag: a value is no label
std::uint32_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

constexpr std::size_t kLongestText = 1024;  ///< so that a map cannot blow a text up

std::uint32_t unit_at(std::string_view bytes, std::size_t at) {
  std::uint32_t unit = 0;
  for (std::size_t byte = 0; byte < 4; ++byte)
    unit |= std::uint32_t{static_cast<unsigned char>(bytes[at + byte])} << (8 * byte);
  return unit;
}

}  // namespace

Result<CharacterMap> CharacterMap::create(std::string_view bytes) {
  const std::uint32_t size = bytes.size() < 4 ? 0 : unit_at(bytes, 0);
  if (size == 0 || size % 4 != 0 || size > bytes.size() - 4)
    return fail(ErrorKind::format, "[tokenizer] precompiled_charsmap: a trie of {} bytes in {}, expected units of 4",
                size, bytes.size());
  CharacterMap map;
  map.trie_.reserve(size / 4);
  for (std::size_t at = 4; at < 4 + std::size_t{size}; at += 4) map.trie_.push_back(unit_at(bytes, at));
  map.texts_ = bytes.substr(4 + std::size_t{size});
  if (map.texts_.empty() || map.texts_.back() != '\0' || !is_valid_utf8(map.texts_))
    return fail(ErrorKind::format, "[tokenizer] precompiled_charsmap: its texts are no UTF-8 with a zero at the end");
  for (std::size_t at = 0; at < map.texts_.size();) {
    const std::size_t end = map.texts_.find('\0', at);
    if (end - at > kLongestText)
      return fail(ErrorKind::format, "[tokenizer] precompiled_charsmap: a text of {} bytes, expected at most {}",
                  end - at, kLongestText);
    at = end + 1;
  }
  return map;
}

std::optional<std::string_view> CharacterMap::find(std::string_view text) const {
  if (trie_.empty()) return std::nullopt;
  std::size_t node = offset_of(trie_[0]);
  for (const char byte : text) {
    const auto label = static_cast<unsigned char>(byte);
    node ^= label;
    if (label == 0 || node >= trie_.size() || label_of(trie_[node]) != label) return std::nullopt;
    const bool ends = has_value(trie_[node]);
    node ^= offset_of(trie_[node]);
    if (!ends) continue;
    if (node >= trie_.size() || value_of(trie_[node]) >= texts_.size()) return std::nullopt;
    const char* found = texts_.data() + value_of(trie_[node]);
    if ((static_cast<unsigned char>(*found) & 0xC0) == 0x80) return std::nullopt;  // in the middle of a character
    return std::string_view(found);
  }
  return std::nullopt;
}

}  // namespace tome
