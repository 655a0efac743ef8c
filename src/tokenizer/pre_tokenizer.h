#pragma once
// Pre-tokenisers of byte-level BPE: a text is cut into words before any merge. Each is a hand-written scanner that
// takes what the model's published regular expression takes at that place (leftmost alternative first), in linear time.
//   gpt2       's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   smollm     every \p{N} alone, then gpt2 on what lies between
//   llama_bpe  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+
//              |\s+(?!\S)|\s+
//   qwen2      llama_bpe with \p{N}
#include <string_view>

#include "formats/tokenizer_spec.h"

namespace tome {

/// The end of the word that begins at `begin` < text.size(); the text is valid UTF-8. Any thread.
std::size_t end_of_word(PreTokenizer kind, std::string_view text, std::size_t begin);

}  // namespace tome
