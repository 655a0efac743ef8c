#pragma once
// One longest common subsequence of two lists, read out of the table of lengths as a given ROUGE package reads it:
// which one it finds where several are equally long decides the union over sentences.
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "evaluation/python_text.h"

namespace tome {

/// Words by number, so that tables compare integers.
class WordNumbers {
 public:
  std::uint32_t number(const python::Text& word) {
    return numbers_.emplace(word, static_cast<std::uint32_t>(numbers_.size())).first->second;
  }
  std::vector<std::uint32_t> numbers(const std::vector<python::Text>& words);

 private:
  std::unordered_map<python::Text, std::uint32_t> numbers_;
};

/// Where the backtrack from (i, j) goes when the words differ; T is the table of lengths.
enum class Backtrack {
  column_unless_row_is_longer,  ///< pltrdy/rouge: T[i−1, j] > T[i, j−1] → i − 1, else j − 1
  row_unless_column_is_longer,  ///< rouge_score: T[i, j−1] > T[i−1, j] → j − 1, else i − 1
};

struct CommonSubsequence {
  std::vector<std::size_t> rows;  ///< places in the first list, ascending
  std::size_t steps = 0;          ///< of the backtrack
};

/// Errors: unsupported, when the table would have more than 2³¹ cells.
Result<CommonSubsequence> common_subsequence(const std::vector<std::uint32_t>& rows,
                                             const std::vector<std::uint32_t>& columns, Backtrack backtrack);
Result<std::size_t> common_subsequence_length(const std::vector<std::uint32_t>& rows,
                                              const std::vector<std::uint32_t>& columns);

}  // namespace tome
