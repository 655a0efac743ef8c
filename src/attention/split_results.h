#pragma once
// Partial results of splits of the keys, and their merge. Private to attention/ (flash.cpp).
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "attention/flash.h"

namespace tome {

/// Of one request, query by query. Which splits are merged first does not depend on threads.
class SplitResults {
 public:
  SplitResults(const AttentionRequest& r, const PartialAttention& result, std::int64_t count,
               AttentionScratch& scratch);

  float* output(std::size_t split) const { return scratch_.split_output.data() + split * rows_ * dims_; }
  float* lse(std::size_t split) const { return scratch_.split_lse.data() + split * rows_; }

  /// After a split of an even number of them: who does the last of a half of the splits, mostly all of it, merges that
  /// half; who is the last of all, both.
  void merge_after(std::size_t split);

  /// All of them, by all threads.
  void merge_all() const;

 private:
  std::size_t at(std::size_t row) const;
  void expect(std::size_t split, std::size_t first_row, std::size_t last_row) const;
  void merge_row(std::size_t row, std::size_t first, std::size_t count, float* to, float& to_lse) const;

  struct alignas(64) Half {
    std::atomic<int> left{0};
  };
  const AttentionRequest& request_;
  const PartialAttention& result_;
  std::size_t count_, rows_, dims_;
  AttentionScratch& scratch_;
  Half halves_[2];
  alignas(64) std::atomic<int> halves_left_{2};
};

}  // namespace tome
