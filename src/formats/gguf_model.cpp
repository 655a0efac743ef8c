#include "formats/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "formats/model_checks.h"
#include "formats/printable.h"
#include "formats/tensor_layout.h"

namespace tome {
namespace {

constexpr std::uint32_t gemma3_window_period = 6;
constexpr double gemma3_local_base = 1e4;
constexpr std::uint32_t gemma3_27b_layers = 62;  // the one size whose scale is 1/√(hidden/heads); the file has no key

Result<Family> family_of(const GgufFile& file) {
  TOME_ASSIGN(const auto architecture, GgufKeys(file).text("general.architecture"));
  if (!architecture) return fail(ErrorKind::format, "[gguf] {}: key 'general.architecture' is missing", file.name);
  for (const Family family : {Family::llama, Family::qwen2, Family::qwen3, Family::gemma3})
    if (*architecture == family_name(family)) return family;
  return fail(ErrorKind::unsupported, "[gguf] {}: architecture '{}', expected llama, qwen2, qwen3 or gemma3", file.name,
              printable(*architecture));
}

const GgufTensor* find_tensor(const std::vector<GgufFile>& parts, std::string_view name) {
  for (const GgufFile& part : parts)
    for (const GgufTensor& tensor : part.tensors)
      if (tensor.name == name) return &tensor;
  return nullptr;
}

/// Fills a ModelConfig from the keys of one file.
class ConfigReader {
 public:
  ConfigReader(const std::vector<GgufFile>& parts, Family family)
      : parts_(parts), file_(parts[0]), keys_(file_), prefix_(std::string(family_name(family)) + ".") {
    config_.family = family;
  }

  Result<ModelConfig> read() {
    TOME_TRY(counts());
    TOME_TRY(positions());
    TOME_TRY(scaling());
    TOME_TRY(window());
    TOME_TRY(family_facts());
    return std::move(config_);
  }

 private:
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }

  Status counts() {
    TOME_ASSIGN(const auto name, keys_.text("general.name"));
    config_.name = name.value_or("");
    TOME_ASSIGN(config_.layers, keys_.required_count(key("block_count")));
    if (config_.layers > 1024)
      return fail(ErrorKind::format, "[gguf] {}: key '{}': {} layers, expected at most 1024", file_.name,
                  key("block_count"), config_.layers);
    TOME_ASSIGN(config_.hidden, keys_.required_count(key("embedding_length")));
    TOME_ASSIGN(const auto heads, keys_.per_layer_count(key("attention.head_count"), config_.layers));
    if (!heads)
      return fail(ErrorKind::format, "[gguf] {}: key '{}' is missing", file_.name, key("attention.head_count"));
    config_.heads = *heads;
    TOME_ASSIGN(const auto kv_heads, keys_.per_layer_count(key("attention.head_count_kv"), config_.layers));
    config_.kv_heads = kv_heads.value_or(config_.heads);
    TOME_ASSIGN(const auto inner, keys_.per_layer_count(key("feed_forward_length"), config_.layers));
    if (!inner)
      return fail(ErrorKind::format, "[gguf] {}: key '{}' is missing", file_.name, key("feed_forward_length"));
    config_.feed_forward = *inner;
    TOME_TRY(head_size());
    TOME_ASSIGN(const auto context, keys_.unsigned_number(key("context_length"), UINT64_MAX));
    if (!context) return fail(ErrorKind::format, "[gguf] {}: key '{}' is missing", file_.name, key("context_length"));
    config_.context_length = *context;
    TOME_ASSIGN(const auto epsilon, keys_.number(key("attention.layer_norm_rms_epsilon")));
    if (!epsilon)
      return fail(ErrorKind::format, "[gguf] {}: key '{}' is missing", file_.name,
                  key("attention.layer_norm_rms_epsilon"));
    config_.norm_epsilon = static_cast<float>(*epsilon);
    return experts();
  }

  Status experts() {
    TOME_ASSIGN(const auto experts, keys_.unsigned_number(key("expert_count")));
    if (experts.value_or(0) != 0)
      return fail(ErrorKind::unsupported, "[gguf] {}: a mixture of {} experts", file_.name, *experts);
    return {};
  }

