#include <cmath>
#include <limits>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {
namespace {

void store(float value, float* to) { *to = value; }
void store(float value, std::uint16_t* to) { *to = f32_to_bf16(value); }

template <class Element>
void softmax_tile(const SoftmaxTile<Element>& t) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (int row = 0; row < t.rows; ++row) {
    const float* scores = t.scores + static_cast<std::size_t>(row) * t.score_stride;
    Element* probabilities = t.probabilities + static_cast<std::size_t>(row) * t.probability_stride;
    float highest = -infinity;
    for (int key = 0; key < t.keys; ++key) highest = std::fmax(highest, scores[key]);
    if (highest == -infinity) {  // nothing visible: no key contributes
      for (int key = 0; key < t.keys; ++key) store(0.0f, probabilities + key);
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
      store(probability, probabilities + key);
    }
    t.sum[row] += total;
  }
}

}  // namespace

void softmax_tile_f32(const SoftmaxTile<float>& tile) { softmax_tile(tile); }
void softmax_tile_bf16(const SoftmaxTile<std::uint16_t>& tile) { softmax_tile(tile); }

}  // namespace tome::kernels::reference
