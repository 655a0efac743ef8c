#pragma once
// YaRN (arXiv 2309.00071): fast pairs keep their frequency, slow ones are interpolated, a ramp joins them; cos and sin
// are multiplied by m = 0.1 ln s + 1 (logits by m²). `yarn` uses the ramp of the public implementations, linear in the
// dimension index; `yarn_paper` the paper's own, linear in rotations. They differ by up to 3.04× (Llama-2, s = 16).
#include <cstdint>
#include <optional>
#include <vector>

namespace tome {

struct YarnRamp {
  double beta_fast = 32.0, beta_slow = 1.0;  ///< rotations over the trained length
  bool truncate = true;                      ///< floor and ceil the dimensions (false: gpt-oss)
};

/// Dimension indices between which the ramp rises from 0 to 1.
struct CorrectionRange {
  double low = 0.0, high = 0.0;
};

/// dim(r) = d · ln(L / 2πr) / (2 ln b): the (fractional) pair that turns r times within L tokens.
double yarn_correction_dimension(double base, std::uint32_t dims, double trained, double turns);
/// ⌊dim(beta_fast)⌋ and ⌈dim(beta_slow)⌉ (raw without truncate), clamped to [0, dims − 1].
CorrectionRange yarn_correction_range(double base, std::uint32_t dims, double trained, const YarnRamp& ramp);
/// clamp((i − low) / max(0.001, high − low), 0, 1): the floor of the width as in ggml; Hugging Face adds 0.001 only
/// when both are equal, which is the same step for whole dimensions.
double dimension_ramp(const CorrectionRange& range, double index);

/// θ′ = (θ/s) · ramp + θ · (1 − ramp), ramp over the dimension index.
std::vector<double> yarn(double base, std::uint32_t dims, double trained, double scale, const YarnRamp& ramp);
/// The same with the paper's γ(r) = clamp((r − slow) / (fast − slow), 0, 1) over rotations: θ′ = (1 − γ) θ/s + γ θ.
std::vector<double> yarn_paper(double base, std::uint32_t dims, double trained, double scale, const YarnRamp& ramp);

/// m = 0.1 · mscale · ln s + 1 for s > 1, else 1.
double yarn_magnitude(double scale, double mscale = 1.0);

/// Where m goes when a file has its say.
struct YarnAttention {
  double magnitude = 1.0;      ///< on cos and sin
  double softmax_scale = 1.0;  ///< on the scores
};
struct YarnAttentionSettings {
  std::optional<double> attention_factor = std::nullopt;  ///< replaces m (Hugging Face), or
  bool attention_factor_multiplies = false;               ///< multiplies it (GGUF `attn_factor`, YaRN repository, vLLM)
  /// DeepSeek: cos/sin factor m(mscale) / m(mscale_all_dim), scores × m(mscale_all_dim)². Defaults 1 and 0.
  std::optional<double> mscale = std::nullopt, mscale_all_dim = std::nullopt;
};
YarnAttention yarn_attention(double scale, const YarnAttentionSettings& settings);

}  // namespace tome
