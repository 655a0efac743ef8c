#include "attention/rotation.h"

#include <cmath>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"
#include "position/rope.h"

namespace tome {

void RotationRows::fill(std::uint64_t from, std::uint64_t to) {
  parallel_for(static_cast<std::int64_t>((to - from + 31) / 32), [&](std::int64_t block, int) {
    const std::uint64_t begin = from + static_cast<std::uint64_t>(block) * 32, end = std::min(to, begin + 32);
    for (std::uint64_t position = begin; position < end; ++position) {
      float* row = values_.data() + (position - first_) * 2 * half_;
      for (std::size_t i = 0; i < half_; ++i) {
        const double angle = rotation_phase(position, table_->inverse_frequencies[i]);
        row[i] = static_cast<float>(std::cos(angle) * static_cast<double>(table_->magnitude));
        row[half_ + i] = static_cast<float>(std::sin(angle) * static_cast<double>(table_->magnitude));
      }
    }
  });
}

void RotationRows::assign(std::uint64_t first, std::uint64_t count) {
  if (first == first_ && values_.size() == count * 2 * half_) return;  // every layer of a chunk asks for the same rows
  first_ = first;
  values_.resize(count * 2 * half_);
  fill(first, first + count);
}

void RotationRows::extend(std::uint64_t last) {
  CHECK(first_ == 0);
  const std::uint64_t have = half_ == 0 ? last + 1 : values_.size() / (2 * half_);
  if (last < have) return;
  values_.resize((last + 1) * 2 * half_);
  fill(have, last + 1);
}

void order_pairs_as_halves(float* head, std::size_t rotated_dims, RopePairs pairs) {
  if (pairs == RopePairs::halves) return;
  float ordered[1024];
  CHECK(rotated_dims <= 1024);
  const std::size_t half = rotated_dims / 2;
  for (std::size_t i = 0; i < half; ++i) {
    ordered[i] = head[2 * i];
    ordered[half + i] = head[2 * i + 1];
  }
  std::copy_n(ordered, rotated_dims, head);
}

void rotate_head(float* head, std::size_t head_dim, RopePairs pairs, const RotationRows& rows, std::uint64_t position) {
  CHECK(2 * rows.half() <= head_dim);
  order_pairs_as_halves(head, 2 * rows.half(), pairs);
  kernels::kernels().rotate_halves(head, rows.cosine(position), rows.sine(position), static_cast<int>(rows.half()));
}

}  // namespace tome
