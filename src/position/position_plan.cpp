#include "position/position_plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/digest.h"
#include "position/llama3_scaling.h"
#include "position/position_methods.h"
#include "position/rope.h"
#include "position/yarn.h"

namespace tome {
namespace {

bool positive(double value) { return std::isfinite(value) && value > 0.0; }

Status check_file(const ModelConfig& config) {
  const DeclaredScaling& scaling = config.scaling;
  if (config.rope_dims < 4 || config.rope_dims % 2 != 0) {
    return fail(ErrorKind::usage, "[positions] rotated dimensions {}, expected an even number of 4 or more",
                config.rope_dims);
  }
  if (!(config.rope_theta > 1.0) || !std::isfinite(config.rope_theta) || !(config.rope_theta_local > 1.0) ||
      !std::isfinite(config.rope_theta_local)) {
    return fail(ErrorKind::format, "[positions] rope base {} (local {}), expected a number above 1", config.rope_theta,
                config.rope_theta_local);
  }
  if (config.context_length == 0) return fail(ErrorKind::format, "[positions] trained window 0, expected 1 or more");
  constexpr std::array<std::string_view, 6> kTypes{"none", "linear", "dynamic", "yarn", "longrope", "llama3"};
  if (std::ranges::find(kTypes, scaling.type) == kTypes.end()) {
    return fail(ErrorKind::unsupported,
                "[positions] rope scaling type '{}', expected none, linear, dynamic, yarn, longrope or llama3",
                scaling.type);
  }
  if (!positive(scaling.factor)) {
    return fail(ErrorKind::format, "[positions] rope scaling factor {}, expected a number above 0", scaling.factor);
  }
  if (scaling.original_context_length && *scaling.original_context_length < 2) {
    return fail(ErrorKind::format, "[positions] original context length {}, expected 2 or more",
                *scaling.original_context_length);
  }
  if (scaling.attention_factor && !positive(*scaling.attention_factor)) {
    return fail(ErrorKind::format, "[positions] attention factor {}, expected a number above 0",
                *scaling.attention_factor);
  }
  if (!positive(scaling.beta_slow) || !positive(scaling.beta_fast) || scaling.beta_fast < scaling.beta_slow) {
    return fail(ErrorKind::format, "[positions] yarn ramp from {} to {} rotations, expected 0 < slow <= fast",
                scaling.beta_slow, scaling.beta_fast);
  }
  for (const auto& mscale : {scaling.mscale, scaling.mscale_all_dim}) {
    if (mscale && !(std::isfinite(*mscale) && *mscale >= 0.0)) {
      return fail(ErrorKind::format, "[positions] yarn mscale {}, expected a number of 0 or more", *mscale);
    }
  }
  if (scaling.type == "llama3" && (!positive(scaling.low_freq_factor) || !positive(scaling.high_freq_factor) ||
                                   scaling.high_freq_factor <= scaling.low_freq_factor)) {
    return fail(ErrorKind::format, "[positions] llama3 frequency factors low {}, high {}, expected 0 < low < high",
                scaling.low_freq_factor, scaling.high_freq_factor);
  }
  const bool needs_lists = scaling.type == "longrope";
  const std::array<std::pair<std::string_view, const std::vector<float>*>, 3> lists{
      {{"frequency", &scaling.frequency_factors}, {"short", &scaling.short_factors}, {"long", &scaling.long_factors}}};
  for (const auto& [name, list] : lists) {
    if (list->empty() && !(needs_lists && name != "frequency")) continue;
    if (list->size() != config.rope_dims / 2) {
      return fail(ErrorKind::format, "[positions] {} {} factors, expected {}", list->size(), name,
                  config.rope_dims / 2);
    }
    for (const float factor : *list) {
      if (!positive(static_cast<double>(factor))) {
        return fail(ErrorKind::format, "[positions] a {} factor is {}, expected a number above 0", name, factor);
      }
    }
  }
  return {};
}

Status check_options(const PositionOptions& options, std::uint64_t target_length) {
  if (target_length == 0) return fail(ErrorKind::usage, "[positions] target length 0, expected 1 or more");
  const auto above_zero = [](std::string_view name, const std::optional<double>& value) -> Status {
    if (value && !positive(*value)) {
      return fail(ErrorKind::usage, "[positions] {} {}, expected a number above 0", name, *value);
    }
    return {};
  };
  TOME_TRY(above_zero("rope factor", options.factor));
  TOME_TRY(above_zero("ntk alpha", options.ntk_alpha));
  TOME_TRY(above_zero("attention factor", options.attention_factor));
  TOME_TRY(above_zero("yarn beta_fast", options.beta_fast));
  TOME_TRY(above_zero("yarn beta_slow", options.beta_slow));
  TOME_TRY(above_zero("attention temperature", options.temperature_value));
  if (options.theta && !(std::isfinite(*options.theta) && *options.theta > 1.0)) {
    return fail(ErrorKind::usage, "[positions] rope base {}, expected a number above 1", *options.theta);
  }
  if (options.original_context && *options.original_context < 2) {
    return fail(ErrorKind::usage, "[positions] original context {}, expected 2 or more", *options.original_context);
  }
  if (options.beta_fast < options.beta_slow) {
    return fail(ErrorKind::usage, "[positions] yarn beta_fast {} is below beta_slow {}", options.beta_fast,
                options.beta_slow);
  }
  return {};
}

bool is_declared(const ModelConfig& config, ScalingMethod method) {
  return method != ScalingMethod::none && declared_options(config).method == method;
}

/// Given factor, else the file's for its own method, else the real length's, rounded up.
double effective_factor(const ModelConfig& config, const PositionOptions& options, std::uint64_t trained,
                        std::uint64_t target) {
  if (options.method == ScalingMethod::none) return 1.0;
  if (options.factor) return *options.factor;
  if (is_declared(config, options.method)) return *declared_options(config).factor;
  if (options.method == ScalingMethod::dynamic_ntk) return 1.0;  // s = l/L is in the formula
  if (options.method == ScalingMethod::longrope) {
    return static_cast<double>(config.context_length) / static_cast<double>(trained);
  }
  return round_up_factor(static_cast<double>(target) / static_cast<double>(trained));
}

/// What the weights were trained to divide θᵢ by whatever the method: empty when nothing.
std::vector<double> file_divisors(const ModelConfig& config, ScalingMethod method, double base) {
  const DeclaredScaling& scaling = config.scaling;
  if (!scaling.frequency_factors.empty()) return {scaling.frequency_factors.begin(), scaling.frequency_factors.end()};
  if (scaling.type != "llama3" || method == ScalingMethod::llama3) return {};
  return llama3_divisors(
      base, config.rope_dims,
      {.factor = *declared_options(config).factor,
       .low_freq_factor = scaling.low_freq_factor,
       .high_freq_factor = scaling.high_freq_factor,
       .original_length = static_cast<double>(scaling.original_context_length.value_or(config.context_length))});
}

void apply_temperature(const PositionOptions& options, double factor, PositionPlan& plan) {
  if (options.temperature == Temperature::method) return;
  const double article = 0.5 + 0.5 * factor;
  for (PositionPart& part : plan.parts) {
    part.table.magnitude =
        options.temperature == Temperature::paper ? static_cast<float>(yarn_magnitude(factor)) : 1.0f;
    part.table.softmax_scale = options.temperature == Temperature::article ? static_cast<float>(1.0 / article)
                               : options.temperature == Temperature::value
                                   ? static_cast<float>(1.0 / options.temperature_value)
                                   : 1.0f;
  }
  const std::string_view name = options.temperature == Temperature::paper     ? "paper"
                                : options.temperature == Temperature::article ? "article"
                                : options.temperature == Temperature::none    ? "none"
                                                                              : "a given value";
  plan.notes.push_back(fmt::format("attention temperature set to {}", name));
}

std::string describe_user(const PositionOptions& options) {
  if (options.method == ScalingMethod::none) {
    return options.theta ? "user: rope base" : "user: no scaling";
  }
  return fmt::format("user: --rope-scaling {}{}", scaling_method_name(options.method),
                     options.factor ? fmt::format(", factor {:.6g}", *options.factor) : std::string());
}

Result<PositionPlan> build_plan(const ModelConfig& config, const PositionOptions& options, std::uint64_t target) {
  const std::uint64_t trained = trained_length(config, options);
  const double base = options.theta.value_or(config.rope_theta);
  if (options.method == ScalingMethod::llama3 && !config.scaling.frequency_factors.empty()) {
    return fail(ErrorKind::usage, "[positions] llama3: the model file already carries its frequency factors");
  }
  PositionPlan plan;
  plan.method = options.method;
  plan.factor = effective_factor(config, options, trained, target);
  TOME_ASSIGN(MethodResult built, position_method(options.method)
                                      .build({.base = base,
                                              .dims = config.rope_dims,
                                              .trained = trained,
                                              .target = target,
                                              .factor = plan.factor,
                                              .options = options,
                                              .declared = config.scaling,
                                              .declared_method = is_declared(config, options.method)}));
  plan.parts = std::move(built.parts);
  plan.notes = std::move(built.notes);
  plan.origin = options.origin.empty() ? describe_user(options) : options.origin;
  const std::vector<double> divisors = file_divisors(config, options.method, base);
  for (PositionPart& part : plan.parts) {
    for (std::size_t i = 0; i < divisors.size(); ++i) {
      float& frequency = part.table.inverse_frequencies[i];
      frequency = static_cast<float>(static_cast<double>(frequency) / divisors[i]);
    }
  }
  if (!divisors.empty()) plan.notes.push_back("frequencies divided by the model's own llama3 factors");
  apply_temperature(options, plan.factor, plan);
  const PositionTable& table = plan.parts.front().table;
  const double multiplier = static_cast<double>(table.magnitude) * static_cast<double>(table.magnitude) *
                            static_cast<double>(table.softmax_scale);
  plan.notes.push_back(fmt::format("logits x {:.6g} (m = {:.8g}, softmax scale {:.6g}; temperature {:.6g})", multiplier,
                                   table.magnitude, table.softmax_scale, 1.0 / multiplier));
  return plan;
}

/// Whether, up to `target`, the first part shows every key at its own position.
bool stays_in_first_part(const PositionPlan& plan, std::uint64_t target) {
  const KeyRange& range = plan.parts.front().keys;
  return (range.kind == KeyRange::Kind::neighbours && target <= range.window) ||
         (range.kind == KeyRange::Kind::same_chunk && target <= range.chunk);
}

struct Setting {
  std::string_view name;
  bool (*is_set)(const PositionOptions&);
  void (*reset)(PositionOptions&);
};
constexpr std::array<Setting, 9> kSettings{{
    {"rope base", [](const PositionOptions& o) { return o.theta.has_value(); },
     [](PositionOptions& o) { o.theta.reset(); }},
    {"original context", [](const PositionOptions& o) { return o.original_context.has_value(); },
     [](PositionOptions& o) { o.original_context.reset(); }},
    {"ntk alpha", [](const PositionOptions& o) { return o.ntk_alpha.has_value(); },
     [](PositionOptions& o) { o.ntk_alpha.reset(); }},
    {"attention factor", [](const PositionOptions& o) { return o.attention_factor.has_value(); },
     [](PositionOptions& o) { o.attention_factor.reset(); }},
    {"yarn beta_fast / beta_slow", [](const PositionOptions& o) { return o.beta_fast != 32.0 || o.beta_slow != 1.0; },
     [](PositionOptions& o) {
       o.beta_fast = 32.0;
       o.beta_slow = 1.0;
     }},
    {"yarn truncate = false", [](const PositionOptions& o) { return !o.truncate; },
     [](PositionOptions& o) { o.truncate = true; }},
    {"self-extend group", [](const PositionOptions& o) { return o.group != 8; },
     [](PositionOptions& o) { o.group = 8; }},
    {"self-extend neighbour window", [](const PositionOptions& o) { return o.neighbour_window != 1024; },
     [](PositionOptions& o) { o.neighbour_window = 1024; }},
    {"attention temperature", [](const PositionOptions& o) { return o.temperature != Temperature::method; },
     [](PositionOptions& o) { o.temperature = Temperature::method; }},
}};

Status refuse_no_ops(const ModelConfig& config, const PositionOptions& options, const PositionPlan& plan,
                     std::uint64_t target) {
  if (only_local_layers(config) && (options.method != ScalingMethod::none || options.theta)) {
    return fail(ErrorKind::usage,
                "[positions] {} changes nothing: every layer of this model has a sliding window of {}",
                options.method == ScalingMethod::none ? "rope base" : scaling_method_name(options.method),
                config.sliding_window);
  }
  if (options.method == ScalingMethod::none && options.factor) {
    return fail(ErrorKind::usage, "[positions] factor {} changes nothing without a scaling method (--rope-scaling)",
                *options.factor);
  }
  if (options.method != ScalingMethod::none && options.method != ScalingMethod::dynamic_ntk) {
    PositionOptions unscaled;
    unscaled.theta = options.theta;
    TOME_ASSIGN(const PositionPlan native, build_plan(config, unscaled, target));
    if (plan.fingerprint() == native.fingerprint() || stays_in_first_part(plan, target)) {
      return fail(ErrorKind::usage, "[positions] {} x{:.6g} changes nothing for {} tokens (trained length {})",
                  scaling_method_name(options.method), plan.factor, target, trained_length(config, options));
    }
  }
  for (const Setting& setting : kSettings) {
    if (!setting.is_set(options)) continue;
    PositionOptions without = options;
    setting.reset(without);
    const Result<PositionPlan> same = build_plan(config, without, target);
    if (same && same->fingerprint() == plan.fingerprint()) {
      return fail(ErrorKind::usage, "[positions] {} changes nothing with method {}; leave it out", setting.name,
                  scaling_method_name(options.method));
    }
  }
  return {};
}

}  // namespace

std::string_view scaling_method_name(ScalingMethod method) { return position_method(method).name; }

Result<ScalingMethod> scaling_method_from_name(std::string_view name) {
  std::string known;
  for (const PositionMethod& entry : position_methods()) {
    if (entry.name == name) return entry.method;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.name);
  }
  return fail(ErrorKind::usage, "[positions] unknown scaling method '{}', expected one of {}", name, known);
}

