// Recognises how a tokenizer.json prepares text. Every step is either known or an error: a step left out in silence
// would give other token ids than the model was trained on.
#include "base/base64.h"
#include "formats/hf_tokenizer.h"
#include "formats/printable.h"

namespace tome {
namespace {

constexpr std::string_view metaspace = "\xE2\x96\x81";  // U+2581
constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view llama_bpe_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view qwen2_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// What the steps amount to.
struct Steps {
  bool byte_level = false, byte_level_splits = false, digits = false;
  bool replaces_spaces = false, space_prefix = false, nfc = false;
  bool rewrites_spaces = false;  // a normalizer does, not the pre-tokenizer
  std::string pattern;
  bool metaspace = false, prefixes_first_alone = false;
  bool splits_at_spaces = false, strips_left = false, strips_right = false, joins_spaces = false;
  std::string character_map;
};

/// The steps of a "Sequence", or the one step itself; their "type" is checked to be there.
Result<std::vector<JsonFields>> steps_of(const JsonFields& parent, const char* field, const char* list_name) {
  std::vector<JsonFields> result;
  TOME_ASSIGN(const auto step, parent.object(field));
  if (!step) return result;
  TOME_ASSIGN(const auto type, step->text("type"));
  if (!type) return fail(ErrorKind::format, "{}: '{}' is missing", step->where(), step->name("type"));
  if (*type != "Sequence") {
    result.push_back(*step);
    return result;
  }
  TOME_ASSIGN(const Json* list, step->array(list_name));
  if (list == nullptr) return fail(ErrorKind::format, "{}: '{}' is missing", step->where(), step->name(list_name));
  for (const Json& inner : *list) {
    if (!inner.is_object()) return step->wrong_type(list_name, "an array of objects");
    const JsonFields fields(inner, step->where(), step->name(list_name) + ".");
    TOME_ASSIGN(const auto inner_type, fields.text("type"));
    if (!inner_type) return fail(ErrorKind::format, "{}: '{}' is missing", fields.where(), fields.name("type"));
    result.push_back(fields);
  }
  return result;
}

tl::unexpected<Error> unknown(const JsonFields& step, std::string_view found, std::string_view expected) {
  return fail(ErrorKind::unsupported, "{}: '{}' is {}, expected {}", step.where(), step.name("type"),
              printable(found, 300), expected);
}

/// {"String": …} of a pattern; nullopt for {"Regex": …}.
Result<std::optional<std::string>> literal_pattern(const JsonFields& step) {
  TOME_ASSIGN(const auto pattern, step.object("pattern"));
  if (!pattern) return fail(ErrorKind::format, "{}: '{}' is missing", step.where(), step.name("pattern"));
  return pattern->text("String");
}

Status replace_step(const JsonFields& step, Steps& steps) {
  TOME_ASSIGN(const auto from, literal_pattern(step));
  TOME_ASSIGN(const auto pattern, step.object("pattern"));
  TOME_ASSIGN(const auto regex, pattern->text("Regex"));
  TOME_ASSIGN(const auto to, step.text("content"));
  if (from == " " && to == metaspace)
    steps.replaces_spaces = steps.rewrites_spaces = true;
  else if (!from && regex == " {2,}" && (to == metaspace || to == " "))  // " " becomes U+2581 later
    steps.joins_spaces = true;
  else
    return unknown(step, "Replace of other text", "Replace of a space, or of several, by U+2581");
  return {};
}

Status normalizer_step(const JsonFields& step, Steps& steps) {
  TOME_ASSIGN(const auto type, step.text("type"));
  if (*type == "NFC") {
    steps.nfc = true;
    return {};
  }
  if (*type == "Prepend") {
    TOME_ASSIGN(const auto text, step.text("prepend"));
    if (text != metaspace) return unknown(step, "Prepend of " + text.value_or("nothing"), "Prepend of U+2581");
    steps.space_prefix = steps.rewrites_spaces = true;
    return {};
  }
  if (*type == "Replace") return replace_step(step, steps);
  if (*type == "Precompiled") {
    TOME_ASSIGN(const auto text, step.text("precompiled_charsmap"));
    const auto map = decode_base64(text.value_or(""));
    if (!map || map->empty())
      return fail(ErrorKind::format, "{}: '{}' is missing, empty or not base64", step.where(),
                  step.name("precompiled_charsmap"));
    if (!steps.character_map.empty() || steps.strips_left || steps.strips_right || steps.joins_spaces)
      return unknown(step, "Precompiled behind other steps", "Precompiled as the first step");
    steps.character_map = *map;
    return {};
  }
  if (*type == "Strip") {
    TOME_ASSIGN(const auto left, step.boolean("strip_left"));
    TOME_ASSIGN(const auto right, step.boolean("strip_right"));
    if (steps.joins_spaces) return unknown(step, "Strip behind a Replace", "Strip before it");
    steps.strips_left = steps.strips_left || left.value_or(true);
    steps.strips_right = steps.strips_right || right.value_or(true);
    return {};
  }
  return unknown(step, *type, "NFC, Prepend, Replace, Precompiled or Strip");
}

Status split_step(const JsonFields& step, Steps& steps) {
  TOME_ASSIGN(const auto behavior, step.text("behavior"));
  TOME_ASSIGN(const auto invert, step.boolean("invert"));
  TOME_ASSIGN(const auto literal, literal_pattern(step));
  // Gemma 3 splits at spaces that its normalizer has already replaced: nothing is left to split.
  if (literal == " " && steps.replaces_spaces) return {};
  TOME_ASSIGN(const auto pattern, step.object("pattern"));
  TOME_ASSIGN(const auto regex, pattern->text("Regex"));
  if (!regex || behavior != "Isolated" || invert.value_or(false) || !steps.pattern.empty())
    return unknown(step, "Split in another way", "Split by one regular expression, Isolated");
  if (*regex != gpt2_pattern && *regex != llama_bpe_pattern && *regex != qwen2_pattern)
    return unknown(step, "Split by " + *regex, "the pattern of gpt-2, llama-bpe or qwen2");
  steps.pattern = *regex;
  return {};
}

Status pre_tokenizer_step(const JsonFields& step, Steps& steps) {
  TOME_ASSIGN(const auto type, step.text("type"));
  if (*type == "ByteLevel") {
    TOME_ASSIGN(const auto prefix, step.boolean("add_prefix_space"));
    TOME_ASSIGN(const auto splits, step.boolean("use_regex"));
    if (prefix.value_or(true)) return unknown(step, "ByteLevel with add_prefix_space", "ByteLevel without it");
    steps.byte_level = true;
    steps.byte_level_splits = splits.value_or(true);
    return {};
  }
  if (*type == "Digits") {
    TOME_ASSIGN(const auto individual, step.boolean("individual_digits"));
    if (!individual.value_or(false)) return unknown(step, "Digits in groups", "Digits one by one");
    steps.digits = true;
    return {};
  }
  if (*type == "Metaspace") {
    TOME_ASSIGN(const auto replacement, step.text("replacement"));
    TOME_ASSIGN(const auto scheme, step.text("prepend_scheme"));
    TOME_ASSIGN(const auto prefix, step.boolean("add_prefix_space"));
    TOME_ASSIGN(const auto split, step.boolean("split"));
    if (replacement != metaspace) return unknown(step, "Metaspace of another character", "Metaspace of U+2581");
    if (steps.metaspace) return unknown(step, "Metaspace once more", "one Metaspace");
    if (scheme && *scheme != "never" && *scheme != "always" && *scheme != "first")
      return unknown(step, "Metaspace that prepends " + *scheme, "Metaspace that prepends always, first or never");
    steps.metaspace = true;
    steps.prefixes_first_alone = scheme == "first";
    steps.splits_at_spaces = split.value_or(true);
    steps.replaces_spaces = true;
    steps.space_prefix = scheme ? *scheme != "never" : prefix.value_or(true);
    return {};
  }
  if (*type == "Split") return split_step(step, steps);
  return unknown(step, *type, "ByteLevel, Digits, Metaspace or Split");
}

Result<PreTokenizer> byte_level_pre_tokenizer(const JsonFields& tokenizer, const Steps& steps) {
  if (steps.replaces_spaces || steps.space_prefix)
    return fail(ErrorKind::unsupported, "{}: ByteLevel beside a replacement of spaces", tokenizer.where());
  if (steps.pattern.empty() && steps.byte_level_splits) return steps.digits ? PreTokenizer::smollm : PreTokenizer::gpt2;
  if (!steps.digits && !steps.byte_level_splits) {
    if (steps.pattern == gpt2_pattern) return PreTokenizer::gpt2;
    if (steps.pattern == llama_bpe_pattern) return PreTokenizer::llama_bpe;
    if (steps.pattern == qwen2_pattern) return PreTokenizer::qwen2;
    return PreTokenizer::none;
  }
  return fail(ErrorKind::unsupported, "{}: 'pre_tokenizer' splits twice, expected once", tokenizer.where());
}

/// Words of a Unigram model begin with U+2581; nothing else may split or rewrite them.
Status unigram_steps(const JsonFields& tokenizer, Steps steps, TokenizerSpec& spec) {
  if (!steps.splits_at_spaces || steps.prefixes_first_alone || steps.nfc || steps.rewrites_spaces || steps.byte_level ||
      steps.digits || !steps.pattern.empty())
    return fail(
        ErrorKind::unsupported,
        "{}: Unigram, but not with a Metaspace that splits and prepends always or never as its only pre-tokenizer, and "
        "Precompiled, Strip and a Replace of several spaces alone before it",
        tokenizer.where());
  spec.kind = TokenizerKind::unigram;
  spec.pre = PreTokenizer::none;
  spec.add_space_prefix = steps.space_prefix;
  spec.character_map = std::move(steps.character_map);
  spec.strips_text_left = steps.strips_left;
  spec.strips_text_right = steps.strips_right;
  spec.joins_spaces = steps.joins_spaces;
  return {};
}

}  // namespace

Status read_hf_text_steps(const JsonFields& tokenizer, bool unigram, TokenizerSpec& spec) {
  Steps steps;
  TOME_ASSIGN(const auto normalizers, steps_of(tokenizer, "normalizer", "normalizers"));
  for (const JsonFields& step : normalizers) TOME_TRY(normalizer_step(step, steps));
  TOME_ASSIGN(const auto pre_tokenizers, steps_of(tokenizer, "pre_tokenizer", "pretokenizers"));
  for (const JsonFields& step : pre_tokenizers) TOME_TRY(pre_tokenizer_step(step, steps));
  if (unigram) return unigram_steps(tokenizer, std::move(steps), spec);
  if (steps.splits_at_spaces || steps.strips_left || steps.strips_right || steps.joins_spaces ||
      !steps.character_map.empty())
    return fail(ErrorKind::unsupported,
                "{}: BPE with Precompiled, Strip, a Replace of several spaces or a Metaspace that splits",
                tokenizer.where());
  spec.normalize_nfc = steps.nfc;
  if (steps.byte_level) {
    spec.kind = TokenizerKind::byte_bpe;
    TOME_ASSIGN(spec.pre, byte_level_pre_tokenizer(tokenizer, steps));
    return {};
  }
  if (!steps.replaces_spaces || !steps.pattern.empty() || steps.digits)
    return fail(ErrorKind::unsupported,
                "{}: neither a ByteLevel pre-tokenizer nor a replacement of spaces by U+2581 alone", tokenizer.where());
  spec.kind = TokenizerKind::sentencepiece_bpe;
  spec.pre = PreTokenizer::none;
  spec.add_space_prefix = steps.space_prefix;
  return {};
}

}  // namespace tome
