#include "tokenizer/pair_merger.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace tome {
namespace {

constexpr std::size_t longest_scan = 48;
constexpr std::uint32_t none = 0xFFFFFFFFu;

}  // namespace

void PairMerger::merge(std::vector<Symbol>& symbols) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= longest_scan) {
    merge_by_scan(symbols);
  } else {
    merge_by_heap(symbols);
  }
}

void PairMerger::merge_by_scan(std::vector<Symbol>& symbols) {
  merges_.clear();
  for (std::size_t at = 0; at + 1 < symbols.size(); ++at) merges_.push_back(look_up(symbols[at], symbols[at + 1]));
  while (!merges_.empty()) {
    std::size_t best = 0;
    for (std::size_t at = 1; at < merges_.size(); ++at) {
      if (merges_[at].rank < merges_[best].rank) best = at;
    }
    if (merges_[best].rank == Merge::no_rank) return;
    symbols[best] = {merges_[best].merged, symbols[best + 1].end};
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    merges_.erase(merges_.begin() + static_cast<std::ptrdiff_t>(best));
    if (best > 0) merges_[best - 1] = look_up(symbols[best - 1], symbols[best]);
    if (best < merges_.size()) merges_[best] = look_up(symbols[best], symbols[best + 1]);
  }
}

void PairMerger::merge_by_heap(std::vector<Symbol>& symbols) {
  CHECK(symbols.size() < none);
  const auto count = static_cast<std::uint32_t>(symbols.size());
  merges_.assign(count, {});
  next_.resize(count);
  previous_.resize(count);
  heap_.clear();
  // An entry is rank and place in one number, so that the smallest is the leftmost of the lowest rank. It is stale when
  // the pair at that place has another rank by now.
  const auto push = [&](std::uint32_t at) {
    if (merges_[at].rank == Merge::no_rank) return false;
    heap_.push_back(static_cast<std::uint64_t>(merges_[at].rank) << 32 | at);
    return true;
  };
  for (std::uint32_t at = 0; at < count; ++at) {
    previous_[at] = at == 0 ? none : at - 1;
    next_[at] = at + 1 == count ? none : at + 1;
    if (at + 1 < count) {
      merges_[at] = look_up(symbols[at], symbols[at + 1]);
      push(at);
    }
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  const auto renew = [&](std::uint32_t at) {
    merges_[at] = next_[at] == none ? Merge{} : look_up(symbols[at], symbols[next_[at]]);
    if (push(at)) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const std::uint64_t entry = heap_.back();
    heap_.pop_back();
    const auto left = static_cast<std::uint32_t>(entry);
    if (merges_[left].rank != static_cast<std::uint32_t>(entry >> 32)) continue;
    const std::uint32_t right = next_[left];
    symbols[left] = {merges_[left].merged, symbols[right].end};
    merges_[right] = {};
    next_[left] = next_[right];
    if (next_[right] != none) previous_[next_[right]] = left;
    renew(left);
    if (previous_[left] != none) renew(previous_[left]);
  }
  std::size_t kept = 0;
  for (std::uint32_t at = 0; at != none; at = next_[at]) symbols[kept++] = symbols[at];
  symbols.resize(kept);
}

}  // namespace tome
