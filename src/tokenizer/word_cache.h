#pragma once
// Words repeat: their tokens are kept while one text is encoded. Keys point into that text, which outlives the cache.
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/pair_merger.h"

namespace tome {

class WordCache {
 public:
  static constexpr std::size_t longest_word = 64;
  static constexpr std::size_t most_words = std::size_t{1} << 18;

  /// The stored symbols of a word (ends relative to its beginning), or nullptr.
  const Symbol* find(std::string_view word, std::size_t& count) const {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slot_of(word);
    count = slot.count;
    return slot.word.data() == nullptr ? nullptr : symbols_.data() + slot.first;
  }
  /// Remembers a word that was not found; `begin` is subtracted from the symbols' ends.
  void insert(std::string_view word, const std::vector<Symbol>& symbols, std::uint64_t begin) {
    if (words_ >= most_words || word.size() > longest_word) return;
    if ((words_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = const_cast<Slot&>(slot_of(word));
    slot = {word, symbols_.size(), static_cast<std::uint32_t>(symbols.size())};
    for (const Symbol& symbol : symbols) symbols_.push_back({symbol.id, symbol.end - begin});
    ++words_;
  }

 private:
  struct Slot {
    std::string_view word;
    std::size_t first = 0;
    std::uint32_t count = 0;
  };
  const Slot& slot_of(std::string_view word) const {
    std::size_t at = std::hash<std::string_view>()(word) & (slots_.size() - 1);
    while (slots_[at].word.data() != nullptr && slots_[at].word != word) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.word.data() != nullptr) const_cast<Slot&>(slot_of(slot.word)) = slot;
    }
  }

  std::vector<Slot> slots_;
  std::vector<Symbol> symbols_;
  std::size_t words_ = 0;
};

}  // namespace tome
