// What the file declares, and what `auto` decides.
#include <algorithm>
#include <cmath>

#include "position/position_methods.h"

namespace tome {
namespace {

ScalingMethod declared_method(const DeclaredScaling& scaling) {
  if (scaling.type == "linear") return ScalingMethod::linear;
  if (scaling.type == "dynamic") return ScalingMethod::dynamic_ntk;
  if (scaling.type == "yarn") return ScalingMethod::yarn;
  if (scaling.type == "longrope") return ScalingMethod::longrope;
  if (scaling.type == "llama3") return ScalingMethod::llama3;
  return ScalingMethod::none;
}

}  // namespace

double round_up_factor(double ratio) {
  double factor = 1.0;
  for (double power = 1.0; factor < ratio; power *= 2.0) {
    factor = power * 1.5;  // 1.5, 3, 6, …
    if (factor < ratio) factor = power * 2.0;
  }
  return factor;
}

double automatic_factor(std::uint64_t needed, std::uint64_t trained) {
  constexpr double kHeadroom = 4096.0;  // a longer second question keeps the snapshot
  return round_up_factor((static_cast<double>(needed) + kHeadroom) / static_cast<double>(trained));
}

std::uint64_t trained_length(const ModelConfig& config, const PositionOptions& options) {
  if (options.original_context) return *options.original_context;
  // Llama 3's factors are part of the weights: a method on top of them extends the window they were trained for.
  const bool factors_stay = !config.scaling.frequency_factors.empty() || config.scaling.type == "llama3";
  if (factors_stay && options.method != ScalingMethod::llama3) return config.context_length;
  return config.scaling.original_context_length.value_or(config.context_length);
}

PositionOptions declared_options(const ModelConfig& config) {
  const DeclaredScaling& scaling = config.scaling;
  PositionOptions options;
  options.method = declared_method(scaling);
  options.allow_no_op = true;
  options.origin =
      scaling.frequency_factors.empty() ? "file: no scaling declared" : "file: frequency factors of its own";
  // Llama 3's factors stored as a tensor are the whole of that method.
  if (options.method == ScalingMethod::llama3 && !scaling.frequency_factors.empty())
    options.method = ScalingMethod::none;
  if (options.method == ScalingMethod::none) return options;
  options.original_context = scaling.original_context_length;
  options.beta_fast = scaling.beta_fast;
  options.beta_slow = scaling.beta_slow;
  options.truncate = scaling.truncate;
  // An explicit factor wins over window / original length.
  options.factor = scaling.factor;
  std::string_view from = "its factor";
  if (!scaling.explicit_factor && scaling.original_context_length && *scaling.original_context_length > 0) {
    options.factor = static_cast<double>(config.context_length) / static_cast<double>(*scaling.original_context_length);
    from = "window / original length";
  }
  options.origin = fmt::format("file: rope scaling type {}, {} {:.6g}", scaling.type, from, *options.factor);
  return options;
}

std::uint64_t native_reach(const ModelConfig& config) {
  const PositionOptions declared = declared_options(config);
  if (declared.method == ScalingMethod::none || !declared.factor || !(*declared.factor > 1.0) ||
      config.family == Family::gemma3) {
    return config.context_length;
  }
  if (!declared.original_context && declared.method != ScalingMethod::linear) return config.context_length;
  const double extended =
      static_cast<double>(declared.original_context.value_or(config.context_length)) * *declared.factor;
  return std::max(config.context_length, static_cast<std::uint64_t>(std::min(extended, 1e15)));
}

PositionOptions automatic_options(const ModelConfig& config, std::uint64_t needed) {
  PositionOptions options = declared_options(config);
  const std::uint64_t reach = native_reach(config);
  if (only_local_layers(config)) {
    options.origin = fmt::format("auto: every layer has a window of {}; {}", config.sliding_window, options.origin);
    return options;
  }
  if (needed <= reach) {
    options.origin = fmt::format("auto: {} tokens fit the model's {}; {}", needed, reach, options.origin);
    return options;
  }
  if (options.method == ScalingMethod::linear) {  // interpolation was trained in: interpolate further
    options.factor = *options.factor * automatic_factor(needed, reach);
  } else {
    options = PositionOptions{.method = ScalingMethod::yarn};
    options.factor = automatic_factor(needed, trained_length(config, options));
  }
  options.allow_no_op = false;
  options.origin = fmt::format("auto: {} tokens do not fit the model's {}; {} x{:.6g}", needed, reach,
                               position_method(options.method).name, *options.factor);
  return options;
}

}  // namespace tome
