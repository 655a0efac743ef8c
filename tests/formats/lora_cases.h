#pragma once
// Adapters, right and wrong, as one text each: adapter_config.json, a zero byte, tome_adapter.json, a zero byte,
// adapter_model.safetensors. The message is a part of what the wrong ones must be refused with.
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hf_cases.h"
#include "formats/lora_adapter.h"

namespace tome::test {

inline ModelConfig adapter_base() {
  ModelConfig config;
  config.family = Family::llama;
  config.layers = 2;
  config.hidden = 8;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 4;
  config.feed_forward = 12;
  config.vocabulary = 20;
  config.context_length = 64;
  config.rope_dims = 4;
  config.local_layers = {false, false};
  config.tied_embeddings = true;
  return config;
}

inline LoraAdapterBytes adapter_bytes(std::string_view input) {
  const std::size_t first = input.find('\0');
  const std::size_t second = first == std::string_view::npos ? first : input.find('\0', first + 1);
  LoraAdapterBytes bytes;
  bytes.config = input.substr(0, first);
  if (first != std::string_view::npos && second != first + 1)
    bytes.own = std::string(input.substr(first + 1, second == std::string_view::npos ? second : second - first - 1));
  if (second != std::string_view::npos) bytes.tensors = std::as_bytes(std::span(input).subspan(second + 1));
  return bytes;
}

struct NamedShape {
  std::string name;
  std::vector<std::uint64_t> shape;
};

/// safetensors of zeros.
inline std::string adapter_tensors(const std::vector<NamedShape>& tensors) {
  Json header = Json::object();
  std::uint64_t end = 0;
  for (const NamedShape& tensor : tensors) {
    std::uint64_t bytes = 4;
    for (const std::uint64_t extent : tensor.shape) bytes *= extent;
    header["base_model.model." + tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  return safetensors(header.dump(), std::string(end, '\0'));
}

inline std::vector<ParserCase> lora_cases() {
  const std::string config = R"({"peft_type": "LORA", "r": 2, "lora_alpha": 6, "bias": "none"})";
  const std::string q = "model.layers.1.self_attn.q_proj.lora_";
  const std::string good = adapter_tensors({{q + "A.weight", {2, 8}}, {q + "B.weight", {8, 2}}});
  const auto made = [](const std::string& settings, const std::string& own, const std::string& tensors) {
    return settings + '\0' + own + '\0' + tensors;
  };
  const auto with_config = [&](const std::string& text) { return made(text, "", good); };
  const auto with_own = [&](const std::string& text) { return made(config, text, good); };
  const auto with_tensors = [&](const std::vector<NamedShape>& tensors) {
    return made(config, "", adapter_tensors(tensors));
  };
  return {
      {"valid", with_config(config), ""},
      {"valid_of_peft",
       made(
           R"({"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 6, "bias": "none", "use_dora": false,
          "rank_pattern": {}, "alpha_pattern": null, "target_modules": ["q_proj", "down_proj"], "use_rslora": true})",
           "",
           adapter_tensors({{q + "A.weight", {2, 8}},
                            {q + "B.weight", {8, 2}},
                            {"model.layers.0.mlp.down_proj.lora_A.weight", {2, 12}},
                            {"model.layers.0.mlp.down_proj.lora_B.weight", {8, 2}},
                            {"model.norm.weight", {8}},
                            {"model.embed_tokens.weight", {20, 8}}})),
       ""},
      {"valid_positions_alone",
       made(config, R"({"rope_scaling": "longrope", "rope_factor": 2, "rope_divisors": [1, 1.5]})",
            safetensors("{}", "")),
       ""},
      {"config_not_json", with_config("{"), "adapter_config.json"},
      {"config_not_an_object", with_config("[1]"), "expected an object"},
      {"peft_type_missing", with_config(R"({"r": 2})"), "peft_type '', expected 'LORA'"},
      {"peft_type_other", with_config(R"({"peft_type": "IA3", "r": 2})"), "peft_type 'IA3', expected 'LORA'"},
      {"dora", with_config(R"({"peft_type": "LORA", "r": 2, "use_dora": true})"), "'use_dora' is true, expected false"},
      {"dora_of_text", with_config(R"({"peft_type": "LORA", "r": 2, "use_dora": "no"})"), "use_dora"},
      {"bias", with_config(R"({"peft_type": "LORA", "r": 2, "bias": "all"})"), "bias 'all', expected 'none'"},
      {"rank_pattern", with_config(R"({"peft_type": "LORA", "r": 2, "rank_pattern": {"q_proj": 4}})"),
       "'rank_pattern' is not empty"},
      {"rank_missing", with_config(R"({"peft_type": "LORA", "lora_alpha": 2})"), "'r'"},
      {"rank_zero", with_config(R"({"peft_type": "LORA", "r": 0})"), "'r'"},
      {"alpha_of_text", with_config(R"({"peft_type": "LORA", "r": 2, "lora_alpha": "6"})"), "lora_alpha"},
      {"alpha_infinite", with_config(R"({"peft_type": "LORA", "r": 2, "lora_alpha": Infinity})"), "not JSON"},
      {"own_not_json", with_own("{"), "tome_adapter.json"},
      {"own_not_an_object", with_own("3"), "tome_adapter.json: 3, expected an object"},
      {"own_factor_below_one", with_own(R"({"rope_factor": 0.5})"), "rope_factor 0.5, expected 1 to 65536"},
      {"own_factor_of_text", with_own(R"({"rope_factor": "4"})"), "rope_factor"},
      {"own_scaling_of_number", with_own(R"({"rope_scaling": 4})"), "rope_scaling"},
      {"own_divisors_of_text", with_own(R"({"rope_divisors": ["1"]})"), "rope_divisors"},
      {"own_target_negative", with_own(R"({"target_length": -1})"), "target_length"},
      {"tensors_cut", made(config, "", good.substr(0, good.size() - 1)), "adapter_model.safetensors"},
      {"a_alone", with_tensors({{q + "A.weight", {2, 8}}}), "has lora_A alone, expected A and B"},
      {"b_alone", with_tensors({{q + "B.weight", {8, 2}}}), "has lora_B alone, expected A and B"},
      {"b_of_another_size", with_tensors({{q + "A.weight", {2, 8}}, {q + "B.weight", {9, 2}}}), "lora_B.weight"},
      {"a_of_another_size", with_tensors({{q + "A.weight", {2, 9}}, {q + "B.weight", {8, 2}}}), "lora_A.weight"},
      {"a_of_one_dimension", with_tensors({{q + "A.weight", {16}}, {q + "B.weight", {8, 2}}}), "lora_A.weight"},
      {"rank_of_another", with_tensors({{q + "A.weight", {3, 8}}, {q + "B.weight", {8, 3}}}), "lora_A.weight"},
      {"layer_beyond",
       with_tensors(
           {{q + "A.weight", {2, 8}}, {q + "B.weight", {8, 2}}, {"model.layers.2.mlp.up_proj.lora_A.weight", {2, 8}}}),
       "belongs to nothing that a llama model has"},
      {"norm_of_another_size", with_tensors({{"model.norm.weight", {9}}}), "model.norm.weight"},
      {"nothing", made(config, "", safetensors("{}", "")), "holds no change"},
  };
}

}  // namespace tome::test
