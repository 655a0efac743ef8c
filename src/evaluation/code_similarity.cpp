#include "evaluation/code_similarity.h"

#include <cmath>
#include <unordered_map>
#include <vector>

#include "evaluation/longest_common_subsequence.h"

namespace tome {
namespace {

using python::Text;
using python::TextView;

constexpr std::size_t kAutojunkLength = 200;
constexpr std::uint64_t kMostPairs = std::uint64_t{1} << 32;

using Places = std::unordered_map<char32_t, std::vector<std::size_t>>;

/// Where each character of `text` stands, without the popular ones.
Places places_of(TextView text) {
  Places places;
  for (std::size_t at = 0; at < text.size(); ++at) places[text[at]].push_back(at);
  if (text.size() < kAutojunkLength) return places;
  const std::size_t most = text.size() / 100 + 1;
  std::erase_if(places, [&](const auto& entry) { return entry.second.size() > most; });
  return places;
}

struct Range {
  std::size_t first_begin, first_end, second_begin, second_end;
};

struct Block {
  std::size_t first, second, size = 0;
};

/// The longest block in the range, the earliest in `first` and then in `second` of several, stretched over equal
/// neighbours (popular ones too).
class BlockFinder {
 public:
  BlockFinder(TextView first, TextView second)
      : first_(first),
        second_(second),
        places_(places_of(second)),
        above_(second.size() + 1),
        row_(second.size() + 1) {}

  Block longest(const Range& range) {
    Block best{range.first_begin, range.second_begin, 0};
    for (std::size_t i = range.first_begin; i < range.first_end; ++i) {
      touched_.clear();
      if (const auto found = places_.find(first_[i]); found != places_.end()) {
        for (const std::size_t j : found->second) {
          if (j < range.second_begin) continue;
          if (j >= range.second_end) break;
          const std::size_t size = above_[j] + 1;
          row_[j + 1] = size;
          touched_.push_back(j + 1);
          if (size > best.size) best = {i + 1 - size, j + 1 - size, size};
        }
      }
      for (const std::size_t j : above_touched_) above_[j] = 0;
      std::swap(above_, row_);
      std::swap(above_touched_, touched_);
    }
    for (const std::size_t j : above_touched_) above_[j] = 0;
    above_touched_.clear();
    return stretched(best, range);
  }

 private:
  Block stretched(Block block, const Range& range) const {
    while (block.first > range.first_begin && block.second > range.second_begin &&
           first_[block.first - 1] == second_[block.second - 1]) {
      --block.first;
      --block.second;
      ++block.size;
    }
    while (block.first + block.size < range.first_end && block.second + block.size < range.second_end &&
           first_[block.first + block.size] == second_[block.second + block.size])
      ++block.size;
    return block;
  }

  TextView first_, second_;
  Places places_;
  std::vector<std::size_t> above_, row_;  ///< [second + 1]: size of the block that ends before j
  std::vector<std::size_t> above_touched_, touched_;
};

double indel_ratio(TextView first, TextView second, std::size_t common) {
  return static_cast<double>(2 * common) / static_cast<double>(first.size() + second.size());
}

}  // namespace

Result<std::size_t> matching_characters(TextView first, TextView second) {
  if (!second.empty() && first.size() > kMostPairs / second.size())
    return fail(ErrorKind::unsupported, "[scorers] lines of {} and {} characters, expected at most {} pairs",
                first.size(), second.size(), kMostPairs);
  BlockFinder finder(first, second);
  std::size_t total = 0;
  std::vector<Range> left{{0, first.size(), 0, second.size()}};
  while (!left.empty()) {
    const Range range = left.back();
    left.pop_back();
    const Block block = finder.longest(range);
    if (block.size == 0) continue;
    total += block.size;
    if (range.first_begin < block.first && range.second_begin < block.second)
      left.push_back({range.first_begin, block.first, range.second_begin, block.second});
    if (block.first + block.size < range.first_end && block.second + block.size < range.second_end)
      left.push_back({block.first + block.size, range.first_end, block.second + block.size, range.second_end});
  }
  return total;
}

Result<int> string_ratio(TextView first, TextView second, StringRatio kind) {
  if (first == second) return 100;
  if (first.empty() || second.empty()) return 0;
  std::size_t common = 0;
  if (kind == StringRatio::indel) {
    const std::vector<std::uint32_t> rows(first.begin(), first.end()), columns(second.begin(), second.end());
    TOME_ASSIGN(common, common_subsequence_length(rows, columns));
  } else {
    TOME_ASSIGN(common, matching_characters(first, second));
  }
  const double ratio = kind == StringRatio::indel
                           ? indel_ratio(first, second, common)
                           : 2.0 * static_cast<double>(common) / static_cast<double>(first.size() + second.size());
  return static_cast<int>(std::nearbyint(100 * ratio));
}

Result<double> code_similarity(TextView prediction, TextView gold, StringRatio kind) {
  while (!prediction.empty() && prediction.front() == U'\n') prediction.remove_prefix(1);
  Text line;
  for (Text& candidate : python::split(prediction, U'\n')) {
    if (candidate.find_first_of(U"`#") != Text::npos || candidate.find(U"//") != Text::npos) continue;
    line = std::move(candidate);
    break;
  }
  TOME_ASSIGN(const int percent, string_ratio(line, gold, kind));
  return percent / 100.0;
}

}  // namespace tome
