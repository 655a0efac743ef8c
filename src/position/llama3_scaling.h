#pragma once
// Llama 3.1's scaling by wavelength λ = 2π/θ: λ < L/high kept, λ > L/low divided by f, a blend between them with
// σ = (L/λ − low) / (high − low): θ′ = (1 − σ) θ/f + σ θ. No magnitude.
#include <cstdint>
#include <vector>

namespace tome {

struct Llama3Scaling {
  double factor = 8.0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;
  double original_length = 8192.0;
};

std::vector<double> llama3_scaling(double base, std::uint32_t dims, const Llama3Scaling& scaling);
/// θᵢ / θ′ᵢ: what GGUF stores as rope_freqs.weight.
std::vector<double> llama3_divisors(double base, std::uint32_t dims, const Llama3Scaling& scaling);

}  // namespace tome