  Status head_size() {
    TOME_ASSIGN(const auto key_length, keys_.unsigned_number(key("attention.key_length")));
    TOME_ASSIGN(const auto value_length, keys_.unsigned_number(key("attention.value_length")));
    if (key_length) {
      config_.head_dim = static_cast<std::uint32_t>(*key_length);
    } else {
      if (config_.hidden % config_.heads != 0)
        return fail(ErrorKind::format,
                    "[gguf] {}: hidden size {} is not a multiple of {} heads, and no key_length is given", file_.name,
                    config_.hidden, config_.heads);
      config_.head_dim = config_.hidden / config_.heads;
    }
    if (value_length.value_or(config_.head_dim) != config_.head_dim)
      return fail(ErrorKind::unsupported, "[gguf] {}: values of {} dimensions beside keys of {}", file_.name,
                  *value_length, config_.head_dim);
    return {};
  }

  Status positions() {
    TOME_ASSIGN(const auto theta, keys_.number(key("rope.freq_base")));
    config_.rope_theta = theta.value_or(10000.0);
    TOME_ASSIGN(const auto local, keys_.number(key("rope.freq_base_swa")));
    config_.rope_theta_local =
        local.value_or(config_.family == Family::gemma3 ? gemma3_local_base : config_.rope_theta);
    TOME_ASSIGN(const auto dims, keys_.unsigned_number(key("rope.dimension_count")));
    config_.rope_dims = static_cast<std::uint32_t>(dims.value_or(config_.head_dim));
    // llama's converter permutes the rows of q and k so that pairs are neighbours; the other families keep halves.
    config_.rope_pairs = config_.family == Family::llama ? RopePairs::interleaved : RopePairs::halves;
    return {};
  }

  Status scaling() {
    DeclaredScaling& scaling = config_.scaling;
    TOME_ASSIGN(const auto type, keys_.text(key("rope.scaling.type")));
    TOME_ASSIGN(const auto legacy, keys_.number(key("rope.scale_linear")));
    scaling.type = type.value_or(legacy && *legacy != 1.0 ? "linear" : "none");
    if (scaling.type != "none" && scaling.type != "linear" && scaling.type != "yarn" && scaling.type != "longrope")
      return fail(ErrorKind::unsupported, "[gguf] {}: {} '{}', expected none, linear, yarn or longrope", file_.name,
                  key("rope.scaling.type"), printable(scaling.type));
    TOME_ASSIGN(const auto factor, keys_.number(key("rope.scaling.factor")));
    scaling.explicit_factor = factor.has_value() || legacy.has_value();
    scaling.factor = factor ? *factor : legacy.value_or(1.0);
    // Converters write 0 for "not set".
    if (scaling.factor == 0.0) scaling.factor = 1.0, scaling.explicit_factor = false;
    TOME_ASSIGN(scaling.original_context_length,
                keys_.unsigned_number(key("rope.scaling.original_context_length"), UINT64_MAX));
    TOME_TRY(yarn());
    TOME_TRY(factors("rope_factors_short.weight", scaling.short_factors));
    TOME_TRY(factors("rope_factors_long.weight", scaling.long_factors));
    TOME_TRY(factors("rope_freqs.weight", scaling.frequency_factors));
    if (!scaling.frequency_factors.empty() && scaling.type == "none") scaling.type = "llama3";
    return {};
  }

  Status yarn() {
    DeclaredScaling& scaling = config_.scaling;
    for (const char* name : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"}) {
      TOME_ASSIGN(const auto factor, keys_.number(key(name)));
      if (factor) scaling.attention_factor = *factor, scaling.attention_factor_multiplies = true;
    }
    TOME_ASSIGN(const auto fast, keys_.number(key("rope.scaling.yarn_beta_fast")));
    TOME_ASSIGN(const auto slow, keys_.number(key("rope.scaling.yarn_beta_slow")));
    scaling.beta_fast = fast.value_or(scaling.beta_fast);
    scaling.beta_slow = slow.value_or(scaling.beta_slow);
    TOME_ASSIGN(const auto extension, keys_.number(key("rope.scaling.yarn_ext_factor")));
    if (extension && *extension != 1.0 && *extension != -1.0)
      return fail(ErrorKind::unsupported, "[gguf] {}: {} {}, expected 1 (the whole ramp)", file_.name,
                  key("rope.scaling.yarn_ext_factor"), *extension);
    TOME_ASSIGN(const auto log_multiplier, keys_.number(key("rope.scaling.yarn_log_multiplier")));
    if (log_multiplier && *log_multiplier != 0.0)
      return fail(ErrorKind::unsupported, "[gguf] {}: {} {}, expected 0 in this family", file_.name,
                  key("rope.scaling.yarn_log_multiplier"), *log_multiplier);
    return {};
  }

