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

void merge_partials(float* output, float& lse, const float* outputs, std::size_t stride, const float* lses,
                    std::size_t lse_stride, std::size_t count, std::size_t columns) {
  constexpr float nothing = -std::numeric_limits<float>::infinity();
  float highest = nothing;
  bool any = false;
  for (std::size_t part = 0; part < count; ++part) {
    const float one = lses[part * lse_stride];
    highest = std::max(highest, one);  // not a number: no change, but the sum tells
    any = any || one != nothing;
  }
  float total = 0.0f;
  for (std::size_t part = 0; part < count; ++part) {
    const float* from = outputs + part * stride;
    const float weight = any ? std::exp(lses[part * lse_stride] - highest) : 0.0f;
    total += weight;
    if (part == 0)
      for (std::size_t column = 0; column < columns; ++column) output[column] = weight * from[column];
    else if (weight != 0.0f)
      for (std::size_t column = 0; column < columns; ++column) output[column] += weight * from[column];
  }
  lse = any ? highest + std::log(total) : nothing;
  const float inverse = any ? 1.0f / total : 0.0f;
  for (std::size_t column = 0; column < columns; ++column) output[column] *= inverse;
}

}  // namespace tome
