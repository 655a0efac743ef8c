#include "evaluation/longest_common_subsequence.h"

#include <algorithm>

namespace tome {
namespace {

constexpr std::uint64_t kMostCells = std::uint64_t{1} << 31;

Status check_size(std::size_t rows, std::size_t columns) {
  if (columns != 0 && rows > kMostCells / columns)
    return fail(ErrorKind::unsupported, "[scorers] a table of {} by {} words, expected at most {} cells", rows, columns,
                kMostCells);
  return {};
}

}  // namespace

std::vector<std::uint32_t> WordNumbers::numbers(const std::vector<python::Text>& words) {
  std::vector<std::uint32_t> list;
  list.reserve(words.size());
  for (const python::Text& word : words) list.push_back(number(word));
  return list;
}

Result<CommonSubsequence> common_subsequence(const std::vector<std::uint32_t>& rows,
                                             const std::vector<std::uint32_t>& columns, Backtrack backtrack) {
  TOME_TRY(check_size(rows.size(), columns.size()));
  const std::size_t width = columns.size();
  std::vector<std::uint32_t> above(width + 1, 0), current(width + 1, 0);
  std::vector<bool> to_row(rows.size() * width);  // [rows, columns]: the backtrack goes to row i − 1
  for (std::size_t i = 1; i <= rows.size(); ++i) {
    for (std::size_t j = 1; j <= width; ++j) {
      if (rows[i - 1] == columns[j - 1]) {
        current[j] = above[j - 1] + 1;
        continue;
      }
      current[j] = std::max(above[j], current[j - 1]);
      to_row[(i - 1) * width + j - 1] = backtrack == Backtrack::column_unless_row_is_longer
                                            ? above[j] > current[j - 1]
                                            : !(current[j - 1] > above[j]);
    }
    std::swap(above, current);
  }
  CommonSubsequence found;
  for (std::size_t i = rows.size(), j = width; i > 0 && j > 0; ++found.steps) {
    if (rows[i - 1] == columns[j - 1]) {
      found.rows.push_back(i - 1);
      --i;
      --j;
    } else if (to_row[(i - 1) * width + j - 1]) {
      --i;
    } else {
      --j;
    }
  }
  std::reverse(found.rows.begin(), found.rows.end());
  return found;
}

Result<std::size_t> common_subsequence_length(const std::vector<std::uint32_t>& rows,
                                              const std::vector<std::uint32_t>& columns) {
  TOME_TRY(check_size(rows.size(), columns.size()));
  std::vector<std::uint32_t> above(columns.size() + 1, 0), current(columns.size() + 1, 0);
  for (const std::uint32_t word : rows) {
    for (std::size_t j = 1; j <= columns.size(); ++j)
      current[j] = word == columns[j - 1] ? above[j - 1] + 1 : std::max(above[j], current[j - 1]);
    std::swap(above, current);
  }
  return above.back();
}

}  // namespace tome
