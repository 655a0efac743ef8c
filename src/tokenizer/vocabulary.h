#pragma once
// The tokens of a model as bytes: what each id prints, and which id a piece of the file's own spelling has.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/tokenizer_spec.h"
#include "tokenizer/piece_index.h"

namespace tome {

class Vocabulary {
 public:
  /// Checks sizes, types, special ids. Errors: format. `spec` must outlive the vocabulary.
  static Result<Vocabulary> create(const TokenizerSpec& spec);

  std::size_t size() const { return raw_.size(); }
  TokenType type(std::int32_t id) const { return types_[static_cast<std::size_t>(id)]; }
  /// The bytes that a token stands for (its name when it is a control token).
  const std::string& raw(std::int32_t id) const { return raw_[static_cast<std::size_t>(id)]; }
  /// By the file's spelling, the lowest id of equal ones; −1 when there is none.
  std::int32_t find(std::string_view piece) const { return index_.find(piece); }
  const PieceIndex& index() const { return index_; }
  /// Tokens of the 256 bytes, −1 where there is none (byte_bpe: one-letter pieces; sentencepiece: <0xAB>).
  const std::vector<std::int32_t>& bytes() const { return bytes_; }

 private:
  std::vector<TokenType> types_;
  std::vector<std::string> raw_;
  std::vector<std::int32_t> bytes_;
  PieceIndex index_;
};

}  // namespace tome
