#include "position/position_methods.h"

#include <array>

#include "base/check.h"
#include "position/article_yarn.h"
#include "position/dual_chunk.h"
#include "position/dynamic_ntk.h"
#include "position/linear_interpolation.h"
#include "position/llama3_scaling.h"
#include "position/longrope.h"
#include "position/ntk_aware.h"
#include "position/ntk_by_parts.h"
#include "position/rope.h"
#include "position/self_extend.h"
#include "position/yarn.h"

namespace tome {
namespace {

MethodResult one_part(const std::vector<double>& frequencies, double magnitude = 1.0, double softmax_scale = 1.0) {
  PositionPart part;
  part.table = {.inverse_frequencies = to_single(frequencies),
                .magnitude = static_cast<float>(magnitude),
                .softmax_scale = static_cast<float>(softmax_scale)};
  MethodResult result;
  result.parts.push_back(std::move(part));
  return result;
}

Result<MethodResult> build_native(const MethodInputs& in) { return one_part(rope_frequencies(in.base, in.dims)); }

Result<MethodResult> build_linear(const MethodInputs& in) {
  return one_part(linear_interpolation(in.base, in.dims, in.factor));
}

Result<MethodResult> build_ntk(const MethodInputs& in) {
  MethodResult result = one_part(ntk_aware(in.base, in.dims, in.factor, in.options.ntk_alpha));
  result.notes.push_back(fmt::format("base {:.6g} becomes {:.6g}", in.base,
                                     ntk_aware_base(in.base, in.dims, in.factor, in.options.ntk_alpha)));
  if (in.options.ntk_alpha) {
    result.notes.push_back(fmt::format("alpha {:.6g} on the base; the one of NTK-aware scaling is d/(d-2) = {:.6g}",
                                       *in.options.ntk_alpha, in.dims / (in.dims - 2.0)));
  }
  return result;
}

Result<MethodResult> build_dynamic_ntk(const MethodInputs& in) {
  const double trained = static_cast<double>(in.trained), length = static_cast<double>(in.target);
  MethodResult result = one_part(dynamic_ntk(in.base, in.dims, trained, length, in.factor));
  result.notes.push_back(fmt::format("base {:.6g} becomes {:.6g} at {} tokens{}", in.base,
                                     dynamic_ntk_base(in.base, in.dims, trained, length, in.factor), in.target,
                                     in.factor == 1.0 ? " (the paper's form, s = l/L)" : " (Hugging Face's form)"));
  return result;
}

Result<MethodResult> build_ntk_by_parts(const MethodInputs& in) {
  return one_part(ntk_by_parts(in.base, in.dims, static_cast<double>(in.trained), in.factor));
}

YarnAttention attention_of(const MethodInputs& in) {
  YarnAttentionSettings settings{.attention_factor = in.options.attention_factor};
  if (in.declared_method) {
    settings.mscale = in.declared.mscale;
    settings.mscale_all_dim = in.declared.mscale_all_dim;
    if (!settings.attention_factor) {
      settings.attention_factor = in.declared.attention_factor;
      settings.attention_factor_multiplies = in.declared.attention_factor_multiplies;
    }
  }
  return yarn_attention(in.factor, settings);
}

YarnRamp ramp_of(const PositionOptions& options) {
  return {.beta_fast = options.beta_fast, .beta_slow = options.beta_slow, .truncate = options.truncate};
}

Result<MethodResult> build_yarn(const MethodInputs& in) {
  const double trained = static_cast<double>(in.trained);
  const YarnAttention attention = attention_of(in);
  MethodResult result = one_part(yarn(in.base, in.dims, trained, in.factor, ramp_of(in.options)), attention.magnitude,
                                 attention.softmax_scale);
  const CorrectionRange range = yarn_correction_range(in.base, in.dims, trained, ramp_of(in.options));
  result.notes.push_back(fmt::format("ramp over pairs {:.6g} to {:.6g} of {}, linear in the dimension index", range.low,
                                     range.high, in.dims / 2));
  return result;
}

Result<MethodResult> build_yarn_paper(const MethodInputs& in) {
  const YarnAttention attention = attention_of(in);
  MethodResult result =
      one_part(yarn_paper(in.base, in.dims, static_cast<double>(in.trained), in.factor, ramp_of(in.options)),
               attention.magnitude, attention.softmax_scale);
  result.notes.push_back(fmt::format("ramp over {:.6g} to {:.6g} rotations, linear in rotations as in the paper",
                                     in.options.beta_slow, in.options.beta_fast));
  return result;
}

Result<MethodResult> build_longrope(const MethodInputs& in) {
  const bool is_long =
      longrope_list(static_cast<double>(in.target), static_cast<double>(in.trained)) == LongropeList::long_factors;
  const std::vector<float>& factors = is_long ? in.declared.long_factors : in.declared.short_factors;
  const std::string_view list = is_long ? "long" : "short";
  if (factors.size() != in.dims / 2) {
    return fail(ErrorKind::usage, "[positions] longrope: the model file has {} {} factors, expected {}", factors.size(),
                list, in.dims / 2);
  }
  double magnitude = longrope_magnitude(in.factor, static_cast<double>(in.trained));
  // GGUF's attn_factor is m itself here: its converters write the square root.
  if (in.declared_method && in.declared.attention_factor) magnitude = *in.declared.attention_factor;
  if (in.options.attention_factor) magnitude = *in.options.attention_factor;
  MethodResult result = one_part(longrope(in.base, in.dims, factors), magnitude);
  result.notes.push_back(
      fmt::format("{} factors ({} tokens against {} original); keys cached under the other list are stale", list,
                  in.target, in.trained));
  return result;
}

Result<MethodResult> build_llama3(const MethodInputs& in) {
  const Llama3Scaling scaling{.factor = in.factor,
                              .low_freq_factor = in.declared.low_freq_factor,
                              .high_freq_factor = in.declared.high_freq_factor,
                              .original_length = static_cast<double>(in.trained)};
  return one_part(llama3_scaling(in.base, in.dims, scaling));
}

Result<MethodResult> build_self_extend(const MethodInputs& in) {
  SelfExtend options{.group = in.options.group, .neighbour_window = in.options.neighbour_window, .trained = in.trained};
  if (options.neighbour_window == 0 || options.neighbour_window >= in.trained) {
    return fail(ErrorKind::usage, "[positions] self-extend: neighbour window {}, expected 1 to {} (trained length - 1)",
                options.neighbour_window, in.trained - 1);
  }
  if (in.options.factor) {
    options.group = self_extend_group(static_cast<std::uint64_t>(in.factor * static_cast<double>(in.trained)),
                                      in.trained, options.neighbour_window);
  }
  if (options.group < 2) {
    return fail(ErrorKind::usage, "[positions] self-extend: group {} changes nothing, expected 2 or more",
                options.group);
  }
  const std::uint64_t capacity = self_extend_capacity(options);
  if (in.target > capacity) {
    return fail(ErrorKind::usage,
                "[positions] self-extend: {} tokens, but group {} and window {} reach {}; group {} would do", in.target,
                options.group, options.neighbour_window, capacity,
                self_extend_group(in.target, in.trained, options.neighbour_window));
  }
  MethodResult result;
  result.parts = self_extend_parts(options, one_part(rope_frequencies(in.base, in.dims)).parts.front().table);
  result.notes.push_back(fmt::format("group {}, neighbour window {}, capacity {} tokens", options.group,
                                     options.neighbour_window, capacity));
  result.notes.push_back(fmt::format("queries x max(1, ln(p + 1) / ln {})", in.trained));
  return result;
}

Result<MethodResult> build_dual_chunk(const MethodInputs& in) {
  const DualChunk chunk = dual_chunk(in.trained);
  if (chunk.length() == 0 || chunk.local == 0) {
    return fail(ErrorKind::usage, "[positions] dual-chunk: trained length {}, expected 8 or more", in.trained);
  }
  MethodResult result;
  result.parts = dual_chunk_parts(chunk, one_part(rope_frequencies(in.base, in.dims),
                                                  in.options.attention_factor.value_or(dual_chunk_magnitude(in.factor)))
                                             .parts.front()
                                             .table);
  result.notes.push_back(fmt::format("chunks of {} keys, query positions up to {}", chunk.length(), chunk.size));
  return result;
}

Result<MethodResult> build_article_yarn(const MethodInputs& in) {
  const double temperature = article_temperature(in.factor);
  MethodResult result = one_part(article_yarn(in.base, in.dims, in.factor), 1.0, 1.0 / temperature);
  result.notes.push_back(
      fmt::format("the article's formula, not YaRN: T = {:.6g} flattens, the paper's {:.6g} sharpens", temperature,
                  1.0 / (yarn_magnitude(in.factor) * yarn_magnitude(in.factor))));
  return result;
}

constexpr std::array<PositionMethod, 12> kMethods{{
    {ScalingMethod::yarn, "yarn", "YaRN with the ramp of the public implementations", build_yarn},
    {ScalingMethod::yarn_paper, "yarn-paper", "YaRN with the paper's ramp over rotations", build_yarn_paper},
    {ScalingMethod::linear, "linear", "position interpolation: every frequency / s", build_linear},
    {ScalingMethod::longrope, "longrope", "searched factors from the model file", build_longrope},
    {ScalingMethod::llama3, "llama3", "Llama 3.1: slow wavelengths / f", build_llama3},
    {ScalingMethod::ntk_by_parts, "ntk-by-parts", "the predecessor of YaRN, two ramps", build_ntk_by_parts},
    {ScalingMethod::ntk, "ntk", "NTK-aware: a larger base", build_ntk},
    {ScalingMethod::dynamic_ntk, "dynamic-ntk", "NTK-aware with a base that follows the length", build_dynamic_ntk},
    {ScalingMethod::self_extend, "self-extend", "grouped positions beyond a neighbour window", build_self_extend},
    {ScalingMethod::dual_chunk, "dual-chunk", "chunked positions within the trained range", build_dual_chunk},
    {ScalingMethod::article_yarn, "article-yarn", "uniform interpolation and T = 0.5 + 0.5 s; not YaRN",
     build_article_yarn},
    {ScalingMethod::none, "none", "as trained", build_native},
}};

}  // namespace

std::span<const PositionMethod> position_methods() { return kMethods; }

const PositionMethod& position_method(ScalingMethod method) {
  for (const PositionMethod& entry : kMethods) {
    if (entry.method == method) return entry;
  }
  CHECK(false && "every method is in the registry");
  return kMethods.back();
}

}  // namespace tome
