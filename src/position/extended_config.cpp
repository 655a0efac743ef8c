#include "position/extended_config.h"

#include <cmath>
#include <cstdint>
#include <utility>

#include "position/longrope.h"

namespace tome {
namespace {

constexpr float kLeastDivisor = 0.01f, kMostDivisor = 1e6f;

}  // namespace

Result<ModelConfig> extended_config(const ModelConfig& config, ScalingMethod method, double factor,
                                    std::span<const float> divisors) {
  ModelConfig extended = config;
  if (method == ScalingMethod::none) return extended;
  const bool by_search = method == ScalingMethod::longrope;
  if (method != ScalingMethod::linear && method != ScalingMethod::ntk && method != ScalingMethod::yarn && !by_search)
    return fail(ErrorKind::unsupported,
                "scaling {}: a model file can declare linear, ntk (as another base), yarn and longrope, not this",
                scaling_method_name(method));
  const double tokens = factor * static_cast<double>(config.context_length);
  if (!(factor >= 1.0) || !(tokens <= static_cast<double>(UINT32_MAX)))
    return fail(ErrorKind::usage, "scaling {} × {:g} of {} tokens: expected a factor from 1, and at most 2^32 tokens",
                scaling_method_name(method), factor, config.context_length);
  DeclaredScaling& scaling = extended.scaling;
  if (by_search && divisors.size() != config.rope_dims / 2)
    return fail(ErrorKind::usage, "scaling longrope: {} divisors, expected {}", divisors.size(), config.rope_dims / 2);
  if (!by_search && !divisors.empty())
    return fail(ErrorKind::usage, "scaling {}: {} divisors, expected none: they are longrope's",
                scaling_method_name(method), divisors.size());
  for (const float divisor : divisors)
    if (!(divisor >= kLeastDivisor && divisor <= kMostDivisor))
      return fail(ErrorKind::usage, "scaling longrope: divisor {}, expected {} to {}", divisor, kLeastDivisor,
                  kMostDivisor);
  // Frequencies divided by a list (Llama 3 as GGUF has it) can be scaled once more; another formula cannot.
  const bool by_list = scaling.type == "llama3" && !scaling.frequency_factors.empty() && !by_search;
  if (scaling.type != "none" && !by_list)
    return fail(ErrorKind::unsupported, "scaling {}: the model declares {} already, expected one without",
                scaling_method_name(method), scaling.type);
  extended.context_length = static_cast<std::uint64_t>(tokens);
  if (method == ScalingMethod::ntk) {
    const auto dims = static_cast<double>(config.rope_dims);
    extended.rope_theta *= std::pow(factor, dims / (dims - 2.0));
    return extended;
  }
  std::vector<float> own = std::move(scaling.frequency_factors);
  scaling = {};
  scaling.frequency_factors = std::move(own);
  scaling.type = scaling_method_name(method);
  scaling.short_factors.assign(divisors.begin(), divisors.end());
  scaling.long_factors = scaling.short_factors;
  scaling.factor = factor;
  scaling.explicit_factor = true;
  if (by_search)  // GGUF readers know no formula for it
    scaling.attention_factor = longrope_magnitude(factor, static_cast<double>(config.context_length));
  scaling.original_context_length = config.context_length;
  return extended;
}

}  // namespace tome
