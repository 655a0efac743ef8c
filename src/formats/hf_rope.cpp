#include <algorithm>

#include "formats/hf_config.h"
#include "formats/printable.h"

namespace tome {
namespace {

Status read_yarn(const JsonFields& rope, DeclaredScaling& scaling) {
  TOME_ASSIGN(scaling.attention_factor, rope.number("attention_factor"));
  TOME_ASSIGN(scaling.mscale, rope.number("mscale"));
  TOME_ASSIGN(scaling.mscale_all_dim, rope.number("mscale_all_dim"));
  TOME_ASSIGN(const auto fast, rope.number("beta_fast"));
  TOME_ASSIGN(const auto slow, rope.number("beta_slow"));
  TOME_ASSIGN(const auto truncate, rope.boolean("truncate"));
  scaling.beta_fast = fast.value_or(scaling.beta_fast);
  scaling.beta_slow = slow.value_or(scaling.beta_slow);
  scaling.truncate = truncate.value_or(true);
  return {};
}

Status read_lists(const JsonFields& rope, DeclaredScaling& scaling) {
  TOME_ASSIGN(const auto short_factors, rope.numbers("short_factor"));
  TOME_ASSIGN(const auto long_factors, rope.numbers("long_factor"));
  scaling.short_factors = short_factors.value_or(std::vector<float>{});
  scaling.long_factors = long_factors.value_or(std::vector<float>{});
  return {};
}

Status read_llama3(const JsonFields& rope, DeclaredScaling& scaling) {
  for (const auto& [field, target] : {std::pair{"low_freq_factor", &scaling.low_freq_factor},
                                      std::pair{"high_freq_factor", &scaling.high_freq_factor}}) {
    TOME_ASSIGN(const auto value, rope.number(field));
    if (!value) return fail(ErrorKind::format, "{}: '{}' is missing", rope.where(), rope.name(field));
    *target = *value;
  }
  if (scaling.low_freq_factor >= scaling.high_freq_factor)
    return fail(ErrorKind::format, "{}: '{}' {} is not below '{}' {}", rope.where(), rope.name("low_freq_factor"),
                scaling.low_freq_factor, rope.name("high_freq_factor"), scaling.high_freq_factor);
  if (!scaling.original_context_length)
    return fail(ErrorKind::format, "{}: '{}' is missing", rope.where(), rope.name("original_max_position_embeddings"));
  return {};
}

Status read_type(const JsonFields& rope, DeclaredScaling& scaling) {
  TOME_ASSIGN(const auto type, rope.text("rope_type"));
  TOME_ASSIGN(const auto legacy, rope.text("type"));
  scaling.type = type.value_or(legacy.value_or("default"));
  if (scaling.type == "default") scaling.type = "none";
  if (scaling.type == "su") scaling.type = "longrope";
  constexpr std::string_view known[] = {"none", "linear", "dynamic", "yarn", "longrope", "llama3"};
  if (std::find(std::begin(known), std::end(known), scaling.type) == std::end(known))
    return fail(ErrorKind::unsupported, "{}: '{}' is '{}', expected default, linear, dynamic, yarn, longrope or llama3",
                rope.where(), rope.name(type ? "rope_type" : "type"), printable(scaling.type));
  return {};
}

/// `factor`, or what it must be when only the two lengths are given.
Status read_factor(const JsonFields& rope, const ModelConfig& config, DeclaredScaling& scaling) {
  TOME_ASSIGN(const auto factor, rope.number("factor"));
  scaling.explicit_factor = factor.has_value();
  if (factor) {
    scaling.factor = *factor;
  } else if (scaling.original_context_length && *scaling.original_context_length > 0) {
    scaling.factor = static_cast<double>(config.context_length) / static_cast<double>(*scaling.original_context_length);
  } else {
    return fail(ErrorKind::format, "{}: '{}' is missing", rope.where(), rope.name("factor"));
  }
  return {};
}

/// One set of parameters: base and scaling.
Status read_set(const JsonFields& fields, const JsonFields& rope, ModelConfig& config) {
  TOME_ASSIGN(const auto theta, rope.number("rope_theta"));
  if (theta) config.rope_theta = *theta;
  TOME_ASSIGN(const auto partial, rope.number("partial_rotary_factor"));
  if (partial && *partial != 1.0)
    return fail(ErrorKind::unsupported, "{}: '{}' is {}: partial rotation is not supported", rope.where(),
                rope.name("partial_rotary_factor"), *partial);
  DeclaredScaling scaling;
  TOME_TRY(read_type(rope, scaling));
  if (scaling.type == "none") return {};
  TOME_ASSIGN(scaling.original_context_length, rope.unsigned_number("original_max_position_embeddings", UINT64_MAX));
  // Phi-3 keeps it outside.
  if (!scaling.original_context_length) {
    TOME_ASSIGN(scaling.original_context_length,
                fields.unsigned_number("original_max_position_embeddings", UINT64_MAX));
  }
  TOME_TRY(read_factor(rope, config, scaling));
  TOME_TRY(read_yarn(rope, scaling));
  TOME_TRY(read_lists(rope, scaling));
  if (scaling.type == "llama3") TOME_TRY(read_llama3(rope, scaling));
  config.scaling = std::move(scaling);
  return {};
}

/// rope_parameters by layer type: full_attention is the model's own, sliding_attention only gives a base.
Status read_nested(const JsonFields& fields, const JsonFields& rope, ModelConfig& config) {
  for (const auto& [key, value] : rope.json().items())
    if (key != "full_attention" && key != "sliding_attention" && !value.is_null())
      return fail(ErrorKind::unsupported, "{}: '{}', expected full_attention and sliding_attention", rope.where(),
                  rope.name(printable(key)));
  TOME_ASSIGN(const auto full, rope.object("full_attention"));
  if (full) TOME_TRY(read_set(fields, *full, config));
  TOME_ASSIGN(const auto sliding, rope.object("sliding_attention"));
  if (!sliding) return {};
  ModelConfig local = config;
  local.scaling = {};
  TOME_TRY(read_set(fields, *sliding, local));
  if (local.scaling.type != "none")
    return fail(ErrorKind::unsupported, "{}: '{}' scales the positions of sliding-window layers ({})", rope.where(),
                rope.name("sliding_attention"), local.scaling.type);
  config.rope_theta_local = local.rope_theta;
  return {};
}

}  // namespace

Status read_hf_rope(const JsonFields& fields, ModelConfig& config) {
  const bool gemma = config.family == Family::gemma3;
  TOME_ASSIGN(const auto theta, fields.number("rope_theta"));
  config.rope_theta = theta.value_or(gemma ? 1e6 : 1e4);
  TOME_ASSIGN(const auto partial, fields.number("partial_rotary_factor"));
  if (partial && *partial != 1.0)
    return fail(ErrorKind::unsupported, "{}: '{}' is {}: partial rotation is not supported", fields.where(),
                fields.name("partial_rotary_factor"), *partial);
  TOME_ASSIGN(const auto local_theta, fields.number("rope_local_base_freq"));
  if (gemma) config.rope_theta_local = local_theta.value_or(1e4);
  TOME_ASSIGN(const auto parameters, fields.object("rope_parameters"));
  TOME_ASSIGN(const auto legacy, fields.object("rope_scaling"));
  const bool nested =
      parameters && (parameters->find("full_attention") != nullptr || parameters->find("sliding_attention") != nullptr);
  if (nested) {
    TOME_TRY(read_nested(fields, *parameters, config));
  } else if (parameters) {
    TOME_TRY(read_set(fields, *parameters, config));
  } else if (legacy) {
    TOME_TRY(read_set(fields, *legacy, config));
  }
  // Everywhere else local and global layers share one table.
  if (!gemma && !nested) config.rope_theta_local = config.rope_theta;
  return {};
}

}  // namespace tome
