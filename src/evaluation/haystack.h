#pragma once
// The text that needles are hidden in: text files in sorted order, or, without any, text made here (never the same
// sentence twice in a row; no digits, so that no number but a needle's is in it). Tokenised once.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tokenizer/sentence_starts.h"
#include "tokenizer/tokenizer.h"

namespace tome {

class Haystack {
 public:
  /// files: none for generated text of at least `least_tokens`. Errors: io, format (UTF-8); usage when the files hold
  /// fewer tokens than that.
  static Result<Haystack> load(const Tokenizer& tokenizer, std::vector<std::string> files, std::uint64_t least_tokens,
                               std::uint64_t seed);
  /// A stretch of `count` tokens that starts after a sentence's end, which one `seed` says.
  std::span<const TokenId> stretch(std::uint64_t count, std::uint64_t seed) const;
  /// The last place ≤ `at` in `tokens` that follows a sentence's end; 0 when there is none.
  std::size_t sentence_start(std::span<const TokenId> tokens, std::size_t at) const;
  bool generated() const { return generated_; }

 private:
  explicit Haystack(const Tokenizer& tokenizer) : sentences_(tokenizer) {}
  std::vector<TokenId> tokens_;
  SentenceStarts sentences_;
  bool generated_ = false;
};

/// Plain prose without digits, at least `bytes` of it.
std::string generated_prose(std::uint64_t bytes, std::uint64_t seed);

}  // namespace tome
