#pragma once
// BigBird's block-sparse attention, as its encoder has it (arXiv 2007.14062, section 2): queries and keys in blocks.
// The first and the last block see everything. The others see the first block, their own, its two neighbours, and the
// last; and the random ones, which the reference library draws while it trains only: in evaluation its plan is all
// zeros, so that the first block's keys count once more for each of them. pattern.h has the causal form for decoders.
#include <cstdint>
#include <vector>

#include "attention/two_sided_pattern.h"

namespace tome {

class BigBirdBlocks : public TwoSidedPattern {
 public:
  /// The last block may be cut short by the text's end.
  BigBirdBlocks(std::uint64_t length, std::uint64_t block, std::uint64_t random_blocks);
  std::vector<std::uint64_t> pages(std::uint64_t first, std::uint64_t last) const override;
  std::uint64_t bits(std::uint64_t query, std::uint64_t page) const override;
  Repeats repeats(std::uint64_t query) const override;

 private:
  bool sees_everything(std::uint64_t block) const { return block == 0 || block + 1 == blocks_; }

  std::uint64_t length_, block_, blocks_, random_blocks_;
};

}  // namespace tome
