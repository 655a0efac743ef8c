#include "attention/bigbird.h"

namespace tome {

BigBirdBlocks::BigBirdBlocks(std::uint64_t length, std::uint64_t block, std::uint64_t random_blocks)
    : length_(length), block_(block), blocks_((length + block - 1) / block), random_blocks_(random_blocks) {}

std::vector<std::uint64_t> BigBirdBlocks::pages(std::uint64_t first, std::uint64_t last) const {
  std::vector<std::uint64_t> found;
  const std::uint64_t first_block = first / block_, last_block = last / block_;
  if (sees_everything(first_block) || sees_everything(last_block)) {
    append_pages(found, 0, length_);
    return found;
  }
  append_pages(found, 0, block_);
  append_pages(found, (first_block - 1) * block_, std::min((last_block + 2) * block_, length_));
  append_pages(found, (blocks_ - 1) * block_, length_);
  return found;
}

std::uint64_t BigBirdBlocks::bits(std::uint64_t query, std::uint64_t page) const {
  const std::uint64_t block = query / block_;
  if (sees_everything(block)) return page_bits(page, 0, length_);
  return page_bits(page, 0, block_) | page_bits(page, (block - 1) * block_, std::min((block + 2) * block_, length_)) |
         page_bits(page, (blocks_ - 1) * block_, length_);
}

TwoSidedPattern::Repeats BigBirdBlocks::repeats(std::uint64_t query) const {
  if (sees_everything(query / block_)) return {};
  return {block_, 1 + random_blocks_};
}

}  // namespace tome
