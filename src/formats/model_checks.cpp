#include "formats/model_checks.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/digest.h"

namespace tome {
namespace {

constexpr std::uint32_t max_layers = 1024, max_heads = 4096, max_head_dim = 4096, max_width = 1u << 20;
constexpr std::uint64_t max_context = std::uint64_t{1} << 40;
constexpr std::size_t sampled_bytes = 4096;

Status check_range(std::string_view where, std::string_view what, std::uint64_t value, std::uint64_t most) {
  if (value == 0 || value > most)
    return fail(ErrorKind::format, "{}: {} is {}, expected 1 to {}", where, what, value, most);
  return {};
}

Status check_positive(std::string_view where, std::string_view what, double value) {
  if (!std::isfinite(value) || value <= 0)
    return fail(ErrorKind::format, "{}: {} is {}, expected a positive number", where, what, value);
  return {};
}

Status check_factors(std::string_view where, std::string_view what, const std::vector<float>& factors,
                     std::size_t expected) {
  if (factors.empty()) return {};
  if (factors.size() != expected)
    return fail(ErrorKind::format, "{}: {} has {} factors, expected {}", where, what, factors.size(), expected);
  for (const float factor : factors) TOME_TRY(check_positive(where, what, static_cast<double>(factor)));
  return {};
}

Status check_scaling(const DeclaredScaling& scaling, std::uint32_t rope_dims, std::string_view where) {
  TOME_TRY(check_positive(where, "rope scaling factor", scaling.factor));
  if (scaling.original_context_length)
    TOME_TRY(check_range(where, "original context length", *scaling.original_context_length, max_context));
  if (scaling.attention_factor) TOME_TRY(check_positive(where, "rope attention factor", *scaling.attention_factor));
  for (const auto& [what, value] :
       {std::pair{"rope beta_fast", scaling.beta_fast}, std::pair{"rope beta_slow", scaling.beta_slow},
        std::pair{"rope low_freq_factor", scaling.low_freq_factor},
        std::pair{"rope high_freq_factor", scaling.high_freq_factor}})
    TOME_TRY(check_positive(where, what, value));
  for (const auto& mscale : {scaling.mscale, scaling.mscale_all_dim})
    if (mscale && !(std::isfinite(*mscale) && *mscale >= 0))
      return fail(ErrorKind::format, "{}: rope mscale is {}, expected a number from 0", where, *mscale);
  TOME_TRY(check_factors(where, "the list of short rope factors", scaling.short_factors, rope_dims / 2));
  TOME_TRY(check_factors(where, "the list of long rope factors", scaling.long_factors, rope_dims / 2));
  TOME_TRY(check_factors(where, "the list of rope frequency factors", scaling.frequency_factors, rope_dims / 2));
  if (scaling.type == "longrope" && (scaling.short_factors.empty() || scaling.long_factors.empty()))
    return fail(ErrorKind::format, "{}: rope scaling longrope without its two lists of factors", where);
  return {};
}

/// Everything that changes the forward pass, spelled out.
std::string spell(const ModelConfig& c) {
  const DeclaredScaling& s = c.scaling;
  std::string text =
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {}", family_name(c.family), c.layers, c.hidden, c.heads,
                  c.kv_heads, c.head_dim, c.feed_forward, c.vocabulary, c.context_length, c.norm_epsilon, c.rope_theta,
                  c.rope_theta_local, c.rope_dims, static_cast<int>(c.rope_pairs));
  text += fmt::format(" {} {} {} {} {} {} {} {} {} {}", c.sliding_window, fmt::join(c.local_layers, ""),
                      static_cast<int>(c.activation), c.qk_norm, c.post_norms, c.tied_embeddings, c.embedding_scale,
                      c.norm_weight_offset, c.attention_scale, c.final_logit_softcap);
  text += fmt::format(" {} {} {} {} {} {} {} {} {} {} {} {}", s.type, s.factor, s.explicit_factor,
                      s.original_context_length.value_or(0), s.attention_factor.value_or(0),
                      s.attention_factor_multiplies, s.mscale.value_or(-1), s.mscale_all_dim.value_or(-1), s.beta_fast,
                      s.beta_slow, s.truncate, s.low_freq_factor);
  return text + fmt::format(" {} {} {} {}\n", s.high_freq_factor, fmt::join(s.short_factors, ","),
                            fmt::join(s.long_factors, ","), fmt::join(s.frequency_factors, ","));
}

}  // namespace

