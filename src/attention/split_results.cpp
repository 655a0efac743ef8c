#include "attention/split_results.h"

#include <algorithm>

#include "attention/partial_merge.h"
#include "base/near_lines.h"
#include "base/thread_pool.h"

namespace tome {
namespace {

constexpr std::size_t kMergedRows = 4;  ///< of a task that merges splits, at most

}  // namespace

SplitResults::SplitResults(const AttentionRequest& r, const PartialAttention& result, std::int64_t count,
                           AttentionScratch& scratch)
    : request_(r),
      result_(result),
      count_(static_cast<std::size_t>(count)),
      rows_(static_cast<std::size_t>(r.query_count()) * r.shape.heads),
      dims_(r.shape.head_dim),
      scratch_(scratch) {
  scratch.split_output.resize(count_ * rows_ * dims_);
  scratch.split_lse.resize(count_ * rows_);
  for (Half& half : halves_) half.left = static_cast<int>(count_ / 2);
}

void SplitResults::merge_after(std::size_t split) {
  const std::size_t each = count_ / 2, half = split / each;
  if (halves_[half].left.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (std::size_t row = 0; row < rows_; ++row)
    merge_row(row, half * each, each, output(half * each) + row * dims_, lse(half * each)[row]);
  if (halves_left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (std::size_t other : {std::size_t{0}, each}) expect(other, 0, rows_);
  for (std::size_t row = 0; row < rows_; ++row) {
    merge_partial(output(0) + row * dims_, lse(0)[row], output(each) + row * dims_, lse(each)[row], dims_);
    std::copy_n(output(0) + row * dims_, dims_, result_.output + at(row) * dims_);
    result_.lse[at(row)] = lse(0)[row];
  }
}

// Most of what is merged lies in other cores' caches: it is asked for together and not as each part's turn comes.
void SplitResults::merge_all() const {
  const std::size_t rows_each = std::clamp<std::size_t>(rows_ / 2, 1, kMergedRows);
  parallel_for(static_cast<std::int64_t>((rows_ + rows_each - 1) / rows_each), [&](std::int64_t task, int) {
    const std::size_t first = static_cast<std::size_t>(task) * rows_each, last = std::min(rows_, first + rows_each);
    for (std::size_t split = 0; split < count_; ++split) expect(split, first, last);
    for (std::size_t row = first; row < last; ++row)
      merge_row(row, 0, count_, result_.output + at(row) * dims_, result_.lse[at(row)]);
  });
}

std::size_t SplitResults::at(std::size_t row) const {
  const std::size_t heads = request_.shape.heads;
  return static_cast<std::size_t>(request_.token(static_cast<int>(row / heads))) * heads + row % heads;
}

void SplitResults::expect(std::size_t split, std::size_t first_row, std::size_t last_row) const {
  bring_near(lse(split) + first_row, 1);
  bring_near(output(split) + first_row * dims_, (last_row - first_row) * dims_);
}

// `to` may be the first split's own.
void SplitResults::merge_row(std::size_t row, std::size_t first, std::size_t count, float* to, float& to_lse) const {
  merge_partials(to, to_lse, output(first) + row * dims_, rows_ * dims_, lse(first) + row, rows_, count, dims_);
}

}  // namespace tome
