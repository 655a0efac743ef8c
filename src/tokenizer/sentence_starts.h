#pragma once
// Where sentences and paragraphs begin in a text of tokens, told by the bytes of single tokens: a token that ends in
// '.',
// '!' or '?' (quotes and white space behind it aside) ends a sentence, an empty line a paragraph. Cheap enough for
// millions of tokens; abbreviations count as ends.
#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace tome {

class SentenceStarts {
 public:
  explicit SentenceStarts(const Tokenizer& tokenizer);
  bool ends_sentence(TokenId id) const { return kinds_[static_cast<std::size_t>(id)].ends_sentence; }
  /// Positions of the first token of each sentence and paragraph that is not white space, ascending.
  std::vector<std::uint64_t> find(std::span<const TokenId> tokens) const;

 private:
  struct Kind {
    bool ends_sentence = false, white_space = false;
    std::uint8_t newlines = 0;  ///< at its end; at most 2
  };
  std::vector<Kind> kinds_;  ///< by token id
};

}  // namespace tome
