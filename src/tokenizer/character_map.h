#pragma once
// SentencePiece's precompiled_charsmap: which bits of text become which others (nmt_nfkc and its like). Its bytes: the
// size of a trie (32 bits, little endian), the trie as darts-clone lays double arrays out, then the texts that its
// values point into, each with a zero behind it. Immutable; any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tome {

class CharacterMap {
 public:
  CharacterMap() = default;  ///< maps nothing
  /// Errors: format.
  static Result<CharacterMap> create(std::string_view bytes);

  bool empty() const { return trie_.empty(); }
  /// What `text` becomes; nullopt: it stays. As the reference library has it, the shortest entry that `text` begins
  /// with decides for all of it.
  std::optional<std::string_view> find(std::string_view text) const;

 private:
  std::vector<std::uint32_t> trie_;
  std::string texts_;
};

}  // namespace tome