std::uint64_t PositionMap::operator()(std::uint64_t position) const {
  std::uint64_t mapped = position;
  switch (kind) {
    case Kind::identity:
      break;
    case Kind::group:
      mapped = position / divide + add;
      break;
    case Kind::modulo:
      mapped = position % period + add;
      break;
    case Kind::constant:
      mapped = value;
      break;
  }
  return cap == 0 ? mapped : std::min(mapped, cap);
}

bool covers(const KeyRange& range, std::uint64_t query, std::uint64_t key) {
  CHECK(key <= query);
  switch (range.kind) {
    case KeyRange::Kind::all:
      return true;
    case KeyRange::Kind::neighbours:
      return query - key < range.window;
    case KeyRange::Kind::beyond:
      return query - key >= range.window;
    case KeyRange::Kind::same_chunk:
      return query / range.chunk == key / range.chunk;
    case KeyRange::Kind::previous_chunk:
      return query / range.chunk == key / range.chunk + 1;
    case KeyRange::Kind::earlier_chunks:
      return query / range.chunk >= key / range.chunk + 2;
  }
  return false;
}

std::string PositionPlan::fingerprint() const {
  std::string bytes;
  const auto put = [&bytes](std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>((value >> shift) & 0xff));
  };
  const auto put_map = [&put](const PositionMap& map) {
    put(static_cast<std::uint64_t>(map.kind));
    for (const std::uint64_t value : {map.divide, map.period, map.add, map.value, map.cap}) put(value);
  };
  put(1);  // version of this list
  put(parts.size());
  for (const PositionPart& part : parts) {
    put(static_cast<std::uint64_t>(part.keys.kind));
    put(part.keys.window);
    put(part.keys.chunk);
    put_map(part.query_map);
    put_map(part.key_map);
    put(part.query_log_scaling ? 1 : 0);
    put(std::bit_cast<std::uint64_t>(part.log_base));
    put(std::bit_cast<std::uint32_t>(part.table.magnitude));
    put(std::bit_cast<std::uint32_t>(part.table.softmax_scale));
    put(part.table.inverse_frequencies.size());
    for (const float frequency : part.table.inverse_frequencies) put(std::bit_cast<std::uint32_t>(frequency));
  }
  return sha256_hex(std::as_bytes(std::span(bytes))).substr(0, 16);
}

