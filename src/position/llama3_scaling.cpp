#include "position/llama3_scaling.h"

#include "position/rope.h"

namespace tome {

std::vector<double> llama3_scaling(double base, std::uint32_t dims, const Llama3Scaling& scaling) {
  std::vector<double> frequencies = rope_frequencies(base, dims);
  for (double& frequency : frequencies) {
    const double turns = rotations(frequency, scaling.original_length);  // L / λ
    if (turns > scaling.high_freq_factor) continue;
    if (turns < scaling.low_freq_factor) {
      frequency /= scaling.factor;
      continue;
    }
    const double kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
    frequency = (1.0 - kept) * frequency / scaling.factor + kept * frequency;
  }
  return frequencies;
}

std::vector<double> llama3_divisors(double base, std::uint32_t dims, const Llama3Scaling& scaling) {
  std::vector<double> divisors = rope_frequencies(base, dims);
  const std::vector<double> scaled = llama3_scaling(base, dims, scaling);
  for (std::size_t i = 0; i < divisors.size(); ++i) divisors[i] /= scaled[i];
  return divisors;
}

}  // namespace tome
