#pragma once
// What must hold of every model, whichever format it came in, and the fingerprint over it. `where` opens each message
// ("[gguf] name.gguf"). Pure functions, any thread.
#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/model_file.h"

namespace tome {

/// No count is zero or absurd, heads share keys evenly, numbers are finite and in range. Errors: format, unsupported.
Status check_config(const ModelConfig& config, std::string_view where);

/// Ids lie inside the vocabulary, per-token lists have its length. Errors: format.
Status check_tokenizer(const TokenizerSpec& spec, std::string_view where);

/// Appends the ids of control tokens whose names mean "the answer ends here" (<end_of_turn>, <|im_end|> …) and eos;
/// each id once.
void add_end_tokens(TokenizerSpec& spec);

/// SHA-256 over the configuration and each tensor's role, shape, type and first and last 4 KiB.
std::string model_fingerprint(const ModelFile& model);

}  // namespace tome
