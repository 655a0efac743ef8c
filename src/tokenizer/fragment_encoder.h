#pragma once
// What the kinds of tokenizers share: they turn a stretch of text without special tokens into symbols.
// Encoders are immutable; the working memory of one call is in EncodeState.
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/pair_merger.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cache.h"

namespace tome {

struct EncodeState {
  explicit EncodeState(const PairTable& table) : merger(table) {}
  PairMerger merger;
  WordCache cache;
  std::vector<Symbol> word;
};

class FragmentEncoder {
 public:
  virtual ~FragmentEncoder() = default;
  virtual const PairTable& pairs() const = 0;  ///< empty where nothing is merged
  /// Appends the symbols of `fragment` (valid UTF-8, alive as long as `state`), ends counted from its beginning. Bytes
  /// that the vocabulary cannot express belong to the symbol before them.
  virtual void encode(std::string_view fragment, EncodeState& state, std::vector<Symbol>& symbols) const = 0;
};

/// GPT-2's way: words by the pre-tokeniser, bytes merged by rank. `spec` and `vocabulary` outlive the encoder.
Result<std::unique_ptr<FragmentEncoder>> make_byte_bpe(const TokenizerSpec& spec, const Vocabulary& vocabulary);
/// SentencePiece's way: characters merged by the score of what they make, "▁" for a space, unknown characters as bytes.
Result<std::unique_ptr<FragmentEncoder>> make_sentencepiece_bpe(const TokenizerSpec& spec,
                                                                const Vocabulary& vocabulary);

/// SentencePiece's other way: words begin at spaces and are cut into the likeliest pieces.
Result<std::unique_ptr<FragmentEncoder>> make_unigram(const TokenizerSpec& spec, const Vocabulary& vocabulary);

/// The table of merges given by rank. Errors: format when a piece or what it merges to is not in the vocabulary.
Result<PairTable> pair_table_from_merges(const TokenizerSpec& spec, const Vocabulary& vocabulary);

}  // namespace tome
