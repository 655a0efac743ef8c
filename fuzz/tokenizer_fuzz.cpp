// Any bytes through every kind of tokenizer: encoding then decoding gives the text back (repaired where it was no
// UTF-8; unigram forgets what it does not know), offsets are in order and cover the text, and streaming gives what
// decoding at once gives.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/base64.h"
#include "base/check.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace {

using namespace tome;

void add(TokenizerSpec& spec, const std::string& piece, TokenType type) {
  spec.tokens.push_back(piece);
  spec.types.push_back(type);
}

std::shared_ptr<const Tokenizer> make(const TokenizerSpec& spec) {
  auto made = Tokenizer::create(spec);
  CHECK(made);
  return *made;
}

std::string alphabet_of(std::string_view bytes) {
  std::string piece;
  for (const char byte : bytes) append_utf8(piece, byte_alphabet()[static_cast<unsigned char>(byte)]);
  return piece;
}

std::shared_ptr<const Tokenizer> byte_bpe(PreTokenizer pre, bool nfc, bool ignore_merges) {
  TokenizerSpec spec;
  spec.pre = pre;
  spec.normalize_nfc = nfc;
  spec.ignore_merges = ignore_merges;
  for (int byte = 0; byte < 256; ++byte)
    add(spec, alphabet_of(std::string(1, static_cast<char>(static_cast<unsigned char>(byte)))), TokenType::normal);
  const std::pair<std::string_view, std::string_view> merges[] = {
      {"t", "h"},        {"th", "e"},  {" ", "the"}, {"a", "a"},       {"aa", "aa"},         {"aa", "a"},
      {" ", " "},        {"  ", "  "}, {"\n", "\n"}, {"\xEF", "\xBF"}, {"\xEF\xBF", "\xBD"}, {"\xCC", "\x81"},
      {"e", "\xCC\x81"}, {"1", "2"},   {"12", "3"},  {"'", "s"}};
  for (const auto& [left, right] : merges) {
    spec.merges.emplace_back(alphabet_of(left), alphabet_of(right));
    add(spec, alphabet_of(left) + alphabet_of(right), TokenType::normal);
  }
  for (const char* control : {"<|im_start|>", "<|im_end|>", "<s>"}) add(spec, control, TokenType::control);
  for (const char* piece : {"<t", "<tool>", "\n\n\n"}) add(spec, piece, TokenType::user_defined);
  spec.bos = spec.eos = 256 + 16;
  spec.add_bos = spec.add_eos = true;
  return make(spec);
}

std::shared_ptr<const Tokenizer> sentencepiece(bool prefix) {
  TokenizerSpec spec;
  spec.kind = TokenizerKind::sentencepiece_bpe;
  add(spec, "<unk>", TokenType::unknown);
  add(spec, "<s>", TokenType::control);
  for (int byte = 0; byte < 256; ++byte) add(spec, fmt::format("<0x{:02X}>", byte), TokenType::byte);
  for (const char* piece : {"\u2581", "t", "h", "e", "a", "\u00e9", "\u65e5", "\u672c", "th", "the", "\u2581the", "aa",
                            "aaa", "aaaaa", "\u65e5\u672c", "e\u2581t", "\u2581\u2581", "\u2581\u2581\u2581"})
    add(spec, piece, TokenType::normal);
  add(spec, "\n\n", TokenType::user_defined);
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) spec.scores.push_back(-static_cast<double>(id / 2));
  spec.unknown = 0;
  spec.bos = 1;
  spec.add_bos = true;
  spec.add_space_prefix = prefix;
  return make(spec);
}

/// Unigram behind a map of "A" to "b" (tests/formats/hf_cases.h), spaces joined and stripped.
std::shared_ptr<const Tokenizer> unigram() {
  TokenizerSpec spec;
  spec.kind = TokenizerKind::unigram;
  add(spec, "<unk>", TokenType::unknown);
  add(spec, "[CLS]", TokenType::control);
  for (const char* piece : {"\u2581", "\u2581the", "t", "h", "e", "the", "a", "aa", "aaaaa", "b", "\u00e9", "\u65e5",
                            "\u65e5\u672c", "\n", "[", "]"})
    add(spec, piece, TokenType::normal);
  add(spec, "\n\n", TokenType::user_defined);
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) spec.scores.push_back(-static_cast<double>(id) / 3);
  spec.unknown = 0;
  spec.bos = spec.eos = 1;
  spec.add_bos = spec.add_eos = spec.add_space_prefix = true;
  spec.joins_spaces = spec.strips_text_right = true;
  spec.character_map = *decode_base64("DAAAAAAAAQBBDQAAAAAAgGIA");
  return make(spec);
}

/// U+2581 stands for a space, so it comes back as one.
std::string with_spaces(std::string text) {
  for (std::size_t at = text.find("\u2581"); at != std::string::npos; at = text.find("\u2581", at))
    text.replace(at, 3, " ");
  return text;
}

void check(const Tokenizer& tokenizer, const std::string& text, ParseSpecial parse) {
  std::vector<std::uint64_t> offsets;
  const auto ids = tokenizer.encode_with_offsets(text, AddSpecial::no, parse, offsets);
  CHECK(offsets.size() == ids.size() + 1);
  CHECK(std::is_sorted(offsets.begin(), offsets.end()));
  CHECK(offsets.front() == 0 && (ids.empty() || offsets.back() == text.size()));
  CHECK(std::all_of(ids.begin(), ids.end(),
                    [&](TokenId id) { return id >= 0 && static_cast<std::size_t>(id) < tokenizer.vocabulary(); }));
  if (!tokenizer.spec().normalize_nfc && tokenizer.spec().kind != TokenizerKind::unigram) {
    std::string expected = repair_utf8(text);
    if (tokenizer.spec().kind == TokenizerKind::sentencepiece_bpe) expected = with_spaces(expected);
    std::string decoded = tokenizer.decode(ids, true);
    // After a special token the prefix is a space of its own; only text without them comes back exactly.
    const bool exact =
        !tokenizer.spec().add_space_prefix || (parse == ParseSpecial::no && text.find("\n\n") == std::string::npos);
    CHECK(!exact || decoded == expected);
  }
  StreamingDecoder decoder(tokenizer);
  std::string streamed;
  for (const TokenId id : ids) {
    const std::string part = decoder.push(id);
    CHECK(is_valid_utf8(part));
    streamed += part;
  }
  streamed += decoder.finish();
  CHECK(streamed == tokenizer.decode(ids));
  if (text.size() % 4 != 0) return;
  CHECK(ids == tokenizer.encode(text, AddSpecial::no, parse));
  const auto with_ends = tokenizer.encode_with_offsets(text, AddSpecial::yes, parse, offsets);
  CHECK(offsets.size() == with_ends.size() + 1 && std::is_sorted(offsets.begin(), offsets.end()));
  CHECK(with_ends.front() == tokenizer.spec().bos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<std::shared_ptr<const Tokenizer>> tokenizers = {
      byte_bpe(PreTokenizer::gpt2, false, false),
      byte_bpe(PreTokenizer::smollm, false, false),
      byte_bpe(PreTokenizer::llama_bpe, false, true),
      byte_bpe(PreTokenizer::qwen2, true, false),
      byte_bpe(PreTokenizer::none, false, false),
      sentencepiece(false),
      sentencepiece(true),
      unigram()};
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  check(*tokenizers[data[0] % tokenizers.size()], text, (data[0] & 0x80) != 0 ? ParseSpecial::yes : ParseSpecial::no);
  return 0;
}
