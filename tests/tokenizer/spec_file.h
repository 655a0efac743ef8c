#pragma once
// A TokenizerSpec written as JSON by make_goldens.py: vocabularies trained for the tests.
#include <string>

#include "base/base64.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/tokenizer_spec.h"

namespace tome::test {

inline TokenizerSpec read_spec(const std::string& path) {
  const auto text = read_file(path, std::uint64_t{1} << 30);
  if (!text) throw std::runtime_error(text.error().message);
  const auto parsed = parse_json(*text, path);
  if (!parsed) throw std::runtime_error(parsed.error().message);
  const Json& json = *parsed;
  TokenizerSpec spec;
  const std::string kind = json.at("kind");
  spec.kind = kind == "byte_bpe"  ? TokenizerKind::byte_bpe
              : kind == "unigram" ? TokenizerKind::unigram
                                  : TokenizerKind::sentencepiece_bpe;
  const std::string pre = json.at("pre");
  spec.pre = pre == "gpt2"        ? PreTokenizer::gpt2
             : pre == "smollm"    ? PreTokenizer::smollm
             : pre == "llama_bpe" ? PreTokenizer::llama_bpe
             : pre == "qwen2"     ? PreTokenizer::qwen2
                                  : PreTokenizer::none;
  spec.normalize_nfc = json.at("normalize_nfc");
  spec.ignore_merges = json.at("ignore_merges");
  spec.tokens = json.at("tokens").get<std::vector<std::string>>();
  spec.scores = json.at("scores").get<std::vector<double>>();
  for (const Json& type : json.at("types")) spec.types.push_back(static_cast<TokenType>(type.get<int>()));
  for (const Json& merge : json.at("merges")) spec.merges.emplace_back(merge.at(0), merge.at(1));
  spec.bos = json.at("bos");
  spec.eos = json.at("eos");
  spec.unknown = json.at("unknown");
  spec.add_bos = json.at("add_bos");
  spec.add_eos = json.at("add_eos");
  spec.add_space_prefix = json.at("add_space_prefix");
  if (json.contains("character_map")) {
    spec.character_map = decode_base64(json.at("character_map").get<std::string>()).value();
    spec.strips_text_left = json.at("strips_text_left");
    spec.strips_text_right = json.at("strips_text_right");
    spec.joins_spaces = json.at("joins_spaces");
  }
  spec.end_tokens = json.at("end_tokens").get<std::vector<std::int64_t>>();
  return spec;
}

}  // namespace tome::test
