#pragma once
// Cosines and sines of a position table, times its magnitude, by position. Angles are computed in fp64 (an fp32 product
// is 0.0055 rad off at position 131071). Extending is single-threaded; reading is free for all threads.
#include <cstdint>
#include <vector>

#include "formats/model_file.h"
#include "position/position_plan.h"

namespace tome {

class RotationRows {
 public:
  RotationRows() = default;
  explicit RotationRows(const PositionTable& table) : table_(&table), half_(table.inverse_frequencies.size()) {}

  /// Rows for exactly [first, first + count): replaces what was there (a chunk of a plan with one table).
  void assign(std::uint64_t first, std::uint64_t count);
  /// Rows for 0 … last, keeping those that are there (plans whose keys are rotated when they are read).
  void extend(std::uint64_t last);
  std::size_t half() const { return half_; }
  const float* cosine(std::uint64_t position) const { return values_.data() + (position - first_) * 2 * half_; }
  const float* sine(std::uint64_t position) const { return cosine(position) + half_; }

 private:
  void fill(std::uint64_t from, std::uint64_t to);
  const PositionTable* table_ = nullptr;  // owned by the plan
  std::size_t half_ = 0;
  std::uint64_t first_ = 0;
  std::vector<float> values_;  // [positions][cosine half | sine half]
};

/// Rotates one head in place. Interleaved pairs are first put into halves order: the result stays in that order, which
/// leaves q · k as it is when both sides do so.
void rotate_head(float* head, std::size_t head_dim, RopePairs pairs, const RotationRows& rows, std::uint64_t position);
/// Only the reordering (keys that are stored un-rotated).
void order_pairs_as_halves(float* head, std::size_t rotated_dims, RopePairs pairs);

}  // namespace tome
