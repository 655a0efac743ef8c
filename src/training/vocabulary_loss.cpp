#include "training/vocabulary_loss.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

constexpr std::int64_t kLanes = 16;  ///< the softmax kernel takes multiples of so many

/// log₂ logits → unnormalised probabilities of one row; returns −ln of the target's probability. sum: of the row.
double soften(float* row, std::int64_t padded, std::int64_t vocabulary, std::int64_t target, float& sum) {
  const float wanted = row[target];
  std::fill(row + vocabulary, row + padded, -std::numeric_limits<float>::infinity());
  float reference = -std::numeric_limits<float>::infinity();
  sum = 0.0f;
  kernels::kernels().softmax_tile_f32({.scores = row,
                                       .score_stride = static_cast<std::size_t>(padded),
                                       .rows = 1,
                                       .keys = static_cast<int>(padded),
                                       .reference = &reference,
                                       .sum = &sum,
                                       .output = nullptr,
                                       .output_stride = 0,
                                       .output_columns = 0,
                                       .probabilities = row,
                                       .probability_stride = static_cast<std::size_t>(padded)});
  return std::numbers::ln2 *
         (static_cast<double>(reference) + std::log2(static_cast<double>(sum)) - static_cast<double>(wanted));
}

}  // namespace

std::int64_t logit_rows_at_once(std::uint64_t vocabulary) {
  // A panel of the matrix is made again for each slice: few rows would not be worth it.
  return std::max<std::int64_t>(256, (std::int64_t{1} << 24) / static_cast<std::int64_t>(vocabulary));
}

double vocabulary_loss(const torch::Tensor& hidden, const FrozenMatrix& output, std::span<const std::int64_t> targets,
                       double weight, torch::Tensor* gradient) {
  const torch::NoGradGuard no_gradients;
  const torch::Tensor& matrix = output.matrix();
  const auto counted = static_cast<std::int64_t>(targets.size());
  const std::int64_t vocabulary = matrix.size(0), padded = (vocabulary + kLanes - 1) / kLanes * kLanes,
                     step = logit_rows_at_once(static_cast<std::uint64_t>(vocabulary));
  CHECK(hidden.size(0) == counted);
  if (gradient != nullptr) *gradient = torch::empty_like(hidden);
  double total = 0.0;
  torch::Tensor buffer = torch::empty({std::min(step, counted), padded}, torch::kFloat32);
  for (std::int64_t first = 0; first < counted; first += step) {
    const std::int64_t count = std::min(step, counted - first);
    const torch::Tensor slice = hidden.slice(0, first, first + count), logits = buffer.slice(0, 0, count);
    output.times_into(slice * std::numbers::log2e, logits);
    std::vector<double> losses(static_cast<std::size_t>(count));
    torch::Tensor sums = torch::empty({count, 1}, torch::kFloat32);
    float *rows = logits.data_ptr<float>(), *sum = sums.data_ptr<float>();
    parallel_for(count, [&](std::int64_t row, int) {
      losses[static_cast<std::size_t>(row)] =
          soften(rows + row * padded, padded, vocabulary, targets[static_cast<std::size_t>(first + row)], sum[row]);
    });
    for (const double loss : losses) total += loss;
    if (gradient == nullptr) continue;
    // Σ p W over the vocabulary, less the target's row.
    torch::Tensor expected = output.transposed_times(logits.slice(1, 0, vocabulary)).div_(sums);
    const torch::Tensor index = torch::empty({count}, torch::kInt64);
    std::copy_n(targets.begin() + first, count, index.data_ptr<std::int64_t>());
    expected.sub_(matrix.index_select(0, index)).mul_(weight);
    gradient->slice(0, first, first + count).copy_(expected);
  }
  return total;
}

}  // namespace tome
