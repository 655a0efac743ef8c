#include "formats/hf_config.h"

#include <cmath>

#include "formats/hf_encoder_config.h"
#include "formats/model_checks.h"
#include "formats/printable.h"

namespace tome {
namespace {

constexpr std::uint32_t max_layers = 1024;

struct Architecture {
  std::string_view name, model_type;
  Family family;
  bool windowed;   ///< sliding_window alone means: every layer
  bool text_part;  ///< the language model's fields are under text_config
};
constexpr Architecture architectures[] = {
    {"LlamaForCausalLM", "llama", Family::llama, false, false},
    {"MistralForCausalLM", "mistral", Family::llama, true, false},
    {"Qwen2ForCausalLM", "qwen2", Family::qwen2, false, false},
    {"Qwen3ForCausalLM", "qwen3", Family::qwen3, false, false},
    {"Gemma3ForCausalLM", "gemma3_text", Family::gemma3, false, false},
    {"Gemma3ForConditionalGeneration", "gemma3", Family::gemma3, false, true},
};

Result<Architecture> architecture_of(const JsonFields& fields) {
  TOME_ASSIGN(const Json* named, fields.array("architectures"));
  TOME_ASSIGN(const auto model_type, fields.text("model_type"));
  std::string name = model_type.value_or("");
  if (named != nullptr && !named->empty()) {
    if (!(*named)[0].is_string()) return fields.wrong_type("architectures", "an array of names");
    name = (*named)[0].get<std::string>();
  }
  if (name.empty())
    return fail(ErrorKind::format, "{}: neither 'architectures' nor 'model_type' is there", fields.where());
  for (const Architecture& known : architectures)
    if (name == known.name || name == known.model_type) return known;
  if (is_hf_encoder(name))
    return fail(ErrorKind::unsupported, "{}: '{}' is an encoder, which only `tome encode` reads", fields.where(), name);
  return fail(ErrorKind::unsupported, "{}: architecture '{}', expected one of llama, mistral, qwen2, qwen3, gemma3",
              fields.where(), printable(name));
}

/// What the reference library assumes for fields that a file of the family leaves out.
struct Defaults {
  std::uint32_t heads, kv_heads, head_dim, vocabulary;  // 0: must be given (kv_heads: as heads, head_dim: hidden/heads)
  std::uint64_t context;
  bool tied;
};
Defaults defaults_of(Family family) {
  switch (family) {
    case Family::gemma3:
      return {8, 4, 256, 262208, 131072, true};
    case Family::qwen3:
      return {0, 0, 128, 0, 32768, false};
    case Family::qwen2:
      return {0, 0, 0, 0, 32768, false};
    case Family::llama:
      return {0, 0, 0, 0, 2048, false};
  }
  return {};
}

class ConfigReader {
 public:
  ConfigReader(const JsonFields& fields, const Architecture& architecture)
      : fields_(fields), architecture_(architecture), defaults_(defaults_of(architecture.family)) {
    config_.family = architecture.family;
  }

  Result<ModelConfig> read() {
    TOME_TRY(counts());
    TOME_TRY(read_hf_rope(fields_, config_));
    TOME_TRY(window());
    TOME_TRY(family_facts());
    TOME_TRY(refused());
    TOME_TRY(check_config(config_, fields_.where()));
    return std::move(config_);
  }

 private:
  bool gemma() const { return config_.family == Family::gemma3; }

  Result<std::uint32_t> count(const char* field, std::uint32_t otherwise) const {
    if (otherwise != 0 && fields_.find(field) == nullptr) return otherwise;
    return fields_.required_count(field);
  }

  Status counts() {
    TOME_ASSIGN(config_.layers, fields_.required_count("num_hidden_layers"));
    if (config_.layers > max_layers)
      return fields_.wrong_type("num_hidden_layers", fmt::format("at most {}", max_layers));
    TOME_ASSIGN(config_.hidden, fields_.required_count("hidden_size"));
    TOME_ASSIGN(config_.heads, count("num_attention_heads", defaults_.heads));
    TOME_ASSIGN(config_.kv_heads,
                count("num_key_value_heads", defaults_.kv_heads != 0 ? defaults_.kv_heads : config_.heads));
    if (fields_.find("head_dim") == nullptr && defaults_.head_dim == 0 && config_.hidden % config_.heads != 0)
      return fail(ErrorKind::format, "{}: 'hidden_size' {} is not a multiple of {} heads, and no 'head_dim' is given",
                  fields_.where(), config_.hidden, config_.heads);
    TOME_ASSIGN(config_.head_dim,
                count("head_dim", defaults_.head_dim != 0 ? defaults_.head_dim : config_.hidden / config_.heads));
    config_.rope_dims = config_.head_dim;
    TOME_ASSIGN(config_.feed_forward, fields_.required_count("intermediate_size"));
    TOME_ASSIGN(config_.vocabulary, count("vocab_size", defaults_.vocabulary));
    TOME_ASSIGN(const auto context, fields_.unsigned_number("max_position_embeddings", UINT64_MAX));
    config_.context_length = context.value_or(defaults_.context);
    TOME_ASSIGN(const auto epsilon, fields_.number("rms_norm_eps"));
    config_.norm_epsilon = static_cast<float>(epsilon.value_or(1e-6));
    TOME_ASSIGN(const auto tied, fields_.boolean("tie_word_embeddings"));
    config_.tied_embeddings = tied.value_or(defaults_.tied);
    return {};
  }