Status check_config(const ModelConfig& config, std::string_view where) {
  TOME_TRY(check_range(where, "the number of layers", config.layers, max_layers));
  TOME_TRY(check_range(where, "the hidden size", config.hidden, max_width));
  TOME_TRY(check_range(where, "the number of heads", config.heads, max_heads));
  TOME_TRY(check_range(where, "the number of key/value heads", config.kv_heads, max_heads));
  if (config.heads % config.kv_heads != 0)
    return fail(ErrorKind::format, "{}: {} heads do not share {} key/value heads evenly", where, config.heads,
                config.kv_heads);
  TOME_TRY(check_range(where, "the head size", config.head_dim, max_head_dim));
  if (config.head_dim % 2 != 0)
    return fail(ErrorKind::format, "{}: the head size is {}, expected an even number", where, config.head_dim);
  TOME_TRY(check_range(where, "the feed-forward size", config.feed_forward, max_width));
  TOME_TRY(check_range(where, "the vocabulary", config.vocabulary, 1u << 24));
  TOME_TRY(check_range(where, "the context length", config.context_length, max_context));
  if (config.rope_dims != config.head_dim)
    return fail(ErrorKind::unsupported, "{}: {} rotated dimensions of a head of {}: partial rotation is not supported",
                where, config.rope_dims, config.head_dim);
  TOME_TRY(check_positive(where, "the norm epsilon", static_cast<double>(config.norm_epsilon)));
  TOME_TRY(check_positive(where, "the rope base", config.rope_theta));
  TOME_TRY(check_positive(where, "the rope base of local layers", config.rope_theta_local));
  TOME_TRY(check_positive(where, "the attention scale", static_cast<double>(config.attention_scale)));
  if (!std::isfinite(config.final_logit_softcap) || config.final_logit_softcap < 0)
    return fail(ErrorKind::format, "{}: the final logit cap is {}, expected a number from 0", where,
                config.final_logit_softcap);
  const bool any_local =
      std::find(config.local_layers.begin(), config.local_layers.end(), true) != config.local_layers.end();
  if (any_local && config.sliding_window == 0)
    return fail(ErrorKind::format, "{}: layers with a sliding window, but its size is missing or zero", where);
  return check_scaling(config.scaling, config.rope_dims, where);
}

Status check_tokenizer(const TokenizerSpec& spec, std::string_view where) {
  const auto count = static_cast<std::int64_t>(spec.tokens.size());
  if (count == 0) return fail(ErrorKind::format, "{}: the tokenizer has no tokens", where);
  if (!spec.scores.empty() && spec.scores.size() != spec.tokens.size())
    return fail(ErrorKind::format, "{}: {} token scores, expected {}, one a token", where, spec.scores.size(), count);
  if (spec.types.size() != spec.tokens.size())
    return fail(ErrorKind::format, "{}: {} token types, expected {}, one a token", where, spec.types.size(), count);
  for (const auto& [what, id] : {std::pair{"bos", spec.bos}, std::pair{"eos", spec.eos},
                                 std::pair{"unknown", spec.unknown}, std::pair{"padding", spec.pad}})
    if (id < -1 || id >= count)
      return fail(ErrorKind::format, "{}: {} token id {}, the vocabulary has {}", where, what, id, count);
  for (const std::int64_t id : spec.end_tokens)
    if (id < 0 || id >= count)
      return fail(ErrorKind::format, "{}: end token id {}, the vocabulary has {}", where, id, count);
  if (spec.add_bos && spec.bos < 0)
    return fail(ErrorKind::format, "{}: a bos token is to be added, but none is named", where);
  if (spec.add_eos && spec.eos < 0)
    return fail(ErrorKind::format, "{}: an eos token is to be added, but none is named", where);
  return {};
}

void add_end_tokens(TokenizerSpec& spec) {
  constexpr std::string_view names[] = {"<|eot_id|>",    "<|eom_id|>",    "<|im_end|>",     "<|end|>",
                                        "<|endoftext|>", "<end_of_turn>", "<|end_of_text|>"};
  const auto add = [&spec](std::int64_t id) {
    if (std::find(spec.end_tokens.begin(), spec.end_tokens.end(), id) == spec.end_tokens.end())
      spec.end_tokens.push_back(id);
  };
  if (spec.eos >= 0) add(spec.eos);
  for (std::size_t id = 0; id < spec.tokens.size() && id < spec.types.size(); ++id)
    if (spec.types[id] == TokenType::control &&
        std::find(std::begin(names), std::end(names), spec.tokens[id]) != std::end(names))
      add(static_cast<std::int64_t>(id));
}

std::string model_fingerprint(const ModelFile& model) {
  Sha256 digest;
  digest.update(spell(model.config));
  for (const auto& [key, view] : model.tensors) {
    digest.update(fmt::format("{} {} {} [{}]\n", role_name(key.first), key.second, dtype_name(view.type),
                              fmt::join(view.shape, ",")));
    const std::size_t bytes = view.bytes();
    const std::size_t sample = std::min(bytes, sampled_bytes);
    digest.update(std::span(view.data, sample));
    digest.update(std::span(view.data + bytes - sample, sample));
  }
  return digest.hex();
}

}  // namespace tome
