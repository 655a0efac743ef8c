#pragma once
// config.json of encoders, right and wrong, with a part of the message that the wrong ones must be refused with.
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/tiny_gguf.h"

namespace tome::test {

inline Json tiny_encoder_config(const std::string& architecture) {
  Json config = {{"architectures", {architecture}}, {"hidden_size", 8},         {"intermediate_size", 12},
                 {"num_hidden_layers", 2},          {"num_attention_heads", 2}, {"vocab_size", 6},
                 {"max_position_embeddings", 64},   {"layer_norm_eps", 1e-5},   {"type_vocab_size", 1}};
  if (architecture.starts_with("Longformer"))
    config["attention_window"] = {4, 8};
  else
    config["block_size"] = 4;
  return config;
}

inline std::vector<ParserCase> hf_encoder_config_cases() {
  std::vector<ParserCase> cases;
  const auto add_for = [&](const std::string& architecture, std::string name, std::string message,
                           const std::function<void(Json&)>& change) {
    Json config = tiny_encoder_config(architecture);
    change(config);
    cases.push_back({"encoder_" + std::move(name), config.dump(), std::move(message)});
  };
  const auto longformer = [&](const char* key, Json value, std::string message) {
    add_for("LongformerForMaskedLM", std::string(key) + "_" + std::to_string(cases.size()), std::move(message),
            [&](Json& c) { c[key] = value; });
  };
  const auto bigbird = [&](const char* key, Json value, std::string message) {
    add_for("BigBirdModel", std::string(key) + "_" + std::to_string(cases.size()), std::move(message),
            [&](Json& c) { c[key] = value; });
  };
  for (const char* name :
       {"LongformerModel", "LongformerForMaskedLM", "BigBirdModel", "BigBirdForMaskedLM", "BigBirdForPreTraining"})
    add_for(name, std::string("valid_") + name, "", [](Json&) {});
  add_for("LongformerModel", "valid_model_type", "", [](Json& c) {
    c.erase("architectures");
    c["model_type"] = "longformer";
  });
  longformer("attention_window", 6, "");
  cases.push_back({"encoder_not_an_object", "[1,2]", "an array of 2, expected an object"});
  cases.push_back({"encoder_not_json", "{", "not JSON at byte"});
  cases.push_back({"encoder_without_architecture", "{}", "architecture '', expected an encoder: LongformerModel"});
  longformer("architectures", {"LlamaForCausalLM"}, "architecture 'LlamaForCausalLM', expected an encoder");
  longformer("architectures", {"LongformerForQuestionAnswering"}, "architecture 'LongformerForQuestionAnswering'");
  longformer("architectures", {3}, "'architectures' is an array of 1, expected an array of architectures");
  for (const char* key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size",
                          "max_position_embeddings"})
    add_for("BigBirdModel", std::string("missing_") + key, std::string("'") + key + "' is missing",
            [&](Json& c) { c.erase(key); });
  longformer("hidden_size", 0, "'hidden_size' is zero");
  longformer("hidden_size", 9, "'hidden_size' 9 is not a multiple of 2 heads");
  longformer("hidden_size", 2097152, "'hidden_size' is 2097152, expected 1 to 1048576");
  longformer("hidden_size", 16384, "heads of 8192 numbers, expected at most 4096");
  longformer("num_hidden_layers", 5000, "'num_hidden_layers' is 5000, expected 1 to 1024");
  longformer("max_position_embeddings", 4294967295, "'max_position_embeddings' is 4294967295, expected 1 to 1048576");
  longformer("type_vocab_size", 0, "'type_vocab_size' is 0, expected 1 to 65536");
  longformer("layer_norm_eps", 0, "'layer_norm_eps' is 0, expected a positive number");
  longformer("layer_norm_eps", 1e-300, "expected a positive number");
  longformer("layer_norm_eps", "x", "'layer_norm_eps' is \"x\", expected a number");
  longformer("hidden_act", "swish", "'hidden_act' is 'swish', expected gelu, gelu_new, gelu_fast or relu");
  longformer("pad_token_id", 6, "'pad_token_id' is 6, expected below a vocabulary of 6 and 64 positions");
  longformer("max_position_embeddings", 2, "'pad_token_id' is 1, expected below a vocabulary of 6 and 2 positions");
  longformer("attention_window", 0, "'attention_window' is 0 in layer 0, expected an even number from 2 to 2097152");
  longformer("attention_window", {4, 0}, "'attention_window' is 0 in layer 1, expected an even number");
  longformer("attention_window", 7, "'attention_window' is 7 in layer 0, expected an even number");
  longformer("attention_window", {4, 5}, "'attention_window' is 5 in layer 1, expected an even number");
  longformer("attention_window", -4, "'attention_window' is -4 in layer 0, expected an even number");
  longformer("attention_window", 18446744073709551614u, "expected an even number from 2 to 2097152");
  longformer("attention_window", "x", "'attention_window' is \"x\" in layer 0, expected an even number");
  longformer("attention_window", {4, 8, 4}, "'attention_window' is an array of 3, expected a number or 2, one a layer");
  longformer("quantization_config", {{"quant_method", "gptq"}}, "'quantization_config' is an object of 1, expected");
  longformer("position_embedding_type", "relative_key", "is 'relative_key', expected 'absolute'");
  bigbird("is_decoder", true, "'is_decoder' is true, expected an encoder");
  bigbird("add_cross_attention", true, "'add_cross_attention' is true, expected an encoder");
  bigbird("attention_type", "sparse", "'attention_type' is 'sparse', expected block_sparse or original_full");
  bigbird("attention_type", 3, "'attention_type' is 3, expected a string");
  bigbird("block_size", 0, "'block_size' is 0, expected 1 to 1048576");
  bigbird("num_random_blocks", 99999999, "'num_random_blocks' is 99999999, expected at most 1048576");
  bigbird("use_bias", 1, "'use_bias' is 1, expected true or false");
  return cases;
}

}  // namespace tome::test
