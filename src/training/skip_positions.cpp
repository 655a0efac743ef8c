#include "training/skip_positions.h"

#include <algorithm>

#include "base/check.h"

namespace tome {

std::vector<std::uint64_t> skip_positions(std::uint64_t tokens, std::uint64_t target, std::uint64_t chunks, Rng& rng) {
  CHECK(tokens > 0 && tokens <= target && chunks > 0);
  std::vector<std::uint64_t> borders;  // first tokens of the chunks but the first
  for (std::uint64_t chunk = 1; chunk < chunks && tokens > 1; ++chunk) borders.push_back(1 + rng.below(tokens - 1));
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
  std::vector<std::uint64_t> positions(tokens);
  std::uint64_t skipped = 0;
  auto border = borders.begin();
  for (std::uint64_t token = 0; token < tokens; ++token) {
    if (border != borders.end() && *border == token) {
      skipped += rng.below(target - tokens - skipped + 1);
      ++border;
    }
    positions[token] = token + skipped;
  }
  return positions;
}

}  // namespace tome
