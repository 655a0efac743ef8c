#include "attention/longformer.h"

namespace tome {

LongformerWindow::LongformerWindow(std::uint64_t length, std::uint64_t reach, const std::vector<std::uint64_t>& globals)
    : length_(length), reach_(reach) {
  if (!globals.empty()) global_bits_.assign((length + 63) / 64, 0);
  for (const std::uint64_t position : globals) global_bits_[position / 64] |= std::uint64_t{1} << position % 64;
}

std::vector<std::uint64_t> LongformerWindow::pages(std::uint64_t first, std::uint64_t last) const {
  std::vector<std::uint64_t> found;
  append_pages(found, first - std::min(first, reach_), std::min(last + reach_ + 1, length_));
  return found;
}

std::uint64_t LongformerWindow::bits(std::uint64_t query, std::uint64_t page) const {
  const std::uint64_t near = page_bits(page, query - std::min(query, reach_), std::min(query + reach_ + 1, length_));
  return global_bits_.empty() ? near : near & ~global_bits_[page];
}

}  // namespace tome