  Status window() {
    config_.local_layers.assign(config_.layers, false);
    TOME_ASSIGN(const auto size, fields_.unsigned_number("sliding_window"));
    TOME_ASSIGN(const auto used, fields_.boolean("use_sliding_window"));
    const bool by_switch = config_.family == Family::qwen2 || config_.family == Family::qwen3;
    if (by_switch && !used.value_or(false)) return {};
    TOME_ASSIGN(const Json* types, fields_.array("layer_types"));
    config_.sliding_window = static_cast<std::uint32_t>(size.value_or(0));
    if (types != nullptr) {
      TOME_TRY(window_types(*types));
    } else if (gemma()) {
      TOME_TRY(window_period());
    } else if (by_switch) {
      TOME_ASSIGN(const auto first, fields_.unsigned_number("max_window_layers"));
      for (std::uint64_t layer = first.value_or(28); layer < config_.layers; ++layer)
        config_.local_layers[layer] = true;
    } else if (architecture_.windowed && config_.sliding_window != 0) {
      config_.local_layers.assign(config_.layers, true);
    }
    bool any = false;
    for (const bool local : config_.local_layers) any = any || local;
    if (!any) config_.sliding_window = 0;
    return {};
  }

  Status window_types(const Json& types) {
    if (types.size() != config_.layers)
      return fields_.wrong_type("layer_types", fmt::format("{}, one a layer", config_.layers));
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
      if (types[layer] == "sliding_attention")
        config_.local_layers[layer] = true;
      else if (types[layer] != "full_attention")
        return fail(ErrorKind::unsupported, "{}: '{}[{}]' is {}, expected full_attention or sliding_attention",
                    fields_.where(), fields_.name("layer_types"), layer, shown(types[layer]));
    }
    return {};
  }

  /// Gemma 3: every sixth layer (or as given) sees everything.
  Status window_period() {
    std::uint64_t period = 6;
    for (const char* field : {"sliding_window_pattern", "_sliding_window_pattern"}) {
      TOME_ASSIGN(const auto given, fields_.unsigned_number(field));
      if (given) period = *given;
    }
    if (period == 0)
      return fail(ErrorKind::format, "{}: '{}' is zero", fields_.where(), fields_.name("sliding_window_pattern"));
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer)
      config_.local_layers[layer] = layer % period != period - 1;
    if (config_.sliding_window == 0) config_.sliding_window = 4096;
    return {};
  }

  Status family_facts() {
    config_.qk_norm = gemma() || config_.family == Family::qwen3;
    config_.attention_scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
    const char* field = gemma() ? "hidden_activation" : "hidden_act";
    const std::string_view expected = gemma() ? "gelu_pytorch_tanh" : "silu";
    TOME_ASSIGN(const auto activation, fields_.text(field));
    if (activation && *activation != expected)
      return fail(ErrorKind::unsupported, "{}: '{}' is '{}', expected '{}'", fields_.where(), fields_.name(field),
                  printable(*activation), expected);
    if (!gemma()) return {};
    config_.activation = Activation::gelu_tanh;
    config_.post_norms = true;
    config_.embedding_scale = std::sqrt(static_cast<float>(config_.hidden));
    config_.norm_weight_offset = 1.0f;
    TOME_ASSIGN(const auto scalar, fields_.number("query_pre_attn_scalar"));
    config_.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar.value_or(256.0)));
    TOME_ASSIGN(const auto cap, fields_.number("final_logit_softcapping"));
    config_.final_logit_softcap = static_cast<float>(cap.value_or(0.0));
    return {};
  }

  /// Fields whose effect Tome would otherwise drop in silence.
  Status refused() const {
    TOME_ASSIGN(const auto attention_cap, fields_.number("attn_logit_softcapping"));
    if (attention_cap)
      return fail(ErrorKind::unsupported, "{}: '{}' is {}, expected null", fields_.where(),
                  fields_.name("attn_logit_softcapping"), *attention_cap);
    TOME_ASSIGN(const auto both_ways, fields_.boolean("use_bidirectional_attention"));
    if (both_ways.value_or(false))
      return fail(ErrorKind::unsupported, "{}: '{}' is true: only causal attention is supported", fields_.where(),
                  fields_.name("use_bidirectional_attention"));
    return {};
  }

  const JsonFields& fields_;
  const Architecture& architecture_;
  Defaults defaults_;
  ModelConfig config_;
};