  Status factors(std::string_view name, std::vector<float>& result) const {
    const GgufTensor* tensor = find_tensor(parts_, name);
    if (tensor == nullptr) return {};
    if (tensor->type != DType::f32)
      return fail(ErrorKind::format, "[gguf] {}: tensor '{}': type {}, expected f32", file_.name, name,
                  dtype_name(tensor->type));
    result.resize(tensor->data.size() / sizeof(float));
    std::memcpy(result.data(), tensor->data.data(), tensor->data.size());
    return {};
  }

  Status window() {
    TOME_ASSIGN(const auto size, keys_.unsigned_number(key("attention.sliding_window")));
    config_.sliding_window = static_cast<std::uint32_t>(size.value_or(0));
    config_.local_layers.assign(config_.layers, config_.sliding_window != 0);
    const std::string pattern = key("attention.sliding_window_pattern");
    const GgufValue* value = file_.find(pattern);
    if (value != nullptr && value->type == GgufType::array) return window_flags(pattern, *value);
    TOME_ASSIGN(const auto given, keys_.unsigned_number(pattern));
    const std::uint64_t period = given.value_or(config_.family == Family::gemma3 ? gemma3_window_period : 0);
    // Every period-th layer sees everything; 0 and absent: all layers are alike.
    if (config_.sliding_window != 0 && period != 0)
      for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
        config_.local_layers[layer] = layer % period != period - 1;
    if (config_.family == Family::gemma3 && config_.sliding_window == 0)
      return fail(ErrorKind::format, "[gguf] {}: key '{}' is missing or zero", file_.name,
                  key("attention.sliding_window"));
    return {};
  }

  Status window_flags(const std::string& pattern, const GgufValue& value) {
    if (value.count != config_.layers)
      return fail(ErrorKind::format, "[gguf] {}: key '{}': an array of {} values, expected {}, one a layer", file_.name,
                  pattern, value.count, config_.layers);
    if (value.element != GgufType::boolean)
      return fail(ErrorKind::format, "[gguf] {}: key '{}': an array of {}, expected bool", file_.name, pattern,
                  gguf_type_name(value.element));
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
      config_.local_layers[layer] = value.scalar(layer).bits != 0;
    return {};
  }

  Status family_facts() {
    config_.attention_scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
    config_.qk_norm = config_.family == Family::qwen3 || config_.family == Family::gemma3;
    if (config_.family == Family::gemma3) {
      config_.post_norms = true;
      config_.activation = Activation::gelu_tanh;
      config_.embedding_scale = std::sqrt(static_cast<float>(config_.hidden));
      if (config_.layers == gemma3_27b_layers)
        config_.attention_scale =
            1.0f / std::sqrt(static_cast<float>(config_.hidden) / static_cast<float>(config_.heads));
    }
    TOME_ASSIGN(const auto scale, keys_.number(key("attention.scale")));
    if (scale && *scale != 0.0) config_.attention_scale = static_cast<float>(*scale);
    TOME_ASSIGN(const auto cap, keys_.number(key("final_logit_softcapping")));
    config_.final_logit_softcap = static_cast<float>(cap.value_or(0.0));
    TOME_ASSIGN(const auto attention_cap, keys_.number(key("attn_logit_softcapping")));
    if (attention_cap.value_or(0.0) != 0.0)
      return fail(ErrorKind::unsupported, "[gguf] {}: {} {}, expected none", file_.name, key("attn_logit_softcapping"),
                  *attention_cap);
    return {};
  }

