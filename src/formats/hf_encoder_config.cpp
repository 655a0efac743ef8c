#include "formats/hf_encoder_config.h"

#include <cmath>

#include "formats/json_fields.h"
#include "formats/printable.h"

namespace tome {
namespace {

constexpr std::uint32_t max_layers = 1024, max_heads = 4096, max_head_dim = 4096, max_width = 1u << 20;
constexpr std::uint32_t max_vocabulary = 1u << 24, max_positions = 1u << 20, max_token_types = 1u << 16;
constexpr std::uint32_t max_window = 1u << 21, max_blocks = 1u << 20;

struct Architecture {
  std::string_view name;
  EncoderFamily family;
  bool has_head;
};
constexpr Architecture architectures[] = {
    {"LongformerModel", EncoderFamily::longformer, false},
    {"longformer", EncoderFamily::longformer, false},
    {"LongformerForMaskedLM", EncoderFamily::longformer, true},
    {"BigBirdModel", EncoderFamily::bigbird, false},
    {"big_bird", EncoderFamily::bigbird, false},
    {"BigBirdForMaskedLM", EncoderFamily::bigbird, true},
    {"BigBirdForPreTraining", EncoderFamily::bigbird, true},
};

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& known : architectures)
    if (name == known.name) return &known;
  return nullptr;
}

Result<Architecture> architecture_of(const JsonFields& fields) {
  TOME_ASSIGN(const Json* named, fields.array("architectures"));
  TOME_ASSIGN(const auto model_type, fields.text("model_type"));
  std::string name = model_type.value_or("");
  if (named != nullptr && !named->empty()) {
    if (!(*named)[0].is_string()) return fields.wrong_type("architectures", "an array of architectures");
    name = (*named)[0].get<std::string>();
  }
  if (const Architecture* known = find_architecture(name)) return *known;
  return fail(ErrorKind::unsupported,
              "{}: architecture '{}', expected an encoder: LongformerModel, LongformerForMaskedLM, BigBirdModel, "
              "BigBirdForMaskedLM or BigBirdForPreTraining",
              fields.where(), printable(name));
}

class EncoderConfigReader {
 public:
  EncoderConfigReader(const JsonFields& fields, const Architecture& architecture) : fields_(fields) {
    config_.family = architecture.family;
  }

  Result<EncoderConfig> read() {
    TOME_TRY(refused());
    TOME_TRY(counts());
    TOME_TRY(activations());
    TOME_TRY(config_.family == EncoderFamily::longformer ? longformer() : bigbird());
    return std::move(config_);
  }

 private:
  Result<std::uint32_t> in_range(const char* field, std::uint64_t otherwise, std::uint32_t most) const {
    TOME_ASSIGN(const auto given, fields_.unsigned_number(field));
    const std::uint64_t value = given.value_or(otherwise);
    if (value == 0 || value > most)
      return fail(ErrorKind::format, "{}: '{}' is {}, expected 1 to {}", fields_.where(), field, value, most);
    return static_cast<std::uint32_t>(value);
  }
  Result<std::uint32_t> required(const char* field, std::uint32_t most) const {
    TOME_ASSIGN(const std::uint32_t count, fields_.required_count(field));
    return in_range(field, count, most);
  }

  Status counts() {
    TOME_ASSIGN(config_.layers, required("num_hidden_layers", max_layers));
    TOME_ASSIGN(config_.hidden, required("hidden_size", max_width));
    TOME_ASSIGN(config_.heads, required("num_attention_heads", max_heads));
    if (config_.hidden % config_.heads != 0)
      return fail(ErrorKind::format, "{}: 'hidden_size' {} is not a multiple of {} heads", fields_.where(),
                  config_.hidden, config_.heads);
    config_.head_dim = config_.hidden / config_.heads;
    if (config_.head_dim > max_head_dim)
      return fail(ErrorKind::format, "{}: heads of {} numbers, expected at most {}", fields_.where(), config_.head_dim,
                  max_head_dim);
    TOME_ASSIGN(config_.feed_forward, required("intermediate_size", max_width));
    TOME_ASSIGN(config_.vocabulary, required("vocab_size", max_vocabulary));
    TOME_ASSIGN(config_.positions, required("max_position_embeddings", max_positions));
    TOME_ASSIGN(config_.token_types, in_range("type_vocab_size", 2, max_token_types));
    TOME_ASSIGN(const auto epsilon, fields_.number("layer_norm_eps"));
    config_.norm_epsilon = static_cast<float>(epsilon.value_or(1e-12));
    if (!(config_.norm_epsilon > 0.0f) || !std::isfinite(config_.norm_epsilon))
      return fields_.wrong_type("layer_norm_eps", "a positive number");
    TOME_ASSIGN(const auto tied, fields_.boolean("tie_word_embeddings"));
    config_.tied_embeddings = tied.value_or(true);
    return {};
  }

