#include "position/yarn.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "position/rope.h"

namespace tome {

double yarn_correction_dimension(double base, std::uint32_t dims, double trained, double turns) {
  return dims * std::log(trained / (turns * 2.0 * std::numbers::pi)) / (2.0 * std::log(base));
}

CorrectionRange yarn_correction_range(double base, std::uint32_t dims, double trained, const YarnRamp& ramp) {
  CorrectionRange range{yarn_correction_dimension(base, dims, trained, ramp.beta_fast),
                        yarn_correction_dimension(base, dims, trained, ramp.beta_slow)};
  if (ramp.truncate) range = {std::floor(range.low), std::ceil(range.high)};
  range.low = std::clamp(range.low, 0.0, dims - 1.0);
  range.high = std::clamp(range.high, 0.0, dims - 1.0);
  return range;
}

double dimension_ramp(const CorrectionRange& range, double index) {
  return std::clamp((index - range.low) / std::max(0.001, range.high - range.low), 0.0, 1.0);
}

std::vector<double> yarn(double base, std::uint32_t dims, double trained, double scale, const YarnRamp& ramp) {
  const CorrectionRange range = yarn_correction_range(base, dims, trained, ramp);
  std::vector<double> frequencies = rope_frequencies(base, dims);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double share = dimension_ramp(range, static_cast<double>(i));
    frequencies[i] = frequencies[i] / scale * share + frequencies[i] * (1.0 - share);
  }
  return frequencies;
}

std::vector<double> yarn_paper(double base, std::uint32_t dims, double trained, double scale, const YarnRamp& ramp) {
  std::vector<double> frequencies = rope_frequencies(base, dims);
  const double width = std::max(0.001, ramp.beta_fast - ramp.beta_slow);
  for (double& frequency : frequencies) {
    const double kept = std::clamp((rotations(frequency, trained) - ramp.beta_slow) / width, 0.0, 1.0);
    frequency = frequency / scale * (1.0 - kept) + frequency * kept;
  }
  return frequencies;
}

double yarn_magnitude(double scale, double mscale) { return scale <= 1.0 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0; }

YarnAttention yarn_attention(double scale, const YarnAttentionSettings& settings) {
  YarnAttention attention{.magnitude = yarn_magnitude(scale), .softmax_scale = 1.0};
  if (settings.mscale || settings.mscale_all_dim) {
    const double everywhere = yarn_magnitude(scale, settings.mscale_all_dim.value_or(0.0));
    attention.magnitude = yarn_magnitude(scale, settings.mscale.value_or(1.0)) / everywhere;
    attention.softmax_scale = everywhere * everywhere;
  }
  if (settings.attention_factor) {
    attention.magnitude = settings.attention_factor_multiplies ? attention.magnitude * *settings.attention_factor
                                                               : *settings.attention_factor;
  }
  return attention;
}

}  // namespace tome
