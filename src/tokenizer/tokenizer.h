#pragma once
// Text ↔ token ids. Immutable after construction: any thread may call any const member. Linear in the text's length.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/tokenizer_spec.h"

namespace tome {

using TokenId = std::int32_t;

enum class AddSpecial { no, yes };    ///< BOS/EOS as the file says (never a second BOS)
enum class ParseSpecial { no, yes };  ///< "<|im_end|>" in the text becomes the control token, or stays text

class Tokenizer {
 public:
  /// Errors: format (ids outside the vocabulary, merges of unknown pieces …), unsupported.
  static Result<std::shared_ptr<const Tokenizer>> create(const TokenizerSpec& spec);
  virtual ~Tokenizer() = default;

  /// Invalid UTF-8 is read as U+FFFD per maximal ill-formed part (as Python's errors="replace").
  virtual std::vector<TokenId> encode(std::string_view text, AddSpecial add_special,
                                      ParseSpecial parse_special) const = 0;
  /// As encode, with each token's byte range in `text`: offsets[i] is the first byte of token i, offsets.back() the
  /// end; size ids + 1. BOS has an empty range. Needed to show passages by file and line.
  virtual std::vector<TokenId> encode_with_offsets(std::string_view text, AddSpecial add_special,
                                                   ParseSpecial parse_special,
                                                   std::vector<std::uint64_t>& offsets) const = 0;
  /// The raw bytes of one token (possibly half a character); control tokens give "" unless `show_special`.
  virtual std::string token_bytes(TokenId id, bool show_special = false) const = 0;
  virtual std::string decode(std::span<const TokenId> ids, bool show_special = false) const = 0;
  virtual std::size_t vocabulary() const = 0;
  virtual const TokenizerSpec& spec() const = 0;
  bool is_end(TokenId id) const;
};

/// Streaming detokenisation: push tokens, get back only whole UTF-8 characters.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// Bytes that are complete characters now; the rest waits.
  std::string push(TokenId id);
  /// What is left at the end, ill-formed bytes as U+FFFD.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
  bool at_start_ = true;
};

}  // namespace tome
