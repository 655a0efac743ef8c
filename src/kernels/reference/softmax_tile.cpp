#include <cmath>
#include <limits>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {

void softmax_tile_f32(const SoftmaxTile& t) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (int row = 0; row < t.rows; ++row) {
    const float* scores = t.scores + static_cast<std::size_t>(row) * t.score_stride;
    float* probabilities = t.probabilities + static_cast<std::size_t>(row) * t.probability_stride;
    float highest = -infinity;
    for (int key = 0; key < t.keys; ++key) highest = std::fmax(highest, scores[key]);
    if (highest == -infinity) {  // nothing visible: no key contributes
      for (int key = 0; key < t.keys; ++key) probabilities[key] = 0.0f;
      continue;
    }
    if (!(highest <= t.reference[row] + 8.0f)) {
      const float factor = t.reference[row] == -infinity ? 0.0f : std::exp2(t.reference[row] - highest);
      t.reference[row] = highest;
      t.sum[row] *= factor;
      for (int column = 0; column < t.output_columns; ++column)
        t.output[static_cast<std::size_t>(row) * t.output_stride + static_cast<std::size_t>(column)] *= factor;
    }
    float total = 0.0f;
    for (int key = 0; key < t.keys; ++key) {
      const float probability = std::exp2(scores[key] - t.reference[row]);
      total += probability;
      probabilities[key] = probability;
    }
    t.sum[row] += total;
  }
}

}  // namespace tome::kernels::reference
