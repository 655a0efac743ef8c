#pragma once
// Finds tokens that are cut out of the text before any merge: control tokens such as <|im_end|> when the caller asks
// for them, user-defined ones always. At each place the longest one wins. Built once, then read by any thread.
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/pair_table.h"

namespace tome {

class SpecialTokens {
 public:
  void add(std::string_view text, std::int32_t id);
  struct Match {
    std::size_t begin = 0;
    std::size_t length = 0;  ///< 0: none found up to the end of the text
    std::int32_t id = -1;
  };
  /// The first match at or after `from`.
  Match find(std::string_view text, std::size_t from) const;

 private:
  PairTable edges_;                    // (node, byte) → node, in Merge::merged
  std::vector<std::int32_t> ids_{-1};  // per node
  std::array<bool, 256> first_{};
};

}  // namespace tome
