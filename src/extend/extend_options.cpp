#include "extend/extend_options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "cli/eval_run.h"
#include "position/extended_config.h"

namespace tome::extend {
namespace {

std::optional<Role> matrix_role(const std::string& name) {
  if (name == "q") return Role::query;
  if (name == "k") return Role::key;
  if (name == "v") return Role::value;
  if (name == "o") return Role::attention_output;
  if (name == "gate") return Role::gate;
  if (name == "up") return Role::up;
  if (name == "down") return Role::down;
  return std::nullopt;
}

Result<LongSamples> kind_of(const std::string& name) {
  if (name == "skip") return LongSamples::skip_wise;
  if (name == "plain") return LongSamples::plain;
  if (name == "shifted") return LongSamples::shifted;
  return fail(ErrorKind::usage, "--samples '{}': expected skip, plain or shifted", name);
}

/// "retrieval", "retrieval:0.5" → the share of exercises.
Result<double> exercise_share(const std::string& mix) {
  constexpr double usual = 0.3;
  if (mix.empty()) return 0.0;
  if (mix == "retrieval") return usual;
  constexpr std::string_view prefix = "retrieval:";
  if (mix.starts_with(prefix)) {
    const std::string number = mix.substr(prefix.size());
    char* end = nullptr;
    const double share = std::strtod(number.c_str(), &end);
    if (!number.empty() && *end == '\0' && share > 0.0 && share <= 1.0) return share;
  }
  return fail(ErrorKind::usage, "--mix '{}': expected retrieval, or retrieval:SHARE with a share up to 1", mix);
}

/// What can be told without a model. Errors: usage.
Status check_flags(const ExtendFlags& flags) {
  const auto one_of = [](const char* flag, const std::string& value,
                         std::initializer_list<std::string_view> expected) -> Status {
    if (std::find(expected.begin(), expected.end(), value) != expected.end()) return {};
    return fail(ErrorKind::usage, "{} '{}': expected {}", flag, value, fmt::join(expected, " or "));
  };
  TOME_TRY(one_of("--precision", flags.precision, {"f32", "bf16"}));
  TOME_TRY(one_of("--recompute", flags.recompute, {"auto", "layers", "nothing"}));
  for (const std::string& name : cli::list_of(flags.train))
    if (!matrix_role(name) && name != "norms" && name != "embeddings")
      return fail(ErrorKind::usage, "--train '{}': expected q, k, v, o, gate, up, down, norms or embeddings", name);
  if (flags.search.empty()) {
    if (flags.steps == 0) return fail(ErrorKind::usage, "--steps 0: nothing to do without --search");
  } else {
    TOME_TRY(one_of("--search", flags.search, {"longrope"}));
    if (flags.scaling != "yarn" && flags.scaling != "longrope")
      return fail(ErrorKind::usage, "--rope-scaling {} and --search longrope: expected one of them", flags.scaling);
  }
  if (flags.steps && !flags.budget.empty()) return fail(ErrorKind::usage, "--steps and --budget: expected one of them");
  if (!flags.budget.empty()) TOME_TRY(cli::seconds_of("--budget", flags.budget));
  return {};
}

/// Where passkeys are hidden. Errors: usage.
Result<std::vector<std::uint64_t>> passkey_lengths(const ExtendFlags& flags, std::uint64_t target) {
  constexpr std::uint64_t shortest = 1024;  // a question and a needle need some room
  std::vector<std::uint64_t> lengths;
  if (flags.eval_passkey == "none") return lengths;
  if (flags.eval_passkey != "auto") return cli::token_counts("--eval-passkey", flags.eval_passkey);
  for (const std::uint64_t length : {target / 4, target / 2, target})
    if (length >= shortest) lengths.push_back(length);
  return lengths;
}

}  // namespace

Result<ExtendPlan> plan_extension(const ExtendFlags& flags, const ModelConfig& config,
                                  std::span<const float> divisors) {
  constexpr std::uint64_t usual_steps = 200;
  TOME_TRY(check_flags(flags));
  ExtendPlan plan;
  plan.divisors.assign(divisors.begin(), divisors.end());
  TOME_ASSIGN(plan.target, cli::token_count("--target", flags.target));
  TOME_ASSIGN(plan.samples.length, cli::token_count("--length", flags.length));
  TOME_ASSIGN(plan.samples.kind, kind_of(flags.samples));
  if (plan.samples.length < 64) return fail(ErrorKind::usage, "--length {}: expected 64 or more", flags.length);
  if (plan.target < plan.samples.length)
    return fail(ErrorKind::usage, "--target {}: shorter than --length {}", flags.target, flags.length);
  plan.samples.target = plan.target;
  plan.samples.short_share = flags.short_share;
  plan.samples.seed = flags.seed;
  TOME_ASSIGN(plan.samples.retrieval_share, exercise_share(flags.mix));
  TOME_ASSIGN(plan.passkey_lengths, passkey_lengths(flags, plan.target));
  // Until a search has found its divisors, YaRN stands for them.
  const bool searching = !flags.search.empty() && divisors.empty();
  TOME_ASSIGN(plan.scaling, scaling_method_from_name(searching          ? "yarn"
                                                     : divisors.empty() ? flags.scaling
                                                                        : "longrope"));
  if (plan.scaling == ScalingMethod::longrope && divisors.empty())
    return fail(ErrorKind::usage, "--rope-scaling longrope: its divisors are searched for: --search longrope");
  const std::string asked =
      divisors.empty() && !searching ? "--rope-scaling " + flags.scaling : "--search " + flags.search;
  if (plan.scaling != ScalingMethod::none && only_local_layers(config))
    return fail(ErrorKind::usage, "{}: every layer of this model has a sliding window of {}, expected one without",
                asked, config.sliding_window);
  const auto trained = static_cast<double>(config.context_length);
  if (plan.scaling != ScalingMethod::none)
    plan.factor = flags.factor.value_or(round_up_factor(static_cast<double>(plan.target) / trained));
  const auto extended = extended_config(config, plan.scaling, plan.factor, plan.divisors);
  if (!extended) return fail(extended.error().kind, "{}: {}", asked, extended.error().message);
  if (plan.target > native_reach(*extended))
    return fail(ErrorKind::usage, "--target {}: with {} × {:g} the model reaches {} tokens", flags.target, asked,
                plan.factor, native_reach(*extended));
  TOME_ASSIGN(plan.full, plan_positions(*extended, declared_options(*extended), extended->context_length));
  if (plan.full.parts.size() != 1)
    return fail(ErrorKind::unsupported, "{}: training takes methods of one table", asked);
  plan.local = plan_local_positions(*extended);
  plan.trainer.steps = flags.budget.empty() ? flags.steps.value_or(usual_steps) : 0;
  plan.trainer.samples_per_step = flags.batch;
  plan.trainer.learning_rate = flags.learning_rate;
  plan.trainer.warmup_steps = flags.warmup;
  return plan;
}

void choose_trainable(const ExtendFlags& flags, TrainingWeights& weights) {
  const int layers = static_cast<int>(weights.config().layers);
  for (const std::string& name : cli::list_of(flags.train)) {
    if (const auto matrix = matrix_role(name)) {
      for (int layer = 0; layer < layers; ++layer)
        weights.add_change(*matrix, layer, flags.rank, flags.alpha, flags.seed);
    } else if (name == "norms") {
      for (int layer = 0; layer < layers; ++layer)
        for (const Role role : {Role::attention_norm, Role::feed_forward_norm, Role::post_attention_norm,
                                Role::post_feed_forward_norm, Role::query_norm, Role::key_norm})
          if (weights.has(role, layer)) weights.set_trainable(role, layer);
      weights.set_trainable(Role::output_norm);
    } else {
      weights.set_trainable(Role::token_embedding);
    }
  }
}

}  // namespace tome::extend
