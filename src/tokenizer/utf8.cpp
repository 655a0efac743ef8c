#include "tokenizer/utf8.h"

namespace tome {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

template <class OnChange>
std::string repaired(std::string_view text, OnChange on_change) {
  std::string result;
  result.reserve(text.size());
  std::size_t copied = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = read_utf8(text, at);
    if (!step.valid) {
      result.append(text, copied, at - copied);
      on_change(result.size(), at, step.length);
      result += replacement;
      copied = at + step.length;
    }
    at += step.length;
  }
  result.append(text, copied, text.size() - copied);
  return result;
}

}  // namespace

Utf8Step read_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1, true, true};
  // The second byte's range depends on the lead: no overlong forms, no surrogates, nothing above U+10FFFF.
  std::uint32_t extra = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    extra = 1;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    extra = 2;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    extra = 3;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {};
  }
  std::uint32_t code_point = lead & (0x3Fu >> extra);
  for (std::uint32_t index = 1; index <= extra; ++index) {
    if (at + index >= text.size()) return {0xFFFD, index, false, false};
    const unsigned char next = byte(at + index);
    if (next < low || next > high) return {0xFFFD, index, false, true};
    code_point = code_point << 6 | (next & 0x3Fu);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, extra + 1, true, true};
}

bool is_valid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = read_utf8(text, at);
    if (!step.valid) return false;
    at += step.length;
  }
  return true;
}

void append_utf8(std::string& text, std::uint32_t code_point) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

std::string repair_utf8(std::string_view text) {
  return repaired(text, [](std::size_t, std::size_t, std::size_t) {});
}

std::string repair_utf8(std::string_view text, OffsetMap& map) {
  return repaired(text, [&](std::size_t new_begin, std::size_t old_begin, std::size_t old_length) {
    map.add({new_begin, replacement.size(), old_begin, old_length});
  });
}

void OffsetMap::to_original(std::vector<std::uint64_t>& offsets, std::size_t first) const {
  if (changes_.empty()) return;
  std::size_t next = 0;    // the first change that ends after the offset
  std::int64_t shift = 0;  // original minus new, after the changes passed
  for (std::size_t index = first; index < offsets.size(); ++index) {
    const std::uint64_t offset = offsets[index];
    while (next < changes_.size() && changes_[next].new_begin + changes_[next].new_length <= offset) {
      const Change& passed = changes_[next++];
      shift = static_cast<std::int64_t>(passed.old_begin + passed.old_length) -
              static_cast<std::int64_t>(passed.new_begin + passed.new_length);
    }
    if (next < changes_.size() && changes_[next].new_begin < offset) {
      offsets[index] = changes_[next].old_begin;
    } else {
      offsets[index] = static_cast<std::uint64_t>(static_cast<std::int64_t>(offset) + shift);
    }
  }
}

}  // namespace tome
