#pragma once
// The meaning of tokenizer.json and tokenizer_config.json. Pure functions, any thread.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/json_fields.h"
#include "formats/tokenizer_spec.h"

namespace tome {

/// The texts of a folder that describe its tokenizer; config and template may be empty (absent).
struct HfTokenizerFiles {
  std::string name;                ///< the folder, for messages
  std::string_view tokenizer;      ///< tokenizer.json
  std::string_view config;         ///< tokenizer_config.json
  std::string_view chat_template;  ///< chat_template.jinja: wins over the one in tokenizer_config.json
};

/// vocabulary: rows of the embedding; ids without a token up to there become unused ones, added tokens beyond it are
/// left out (they have no embedding). ends, bos, pad: from config.json and generation_config.json (−1: not given).
/// Errors: format; unsupported for a model, normalizer, pre-tokenizer or post-processor that Tome does not know.
struct HfTokenizerContext {
  std::uint32_t vocabulary = 0;
  std::vector<std::int64_t> ends;
  std::int64_t bos = -1, pad = -1;
};
Result<TokenizerSpec> parse_hf_tokenizer(const HfTokenizerFiles& files, const HfTokenizerContext& context);

/// The "normalizer" and "pre_tokenizer" of tokenizer.json, recognised for a model that is Unigram or BPE: sets kind and
/// what prepares the text.
Status read_hf_text_steps(const JsonFields& tokenizer, bool unigram, TokenizerSpec& spec);

}  // namespace tome
