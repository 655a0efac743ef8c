#pragma once
// The texts of at least 10^6 bytes that make_goldens.py makes, step by step the same.
#include <stdexcept>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "tokenizer/utf8.h"

namespace tome::test {

constexpr std::size_t sample_size = 1'000'000;

inline std::vector<std::string> source_characters(const std::string& name) {
  const auto text = read_file(std::string(TOME_TEST_DATA) + "/tokenizer/sources/" + name + ".txt", 1 << 24);
  if (!text) throw std::runtime_error(text.error().message);
  std::vector<std::string> characters;
  for (std::size_t at = 0; at < text->size(); at += characters.back().size())
    characters.push_back(text->substr(at, read_utf8(*text, at).length));
  return characters;
}

/// The next slice of the source: a place, then a length from 1 to `longest`.
inline void append_slice(std::string& text, const std::vector<std::string>& characters, Rng& rng,
                         std::uint64_t longest) {
  const std::uint64_t begin = rng.below(characters.size());
  const std::uint64_t length = 1 + rng.below(longest);
  for (std::uint64_t at = begin; at < begin + length && at < characters.size(); ++at) text += characters[at];
}

inline std::string slices(const std::string& name, std::uint64_t seed, std::uint64_t longest) {
  const auto characters = source_characters(name);
  Rng rng(seed);
  std::string text;
  while (text.size() < sample_size) append_slice(text, characters, rng, longest);
  return text;
}

inline void append_random(std::string& text, Rng& rng, std::uint32_t first, std::uint64_t count) {
  append_utf8(text, first + static_cast<std::uint32_t>(rng.below(count)));
}

inline std::string cjk_text(std::uint64_t seed) {
  const auto characters = source_characters("cjk");
  Rng rng(seed);
  std::string text;
  while (text.size() < sample_size) {
    const std::uint64_t kind = rng.below(10);
    if (kind < 6) {
      append_slice(text, characters, rng, 60);
    } else if (kind < 9) {
      const std::uint32_t first = kind == 6 ? 0x4E00 : kind == 7 ? 0x3041 : 0xAC00;
      const std::uint64_t count = kind == 6 ? 0x5200 : kind == 7 ? 0xBE : 0x2BA4;
      for (std::uint64_t left = 1 + rng.below(8); left > 0; --left) append_random(text, rng, first, count);
    } else {
      append_random(text, rng, 0x1100, 19);
      append_random(text, rng, 0x1161, 21);
      append_random(text, rng, 0x304B, 20);
      append_utf8(text, 0x3099);
      text += 'e';
      append_utf8(text, 0x301);
    }
  }
  return text;
}

inline std::string emoji_text(std::uint64_t seed) {
  const auto characters = source_characters("english");
  Rng rng(seed);
  std::string text;
  while (text.size() < sample_size) {
    const std::uint64_t kind = rng.below(8);
    if (kind < 3) {
      append_random(text, rng, 0x1F300, 0x800);
    } else if (kind == 3) {
      append_random(text, rng, 0x1F466, 4);
      append_random(text, rng, 0x1F3FB, 5);
      append_utf8(text, 0x200D);
      append_random(text, rng, 0x1F680, 0x40);
    } else if (kind == 4) {
      append_random(text, rng, 0x2600, 0x100);
      append_utf8(text, 0xFE0F);
    } else if (kind == 5) {
      append_random(text, rng, 0x1F1E6, 26);
      append_random(text, rng, 0x1F1E6, 26);
    } else if (kind == 6) {
      append_random(text, rng, 0x30, 10);
      append_utf8(text, 0xFE0F);
      append_utf8(text, 0x20E3);
    } else {
      append_slice(text, characters, rng, 12);
    }
  }
  return text;
}

inline std::string random_bytes(std::uint64_t seed) {
  Rng rng(seed);
  std::string text;
  while (text.size() < sample_size) {
    std::uint64_t number = rng.next();
    for (int byte = 0; byte < 8; ++byte, number >>= 8)
      text += static_cast<char>(static_cast<unsigned char>(number & 0xFF));
  }
  return text;
}

inline std::string sample_text(const std::string& name) {
  if (name == "english") return slices("english", 1, 2000);
  if (name == "code") return slices("code", 2, 1000);
  if (name == "cjk") return cjk_text(3);
  if (name == "emoji") return emoji_text(4);
  if (name == "random") return random_bytes(5);
  throw std::runtime_error("no sample text is called " + name);
}

}  // namespace tome::test
