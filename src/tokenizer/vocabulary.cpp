#include "tokenizer/vocabulary.h"

#include <array>
#include <limits>
#include <optional>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

constexpr std::string_view lower_block = "\xE2\x96\x81";  // U+2581, SentencePiece's space

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

/// "<0xAB>" → 0xAB.
std::optional<std::uint8_t> byte_of(std::string_view piece) {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return std::nullopt;
  const int high = hex_digit(piece[3]);
  const int low = hex_digit(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<std::uint8_t>(high * 16 + low);
}

std::string with_spaces(std::string_view piece) {
  std::string text;
  for (std::size_t at = 0; at < piece.size();) {
    if (piece.substr(at, lower_block.size()) == lower_block) {
      text += ' ';
      at += lower_block.size();
    } else {
      text += piece[at++];
    }
  }
  return text;
}

Status check_id(std::string_view name, std::int64_t id, std::size_t size) {
  if (id < -1 || id >= static_cast<std::int64_t>(size))
    return fail(ErrorKind::format, "[tokenizer] {} id {}, expected -1 (none) or below the vocabulary's {}", name, id,
                size);
  return {};
}

Status check_sizes(const TokenizerSpec& spec) {
  const std::size_t size = spec.tokens.size();
  if (size == 0) return fail(ErrorKind::format, "[tokenizer] the vocabulary is empty");
  if (size > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    return fail(ErrorKind::format, "[tokenizer] {} tokens, expected fewer than 2^31", size);
  if (!spec.types.empty() && spec.types.size() != size)
    return fail(ErrorKind::format, "[tokenizer] {} token types, expected {} (one a token)", spec.types.size(), size);
  if (!spec.scores.empty() && spec.scores.size() != size)
    return fail(ErrorKind::format, "[tokenizer] {} token scores, expected {} (one a token)", spec.scores.size(), size);
  for (std::size_t id = 0; id < spec.types.size(); ++id) {
    const auto type = static_cast<int>(spec.types[id]);
    if (type < 1 || type > 6)
      return fail(ErrorKind::format, "[tokenizer] token {} has type {}, expected 1 to 6", id, type);
  }
  TOME_TRY(check_id("bos", spec.bos, size));
  TOME_TRY(check_id("eos", spec.eos, size));
  TOME_TRY(check_id("unknown", spec.unknown, size));
  TOME_TRY(check_id("pad", spec.pad, size));
  for (const std::int64_t id : spec.end_tokens) {
    if (id < 0 || id >= static_cast<std::int64_t>(size))
      return fail(ErrorKind::format, "[tokenizer] end token {}, expected below the vocabulary's {}", id, size);
  }
  if (spec.add_bos && spec.bos < 0) return fail(ErrorKind::format, "[tokenizer] add_bos is set without a bos id");
  if (spec.add_eos && spec.eos < 0) return fail(ErrorKind::format, "[tokenizer] add_eos is set without an eos id");
  return {};
}

}  // namespace

Result<Vocabulary> Vocabulary::create(const TokenizerSpec& spec) {
  TOME_TRY(check_sizes(spec));
  Vocabulary vocabulary;
  const std::size_t size = spec.tokens.size();
  vocabulary.types_ = spec.types;
  vocabulary.types_.resize(size, TokenType::normal);
  vocabulary.raw_.reserve(size);
  vocabulary.bytes_.assign(256, -1);
  vocabulary.index_ = PieceIndex(spec.tokens);
  for (std::size_t id = 0; id < size; ++id) {
    const std::string& piece = spec.tokens[id];
    const TokenType type = vocabulary.types_[id];
    const auto token = static_cast<std::int32_t>(id);
    std::string raw = piece;
    if (type == TokenType::byte) {
      const auto byte = byte_of(piece);
      if (!byte)
        return fail(ErrorKind::format, "[tokenizer] byte token {} is '{}', expected <0x00> to <0xFF>", id, piece);
      raw.assign(1, static_cast<char>(*byte));
      if (vocabulary.bytes_[*byte] < 0) vocabulary.bytes_[*byte] = token;
    } else if (type == TokenType::normal || type == TokenType::unused) {
      if (spec.kind == TokenizerKind::byte_bpe) {
        if (auto bytes = bytes_of_alphabet(piece)) {
          raw = std::move(*bytes);
          if (raw.size() == 1 && vocabulary.bytes_[static_cast<unsigned char>(raw[0])] < 0)
            vocabulary.bytes_[static_cast<unsigned char>(raw[0])] = token;
        }
      } else {
        raw = with_spaces(piece);
      }
    } else if (type == TokenType::user_defined && spec.kind != TokenizerKind::byte_bpe) {
      raw = with_spaces(piece);
    }
    vocabulary.raw_.push_back(std::move(raw));
  }
  return vocabulary;
}

}  // namespace tome