  Status activations() {
    const bool longformer = config_.family == EncoderFamily::longformer;
    TOME_ASSIGN(const auto given, fields_.text("hidden_act"));
    const std::string name = given.value_or(longformer ? "gelu" : "gelu_new");
    if (name == "gelu" || name == "gelu_python") {
      config_.activation = EncoderActivation::gelu;
    } else if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh" || name == "gelu_python_tanh") {
      config_.activation = EncoderActivation::gelu_tanh;
    } else if (name == "relu") {
      config_.activation = EncoderActivation::relu;
    } else {
      return fail(ErrorKind::unsupported, "{}: 'hidden_act' is '{}', expected gelu, gelu_new, gelu_fast or relu",
                  fields_.where(), printable(name));
    }
    config_.head_activation = longformer ? EncoderActivation::gelu : config_.activation;
    return {};
  }

  Status longformer() {
    TOME_ASSIGN(const auto pad, fields_.unsigned_number("pad_token_id"));
    const std::uint64_t id = pad.value_or(1);
    if (id >= config_.vocabulary || id + 1 >= config_.positions)
      return fail(ErrorKind::format, "{}: 'pad_token_id' is {}, expected below a vocabulary of {} and {} positions",
                  fields_.where(), id, config_.vocabulary, config_.positions);
    config_.pad = static_cast<std::uint32_t>(id);
    const Json* given = fields_.find("attention_window");
    const Json window = given == nullptr ? Json(512u) : *given;
    const Json list = window.is_array() ? window : Json(std::vector<Json>(config_.layers, window));
    if (list.size() != config_.layers)
      return fields_.wrong_type("attention_window", fmt::format("a number or {}, one a layer", config_.layers));
    for (const Json& entry : list) {
      if (!entry.is_number_unsigned() || entry.get<std::uint64_t>() == 0 || entry.get<std::uint64_t>() > max_window ||
          entry.get<std::uint64_t>() % 2 != 0)
        return fail(ErrorKind::format, "{}: 'attention_window' is {} in layer {}, expected an even number from 2 to {}",
                    fields_.where(), shown(entry), config_.windows.size(), max_window);
      config_.windows.push_back(entry.get<std::uint32_t>());
    }
    return {};
  }

  Status bigbird() {
    TOME_ASSIGN(const auto type, fields_.text("attention_type"));
    const std::string name = type.value_or("block_sparse");
    if (name != "block_sparse" && name != "original_full")
      return fail(ErrorKind::unsupported, "{}: 'attention_type' is '{}', expected block_sparse or original_full",
                  fields_.where(), printable(name));
    config_.block_sparse = name == "block_sparse";
    TOME_ASSIGN(config_.block, in_range("block_size", 64, max_blocks));
    TOME_ASSIGN(const auto random, fields_.unsigned_number("num_random_blocks", max_blocks));
    config_.random_blocks = static_cast<std::uint32_t>(random.value_or(3));
    TOME_ASSIGN(const auto biases, fields_.boolean("use_bias"));
    config_.attention_biases = biases.value_or(true);
    TOME_ASSIGN(const auto rescaled, fields_.boolean("rescale_embeddings"));
    if (rescaled.value_or(false)) config_.embedding_scale = std::sqrt(static_cast<float>(config_.hidden));
    return {};
  }

  /// Fields whose effect Tome would otherwise drop in silence.
  Status refused() const {
    if (const Json* quantized = fields_.find("quantization_config"))
      return fail(ErrorKind::unsupported, "{}: 'quantization_config' is {}, expected float weights", fields_.where(),
                  shown(*quantized));
    for (const char* field : {"is_decoder", "add_cross_attention"}) {
      TOME_ASSIGN(const auto set, fields_.boolean(field));
      if (set.value_or(false))
        return fail(ErrorKind::unsupported, "{}: '{}' is true, expected an encoder", fields_.where(), field);
    }
    TOME_ASSIGN(const auto positions, fields_.text("position_embedding_type"));
    if (positions.value_or("absolute") != "absolute")
      return fail(ErrorKind::unsupported, "{}: 'position_embedding_type' is '{}', expected 'absolute'", fields_.where(),
                  printable(*positions));
    return {};
  }

  const JsonFields& fields_;
  EncoderConfig config_;
};

