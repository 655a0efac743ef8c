#include "cache/hadamard.h"

#include <cmath>

namespace tome {

void hadamard(float* x, std::size_t count) {
  const std::size_t block = count & (~count + 1);
  const float scale = 1.0f / std::sqrt(static_cast<float>(block));
  for (std::size_t start = 0; start < count; start += block, x += block) {
    for (std::size_t half = 1; half < block; half *= 2)
      for (std::size_t group = 0; group < block; group += 2 * half)
        for (std::size_t i = group; i < group + half; ++i) {
          const float first = x[i], second = x[i + half];
          x[i] = first + second;
          x[i + half] = first - second;
        }
    for (std::size_t i = 0; i < block; ++i) x[i] *= scale;
  }
}

}  // namespace tome
