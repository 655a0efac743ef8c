#include "attention/partial_merge.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tome {

void merge_partial(float* output, float& lse, const float* other, float other_lse, std::size_t columns) {
  constexpr float nothing = -std::numeric_limits<float>::infinity();
  if (other_lse == nothing) return;
  if (lse == nothing) {
    std::copy_n(other, columns, output);
    lse = other_lse;
    return;
  }
  const float share = 1.0f / (1.0f + std::exp(lse - other_lse));  // σ(lse_b − lse)
  for (std::size_t column = 0; column < columns; ++column) output[column] -= share * (output[column] - other[column]);
  const float high = std::max(lse, other_lse), low = std::min(lse, other_lse);
  lse = high + std::log1p(std::exp(low - high));
}

}  // namespace tome
