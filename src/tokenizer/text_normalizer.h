#pragma once
// How a fragment of text is rewritten before it is cut into tokens. Immutable; any thread.
#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/tokenizer_spec.h"
#include "tokenizer/character_map.h"
#include "tokenizer/utf8.h"

namespace tome {

class TextNormalizer {
 public:
  TextNormalizer() = default;  ///< leaves everything as it is
  /// Errors: format; unsupported where the file asks for what this machine's ICU lacks.
  static Result<TextNormalizer> create(const TokenizerSpec& spec);

  /// False when the fragment (valid UTF-8) stays as it is: `to` and `changes` are not to be used then. For unigram
  /// U+2581 has become a space too.
  bool rewrite(std::string_view fragment, std::string& to, OffsetMap& changes) const;

 private:
  bool nfc_ = false, unigram_ = false, strips_left_ = false, strips_right_ = false, joins_spaces_ = false;
  CharacterMap characters_;
};

}  // namespace tome
