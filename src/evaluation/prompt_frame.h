#pragma once
// A rendered prompt as the model's tokens: inside the model's chat template when it has one, else as plain text to go
// on with. What the user says is never read for special tokens, and is tokenised in one piece, so that two prompts with
// the same beginning share its tokens. Immutable; any thread.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace tome {

struct PromptText {
  std::string user;
  std::string joint;    ///< between the two in a plain prompt; a chat template stands there otherwise
  std::string opening;  ///< how the answer begins
};

/// Some benchmarks put some tasks to chat models without their template.
enum class PromptFraming { model, plain };

/// Where a text that is too long is cut.
enum class MiddleCut {
  equal_halves,  ///< first ⌊n/2⌋ tokens + last ⌊n/2⌋, decoded one by one (LongBench v1)
  whole_limit,  ///< first ⌊n/2⌋ + last ⌈n/2⌉, decoded as one (LongBench v2, InfiniteBench: Python's x[-n // 2:])
};

class PromptFrame {
 public:
  /// The tokenizer outlives this. Errors: those of the chat template.
  static Result<PromptFrame> create(const Tokenizer& tokenizer);

  bool chat() const { return chat_; }
  std::vector<TokenId> encode(const PromptText& text, PromptFraming framing = PromptFraming::model) const;
  /// The text before the template is put around it, cut in the middle when it has more than `limit` tokens, BOS
  /// counted, as the benchmarks do: cut, decoded, tokenised again by encode(). tokens_before: those
  /// it had. limit 0: none, and nothing is counted.
  PromptText cut_middle(const PromptText& text, PromptFraming framing, std::uint64_t limit, MiddleCut rule,
                        std::uint64_t& tokens_before) const;

 private:
  explicit PromptFrame(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  const Tokenizer* tokenizer_;
  bool chat_ = false;
  std::vector<TokenId> head_, tail_;
};

}  // namespace tome
