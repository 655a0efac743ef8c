#pragma once
// The seed of one sample from what names it: the same everywhere, and unrelated between neighbours.
#include <cstdint>
#include <string_view>

namespace tome {

/// FNV-1a over the name, then the numbers; base/rng.h mixes it further.
inline std::uint64_t sample_seed(std::uint64_t seed, std::string_view task, std::uint64_t length, std::uint64_t index) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3ULL; };
  for (const char byte : task) add(static_cast<unsigned char>(byte));
  for (const std::uint64_t number : {seed, length, index})
    for (int shift = 0; shift < 64; shift += 8) add(static_cast<unsigned char>(number >> shift));
  return hash;
}

}  // namespace tome