Result<PositionPlan> plan_positions(const ModelConfig& config, const PositionOptions& options,
                                    std::uint64_t target_length) {
  TOME_TRY(check_file(config));
  TOME_TRY(check_options(options, target_length));
  TOME_ASSIGN(PositionPlan plan, build_plan(config, options, target_length));
  if (!options.allow_no_op) TOME_TRY(refuse_no_ops(config, options, plan, target_length));
  return plan;
}

PositionPlan plan_local_positions(const ModelConfig& config) {
  if (config.family != Family::gemma3) {  // one table for all layers: what the file declares
    Result<PositionPlan> shared = build_plan(config, declared_options(config), config.context_length);
    CHECK(shared.has_value());
    return std::move(*shared);
  }
  PositionPlan plan;
  plan.origin =
      fmt::format("local layers: native, base {:.6g}, window {}", config.rope_theta_local, config.sliding_window);
  PositionPart part;
  part.table.inverse_frequencies = to_single(rope_frequencies(config.rope_theta_local, config.rope_dims));
  plan.parts.push_back(std::move(part));
  return plan;
}

bool only_local_layers(const ModelConfig& config) {
  return !config.local_layers.empty() && std::ranges::all_of(config.local_layers, [](bool local) { return local; });
}

}  // namespace tome