Result<std::vector<std::int64_t>> token_ids(const JsonFields& fields, const char* field) {
  std::vector<std::int64_t> result;
  const Json* value = fields.find(field);
  if (value == nullptr) return result;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& id : list) {
    if (id == -1) continue;  // old files' way to say "none"
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > INT32_MAX)
      return fields.wrong_type(field, "a token id or a list of them");
    result.push_back(id.get<std::int64_t>());
  }
  return result;
}

Result<Json> parse_object(std::string_view text, const std::string& where) {
  TOME_ASSIGN(Json root, parse_json(text, where, {.allow_bare_infinity = true}));
  if (!root.is_object()) return fail(ErrorKind::format, "{}: {}, expected an object", where, shown(root));
  return root;
}

}  // namespace

Result<HfConfig> parse_hf_config(std::string_view text, const std::string& name) {
  const std::string where = "[hf] " + name;
  TOME_ASSIGN(const Json root, parse_object(text, where));
  const JsonFields outer(root, where);
  TOME_ASSIGN(const Architecture architecture, architecture_of(outer));
  if (const Json* quantized = outer.find("quantization_config"))
    return fail(ErrorKind::unsupported, "{}: 'quantization_config' is {}: only float weights are read from folders",
                where, shown(*quantized));
  TOME_ASSIGN(const auto text_part, outer.object("text_config"));
  if (architecture.text_part && !text_part) return fail(ErrorKind::format, "{}: 'text_config' is missing", where);
  const JsonFields fields = architecture.text_part ? *text_part : outer;
  HfConfig result;
  TOME_ASSIGN(result.config, ConfigReader(fields, architecture).read());
  for (const JsonFields* level : {&outer, &fields}) {
    TOME_ASSIGN(const auto ends, token_ids(*level, "eos_token_id"));
    if (result.end_tokens.empty()) result.end_tokens = ends;
    for (const auto& [field, target] :
         {std::pair{"bos_token_id", &result.bos}, std::pair{"pad_token_id", &result.pad}}) {
      TOME_ASSIGN(const auto ids, token_ids(*level, field));
      if (*target < 0 && !ids.empty()) *target = ids[0];
    }
  }
  for (const auto& [key, value] : root.items()) result.metadata.emplace_back(printable(key), shown(value));
  return result;
}

Result<std::vector<std::int64_t>> parse_hf_generation_config(std::string_view text, const std::string& name) {
  const std::string where = "[hf] " + name;
  TOME_ASSIGN(const Json root, parse_object(text, where));
  return token_ids(JsonFields(root, where), "eos_token_id");
}

std::string hf_tensor_name(Family family, Role role, int layer) {
  const bool gemma = family == Family::gemma3;
  const auto suffix = [role, gemma]() -> std::string_view {
    switch (role) {
      case Role::token_embedding:
        return "embed_tokens.weight";
      case Role::output_norm:
        return "norm.weight";
      case Role::output:
        return "lm_head.weight";
      case Role::attention_norm:
        return "input_layernorm.weight";
      case Role::query:
        return "self_attn.q_proj.weight";
      case Role::key:
        return "self_attn.k_proj.weight";
      case Role::value:
        return "self_attn.v_proj.weight";
      case Role::attention_output:
        return "self_attn.o_proj.weight";
      case Role::query_bias:
        return "self_attn.q_proj.bias";
      case Role::key_bias:
        return "self_attn.k_proj.bias";
      case Role::value_bias:
        return "self_attn.v_proj.bias";
      case Role::query_norm:
        return "self_attn.q_norm.weight";
      case Role::key_norm:
        return "self_attn.k_norm.weight";
      // The same name, one place further down the layer in Gemma 3.
      case Role::post_attention_norm:
        return "post_attention_layernorm.weight";
      case Role::feed_forward_norm:
        return gemma ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight";
      case Role::gate:
        return "mlp.gate_proj.weight";
      case Role::up:
        return "mlp.up_proj.weight";
      case Role::down:
        return "mlp.down_proj.weight";
      case Role::post_feed_forward_norm:
        return "post_feedforward_layernorm.weight";
    }
    return "";
  }();
  return layer < 0 ? std::string(suffix) : fmt::format("layers.{}.{}", layer, suffix);
}

}  // namespace tome
