#pragma once
// What a model file says of its tokenizer, in Tome's own words; tokenizer/ builds the working tokenizer from it.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tome {

enum class TokenizerKind { byte_bpe, sentencepiece_bpe, unigram };
enum class PreTokenizer { gpt2, smollm, llama_bpe, qwen2, none };
enum class TokenType : std::uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct TokenizerSpec {
  TokenizerKind kind = TokenizerKind::byte_bpe;
  PreTokenizer pre = PreTokenizer::none;
  bool normalize_nfc = false;       ///< qwen2's tokenizer.json does, GGUF readers do not: follow the file
  bool ignore_merges = false;       ///< llama-bpe: a whole pre-token that is in the vocabulary is taken as it is
  std::vector<std::string> tokens;  ///< by id. byte_bpe: in GPT-2's byte alphabet; others: UTF-8 with U+2581
  std::vector<double> scores;       ///< sentencepiece from GGUF: merge priority; empty when merges are given. unigram:
                                    ///< log-probabilities
  std::vector<TokenType> types;     ///< by id
  std::vector<std::pair<std::string, std::string>> merges;  ///< by rank (byte_bpe; sentencepiece from tokenizer.json)
  std::int64_t bos = -1, eos = -1, unknown = -1, pad = -1;
  std::vector<std::int64_t>
      end_tokens;  ///< every id that ends an answer (eos, <end_of_turn>, generation_config's list)
  bool add_bos = false, add_eos = false;
  std::vector<std::int64_t>
      strips_left;                ///< special tokens that take the white space before them along (RoBERTa's <mask>)
  bool add_space_prefix = false;  ///< sentencepiece, unigram: "▁" before the text
  std::string character_map;      ///< unigram: SentencePiece's precompiled_charsmap (tokenizer/character_map.h)
  bool strips_text_left = false, strips_text_right = false;  ///< unigram: white space at the text's ends is dropped
  bool joins_spaces = false;                                 ///< unigram: spaces one after the other count as one
  std::string chat_template;                                 ///< Jinja; empty for base models
};

}  // namespace tome