std::vector<std::string> head_names(EncoderFamily family, EncoderRole role) {
  const bool longformer = family == EncoderFamily::longformer;
  const std::string transform = "cls.predictions.transform.";
  switch (role) {
    case EncoderRole::head:
      return {longformer ? "lm_head.dense.weight" : transform + "dense.weight"};
    case EncoderRole::head_bias:
      return {longformer ? "lm_head.dense.bias" : transform + "dense.bias"};
    case EncoderRole::head_norm:
      return {longformer ? "lm_head.layer_norm.weight" : transform + "LayerNorm.weight"};
    case EncoderRole::head_norm_bias:
      return {longformer ? "lm_head.layer_norm.bias" : transform + "LayerNorm.bias"};
    case EncoderRole::head_output:
      return {longformer ? "lm_head.decoder.weight" : "cls.predictions.decoder.weight"};
    case EncoderRole::head_output_bias:  // tied to each other where both are there
      if (longformer) return {"lm_head.decoder.bias", "lm_head.bias"};
      return {"cls.predictions.decoder.bias", "cls.predictions.bias"};
    default:
      return {};
  }
}

std::string_view model_name(EncoderFamily family, EncoderRole role) {
  const bool longformer = family == EncoderFamily::longformer;
  switch (role) {
    case EncoderRole::word_embedding:
      return "embeddings.word_embeddings.weight";
    case EncoderRole::position_embedding:
      return "embeddings.position_embeddings.weight";
    case EncoderRole::type_embedding:
      return "embeddings.token_type_embeddings.weight";
    case EncoderRole::embedding_norm:
      return "embeddings.LayerNorm.weight";
    case EncoderRole::embedding_norm_bias:
      return "embeddings.LayerNorm.bias";
    case EncoderRole::pooler:
      return longformer ? "pooler.dense.weight" : "pooler.weight";
    case EncoderRole::pooler_bias:
      return longformer ? "pooler.dense.bias" : "pooler.bias";
    default:
      return "";
  }
}

std::string_view layer_name(EncoderRole role) {
  switch (role) {
    case EncoderRole::query:
      return "attention.self.query.weight";
    case EncoderRole::query_bias:
      return "attention.self.query.bias";
    case EncoderRole::key:
      return "attention.self.key.weight";
    case EncoderRole::key_bias:
      return "attention.self.key.bias";
    case EncoderRole::value:
      return "attention.self.value.weight";
    case EncoderRole::value_bias:
      return "attention.self.value.bias";
    case EncoderRole::global_query:
      return "attention.self.query_global.weight";
    case EncoderRole::global_query_bias:
      return "attention.self.query_global.bias";
    case EncoderRole::global_key:
      return "attention.self.key_global.weight";
    case EncoderRole::global_key_bias:
      return "attention.self.key_global.bias";
    case EncoderRole::global_value:
      return "attention.self.value_global.weight";
    case EncoderRole::global_value_bias:
      return "attention.self.value_global.bias";
    case EncoderRole::attention_output:
      return "attention.output.dense.weight";
    case EncoderRole::attention_output_bias:
      return "attention.output.dense.bias";
    case EncoderRole::attention_norm:
      return "attention.output.LayerNorm.weight";
    case EncoderRole::attention_norm_bias:
      return "attention.output.LayerNorm.bias";
    case EncoderRole::up:
      return "intermediate.dense.weight";
    case EncoderRole::up_bias:
      return "intermediate.dense.bias";
    case EncoderRole::down:
      return "output.dense.weight";
    case EncoderRole::down_bias:
      return "output.dense.bias";
    case EncoderRole::output_norm:
      return "output.LayerNorm.weight";
    case EncoderRole::output_norm_bias:
      return "output.LayerNorm.bias";
    default:
      return "";
  }
}

}  // namespace

bool is_hf_encoder(std::string_view architecture) { return find_architecture(architecture) != nullptr; }

Result<HfEncoderConfig> parse_hf_encoder_config(std::string_view text, const std::string& name) {
  const std::string where = "[hf] " + name;
  TOME_ASSIGN(const Json root, parse_json(text, where, {.allow_bare_infinity = true}));
  if (!root.is_object()) return fail(ErrorKind::format, "{}: {}, expected an object", where, shown(root));
  const JsonFields fields(root, where);
  TOME_ASSIGN(const Architecture architecture, architecture_of(fields));
  HfEncoderConfig result;
  result.names_head = architecture.has_head;
  TOME_ASSIGN(result.config, EncoderConfigReader(fields, architecture).read());
  return result;
}

std::vector<std::string> hf_encoder_tensor_names(EncoderFamily family, EncoderRole role, int layer) {
  if (layer >= 0) return {fmt::format("encoder.layer.{}.{}", layer, layer_name(role))};
  std::vector<std::string> names = head_names(family, role);
  if (names.empty()) names.emplace_back(model_name(family, role));
  return names;
}

std::string_view hf_encoder_prefix(EncoderFamily family) {
  return family == EncoderFamily::longformer ? "longformer." : "bert.";
}

}  // namespace tome