  const std::vector<GgufFile>& parts_;
  const GgufFile& file_;
  GgufKeys keys_;
  std::string prefix_;
  ModelConfig config_;
};

std::string shown(const GgufValue& value) {
  switch (value.type) {
    case GgufType::string:
      return printable(value.text, 120);
    case GgufType::array:
      return fmt::format("[{} × {}]", value.count, gguf_type_name(value.element));
    case GgufType::boolean:
      return value.bits != 0 ? "true" : "false";
    case GgufType::f32:
      return fmt::format("{}", static_cast<float>(*value.as_number()));
    case GgufType::f64:
      return fmt::format("{}", *value.as_number());
    case GgufType::u64:
      return fmt::format("{}", value.bits);
    default:
      return fmt::format("{}", *value.as_signed());
  }
}

Result<std::vector<NamedTensor>> named_tensors(const std::vector<GgufFile>& parts) {
  std::vector<NamedTensor> result;
  std::unordered_set<std::string_view> names;
  for (const GgufFile& part : parts)
    for (const GgufTensor& tensor : part.tensors) {
      if (!names.insert(tensor.name).second)
        return fail(ErrorKind::format, "[gguf] {}: tensor '{}' is in an earlier part too", part.name,
                    printable(tensor.name));
      TensorView view;
      view.type = tensor.type;
      view.data = tensor.data.data();
      view.shape.assign(tensor.dimensions.rbegin(), tensor.dimensions.rend());
      result.push_back({std::string(tensor.name), std::move(view)});
    }
  return result;
}

/// Read into the configuration above, or precomputed tables that Tome computes itself.
bool carries_nothing(std::string_view name) {
  return name == "rope_freqs.weight" || name == "rope_factors_long.weight" || name == "rope_factors_short.weight" ||
         name.ends_with(".attn_rot_embd.weight") || name.ends_with(".rope_freqs.weight");
}

}  // namespace

std::string gguf_tensor_name(Role role, int layer) {
  const auto suffix = [role]() -> std::string_view {
    switch (role) {
      case Role::token_embedding:
        return "token_embd.weight";
      case Role::output_norm:
        return "output_norm.weight";
      case Role::output:
        return "output.weight";
      case Role::attention_norm:
        return "attn_norm.weight";
      case Role::query:
        return "attn_q.weight";
      case Role::key:
        return "attn_k.weight";
      case Role::value:
        return "attn_v.weight";
      case Role::attention_output:
        return "attn_output.weight";
      case Role::query_bias:
        return "attn_q.bias";
      case Role::key_bias:
        return "attn_k.bias";
      case Role::value_bias:
        return "attn_v.bias";
      case Role::query_norm:
        return "attn_q_norm.weight";
      case Role::key_norm:
        return "attn_k_norm.weight";
      case Role::post_attention_norm:
        return "post_attention_norm.weight";
      case Role::feed_forward_norm:
        return "ffn_norm.weight";
      case Role::gate:
        return "ffn_gate.weight";
      case Role::up:
        return "ffn_up.weight";
      case Role::down:
        return "ffn_down.weight";
      case Role::post_feed_forward_norm:
        return "post_ffw_norm.weight";
    }
    return "";
  }();
  return layer < 0 ? std::string(suffix) : fmt::format("blk.{}.{}", layer, suffix);
}

Result<ModelFile> model_from_gguf(const std::vector<GgufFile>& parts) {
  const GgufFile& file = parts.at(0);
  const std::string where = "[gguf] " + file.name;
  TOME_ASSIGN(const Family family, family_of(file));
  ModelFile model;
  TOME_ASSIGN(model.config, ConfigReader(parts, family).read());
  TOME_ASSIGN(model.tokenizer, tokenizer_from_gguf(file));
  TOME_TRY(check_tokenizer(model.tokenizer, where));
  model.config.vocabulary =
      static_cast<std::uint32_t>(std::min<std::size_t>(model.tokenizer.tokens.size(), UINT32_MAX));
  model.config.tied_embeddings = find_tensor(parts, gguf_tensor_name(Role::output, -1)) == nullptr;
  TOME_TRY(check_config(model.config, where));
  TOME_ASSIGN(const std::vector<NamedTensor> tensors, named_tensors(parts));
  TOME_TRY(attach_tensors(model, tensors, where, gguf_tensor_name, carries_nothing));
  model.fingerprint = model_fingerprint(model);
  for (const auto& [key, value] : file.metadata) model.metadata.emplace_back(printable(key), shown(value));
  return model;
}

}  // namespace tome
