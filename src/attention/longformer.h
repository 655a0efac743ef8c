#pragma once
// Longformer's local attention, as its encoder has it (arXiv 2004.05150, section 3.1): a query sees the keys at most
// `reach` tokens away on either side (half the window) and every global token, each once. What global tokens
// themselves see (everything, through projections of their own) is no part of it. pattern.h has the causal form for
// decoders.
#include <cstdint>
#include <vector>

#include "attention/two_sided_pattern.h"

namespace tome {

/// The window without the global tokens in it: those are attended to apart, as one run of keys.
class LongformerWindow : public TwoSidedPattern {
 public:
  /// globals: positions below `length`, ascending, each once.
  LongformerWindow(std::uint64_t length, std::uint64_t reach, const std::vector<std::uint64_t>& globals);
  std::vector<std::uint64_t> pages(std::uint64_t first, std::uint64_t last) const override;
  std::uint64_t bits(std::uint64_t query, std::uint64_t page) const override;

 private:
  std::uint64_t length_, reach_;
  std::vector<std::uint64_t> global_bits_;  // by page; empty without globals
};

}  // namespace tome
