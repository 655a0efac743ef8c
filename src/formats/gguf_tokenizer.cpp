#include "formats/gguf_model.h"
#include "formats/model_checks.h"
#include "formats/printable.h"

namespace tome {
namespace {

Result<PreTokenizer> pre_tokenizer_of(const GgufFile& file) {
  TOME_ASSIGN(const auto pre, GgufKeys(file).text("tokenizer.ggml.pre"));
  if (!pre)
    return fail(ErrorKind::unsupported,
                "[gguf] {}: key 'tokenizer.ggml.pre' is missing: the text cannot be split as the model expects",
                file.name);
  struct Known {
    std::string_view name;
    PreTokenizer pre;
  };
  // Other names under which converters write the same pattern stand beside ours.
  constexpr Known known[] = {
      {"gpt-2", PreTokenizer::gpt2},
      {"gpt2", PreTokenizer::gpt2},
      {"phi-2", PreTokenizer::gpt2},
      {"smollm", PreTokenizer::smollm},
      {"llama-bpe", PreTokenizer::llama_bpe},
      {"llama3", PreTokenizer::llama_bpe},
      {"llama-v3", PreTokenizer::llama_bpe},
      {"qwen2", PreTokenizer::qwen2},
      {"deepseek-r1-qwen", PreTokenizer::qwen2},
  };
  for (const Known& entry : known)
    if (*pre == entry.name) return entry.pre;
  return fail(ErrorKind::unsupported, "[gguf] {}: tokenizer.ggml.pre '{}', expected gpt-2, smollm, llama-bpe or qwen2",
              file.name, printable(*pre));
}

Result<const GgufValue*> typed_array(const GgufFile& file, const std::string& key, GgufType element) {
  TOME_ASSIGN(const GgufValue* value, GgufKeys(file).array(key));
  if (value != nullptr && value->element != element)
    return fail(ErrorKind::format, "[gguf] {}: key '{}': an array of {}, expected {}", file.name, key,
                gguf_type_name(value->element), gguf_type_name(element));
  return value;
}

Status read_tokens(const GgufFile& file, TokenizerSpec& spec) {
  TOME_ASSIGN(const GgufValue* tokens, typed_array(file, "tokenizer.ggml.tokens", GgufType::string));
  if (tokens == nullptr) return fail(ErrorKind::format, "[gguf] {}: key 'tokenizer.ggml.tokens' is missing", file.name);
  spec.tokens.assign(tokens->strings.begin(), tokens->strings.end());
  TOME_ASSIGN(const GgufValue* scores, typed_array(file, "tokenizer.ggml.scores", GgufType::f32));
  if (scores != nullptr)
    for (std::uint64_t id = 0; id < scores->count; ++id) spec.scores.push_back(*scores->scalar(id).as_number());
  TOME_ASSIGN(const GgufValue* types, typed_array(file, "tokenizer.ggml.token_type", GgufType::i32));
  if (types == nullptr) {
    spec.types.assign(spec.tokens.size(), TokenType::normal);
    return {};
  }
  for (std::uint64_t id = 0; id < types->count; ++id) {
    const std::int64_t type = *types->scalar(id).as_signed();
    if (type < 1 || type > 6)
      return fail(ErrorKind::format, "[gguf] {}: token {} has type {}, expected 1 to 6", file.name, id, type);
    spec.types.push_back(static_cast<TokenType>(type));
  }
  return {};
}

Status read_merges(const GgufFile& file, TokenizerSpec& spec) {
  TOME_ASSIGN(const GgufValue* merges, typed_array(file, "tokenizer.ggml.merges", GgufType::string));
  if (merges == nullptr) return fail(ErrorKind::format, "[gguf] {}: key 'tokenizer.ggml.merges' is missing", file.name);
  spec.merges.reserve(merges->count);
  for (const std::string_view merge : merges->strings) {
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size())
      return fail(ErrorKind::format, "[gguf] {}: merge {} '{}', expected two pieces and a space between", file.name,
                  spec.merges.size(), printable(merge));
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return {};
}

Status read_special(const GgufFile& file, TokenizerSpec& spec) {
  const GgufKeys keys(file);
  const auto id = [&](const char* name, std::int64_t& result) -> Status {
    TOME_ASSIGN(const auto value, keys.unsigned_number(std::string("tokenizer.ggml.") + name));
    // 2³² − 1 is how some writers say "none".
    if (value && *value != UINT32_MAX) result = static_cast<std::int64_t>(*value);
    return {};
  };
  TOME_TRY(id("bos_token_id", spec.bos));
  TOME_TRY(id("eos_token_id", spec.eos));
  TOME_TRY(id("unknown_token_id", spec.unknown));
  TOME_TRY(id("padding_token_id", spec.pad));
  for (const char* name : {"eot_token_id", "eom_token_id"}) {
    std::int64_t end = -1;
    TOME_TRY(id(name, end));
    if (end >= 0) spec.end_tokens.push_back(end);
  }
  const bool sentencepiece = spec.kind == TokenizerKind::sentencepiece_bpe;
  TOME_ASSIGN(const auto add_bos, keys.boolean("tokenizer.ggml.add_bos_token"));
  TOME_ASSIGN(const auto add_eos, keys.boolean("tokenizer.ggml.add_eos_token"));
  TOME_ASSIGN(const auto space_prefix, keys.boolean("tokenizer.ggml.add_space_prefix"));
  spec.add_bos = add_bos.value_or((sentencepiece || spec.pre == PreTokenizer::llama_bpe) && spec.bos >= 0);
  spec.add_eos = add_eos.value_or(false);
  spec.add_space_prefix = sentencepiece && space_prefix.value_or(true);
  add_end_tokens(spec);
  TOME_ASSIGN(const auto chat_template, keys.text("tokenizer.chat_template"));
  spec.chat_template = chat_template.value_or("");
  return {};
}

}  // namespace

Result<TokenizerSpec> tokenizer_from_gguf(const GgufFile& file) {
  TokenizerSpec spec;
  TOME_ASSIGN(const auto model, GgufKeys(file).text("tokenizer.ggml.model"));
  if (!model) return fail(ErrorKind::format, "[gguf] {}: key 'tokenizer.ggml.model' is missing", file.name);
  if (*model == "gpt2") {
    spec.kind = TokenizerKind::byte_bpe;
    TOME_ASSIGN(spec.pre, pre_tokenizer_of(file));
    spec.ignore_merges = spec.pre == PreTokenizer::llama_bpe;
  } else if (*model == "llama") {
    spec.kind = TokenizerKind::sentencepiece_bpe;
  } else {
    return fail(ErrorKind::unsupported, "[gguf] {}: tokenizer.ggml.model '{}', expected gpt2 or llama", file.name,
                printable(*model));
  }
  TOME_TRY(read_tokens(file, spec));
  if (spec.kind == TokenizerKind::byte_bpe) {
    TOME_TRY(read_merges(file, spec));
  } else if (spec.scores.empty()) {
    return fail(ErrorKind::format, "[gguf] {}: key 'tokenizer.ggml.scores' is missing", file.name);
  }
  TOME_TRY(read_special(file, spec));
  return spec;
}

}  // namespace tome
