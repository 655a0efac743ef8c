#pragma once
// How long work tells how far it is. Libraries call the function they are handed; cli renders it (and stays quiet in a
// pipe). Called from one thread at a time, every chunk.
#include <cstdint>
#include <functional>
#include <string_view>

namespace tome {

struct ProgressReport {
  std::string_view what;    ///< "reading", "answering", "downloading"
  std::uint64_t done = 0;   ///< tokens or bytes
  std::uint64_t total = 0;  ///< 0 when unknown
  double units_per_second = 0;
  double seconds_left = 0;  ///< 0 when unknown
};

using ProgressFunction = std::function<void(const ProgressReport&)>;

}  // namespace tome
