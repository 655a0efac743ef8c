#pragma once
// Byte pair encoding of one word: the pair of lowest rank is merged first, the leftmost of equal ones, until no pair of
// neighbours is in the table. Short words are scanned, long ones use a heap: O(n log n) for any length.
#include <cstdint>
#include <vector>

#include "tokenizer/pair_table.h"

namespace tome {

/// A token of the word so far; `end` is where its text ends. Symbols lie in the text's order.
struct Symbol {
  std::int32_t id = -1;
  std::uint64_t end = 0;
};

/// Holds the working memory between words; one per encode call.
class PairMerger {
 public:
  explicit PairMerger(const PairTable& table) : table_(table) {}
  /// Merges in place; symbols shrinks. A symbol of negative id merges with nothing.
  void merge(std::vector<Symbol>& symbols);

 private:
  void merge_by_scan(std::vector<Symbol>& symbols);
  void merge_by_heap(std::vector<Symbol>& symbols);
  Merge look_up(const Symbol& left, const Symbol& right) const {
    if (left.id < 0 || right.id < 0) return {};
    return table_.find(left.id, right.id);
  }

  const PairTable& table_;
  std::vector<Merge> merges_;
  std::vector<std::uint32_t> next_, previous_;
  std::vector<std::uint64_t> heap_;
};

}  // namespace tome
