#pragma once
// Inputs for the parsers of Hugging Face folders, right and wrong, with a part of the message that the wrong ones must
// be refused with. JSON is written as text, because much of it could not be written by a library.
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/tiny_gguf.h"

namespace tome::test {

/// Header (as text) and data of a safetensors file.
inline std::string safetensors(const std::string& header, const std::string& data) {
  return raw(std::uint64_t{header.size()}) + header + data;
}

inline std::vector<ParserCase> safetensors_cases() {
  const std::string eight(8, 'x');
  const auto one = [&](const std::string& entry, const std::string& data) {
    return safetensors("{\"w\":" + entry + "}", data);
  };
  const std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  return {
      {"valid", safetensors(R"({"__metadata__":{"format":"pt"},"w":)" + good + "}  ", eight), ""},
      {"valid_scalar", one(R"({"dtype":"F32","shape":[],"data_offsets":[0,4]})", "abcd"), ""},
      {"valid_empty_tensor", one(R"({"dtype":"BF16","shape":[0,3],"data_offsets":[0,0]})", ""), ""},
      {"valid_without_tensors", safetensors("{}", ""), ""},
      {"valid_two_out_of_order",
       safetensors(
           R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[5,8]},"b":{"dtype":"I8","shape":[5],"data_offsets":[0,5]}})",
           eight),
       ""},
      {"too_short", "1234", "4 bytes, too short for a header"},
      {"header_over_100_megabytes", raw(std::uint64_t{100'000'001}) + "{}",
       "a header of 100000001 bytes, expected at most"},
      {"header_beyond_the_file", raw(std::uint64_t{500}) + "{}", "a header of 500 bytes in a file of 10"},
      {"header_of_max_length", raw(UINT64_MAX) + "{}", "expected at most 100000000"},
      {"header_empty", safetensors("", ""), "the header starts with '', expected '{'"},
      {"header_not_an_object", safetensors("[1]", ""), "the header starts with '[', expected '{'"},
      {"header_starts_with_space", safetensors(" {}", ""), "the header starts with ' ', expected '{'"},
      {"header_not_json", safetensors("{\"a\":", ""), "not JSON at byte"},
      {"header_of_bad_utf8", safetensors("{\"\xff\":1}", ""), "not JSON at byte"},
      {"duplicate_key", safetensors("{\"w\":" + good + ",\"w\":" + good + "}", eight), "duplicate key 'w'"},
      {"duplicate_field", one(R"({"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]})", eight),
       "duplicate key 'dtype'"},
      {"nested_too_deep", safetensors("{\"w\":[[[[[[[[[[]]]]]]]]]]}", ""), "nested deeper than 8"},
      {"metadata_not_an_object", safetensors(R"({"__metadata__":3})", ""), "'__metadata__' is 3, expected an object"},
      {"metadata_of_numbers", safetensors(R"({"__metadata__":{"a":1}})", ""),
       "'__metadata__.a' is 1, expected a string"},
      {"entry_not_an_object", one("7", ""), "'w' is 7, expected an object"},
      {"type_missing", one(R"({"shape":[2],"data_offsets":[0,8]})", eight), "'w.dtype' is missing"},
      {"type_of_number", one(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})", eight),
       "'w.dtype' is 1, expected a string"},
      {"type_unknown", one(R"({"dtype":"F4","shape":[2],"data_offsets":[0,8]})", eight),
       "'w.dtype' is 'F4', a type that Tome does not know"},
      {"shape_missing", one(R"({"dtype":"F32","data_offsets":[0,8]})", eight), "'w.shape' is missing"},
      {"shape_not_an_array", one(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})", eight),
       "'w.shape' is 2, expected an array"},
      {"shape_negative", one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", eight),
       "expected an array of whole numbers"},
      {"shape_fractional", one(R"({"dtype":"F32","shape":[2.5],"data_offsets":[0,8]})", eight),
       "expected an array of whole numbers"},
      {"size_overflows", one(R"({"dtype":"F32","shape":[4611686018427387904,2],"data_offsets":[0,8]})", eight),
       "its size overflows 64 bits"},
      {"offsets_missing", one(R"({"dtype":"F32","shape":[2]})", eight), "'w.data_offsets' is missing"},
      {"offsets_of_three", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4,8]})", eight),
       "is an array of 3, expected two whole numbers"},
      {"offsets_negative", one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})", eight),
       "expected two whole numbers"},
      {"offsets_backwards", one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", eight),
       "bytes 8 to 0 run backwards"},
      {"file_cut_short", one(good, "abcd"), "bytes 0 to 8 of 4: the file is cut short"},
      {"size_and_shape_disagree", one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", eight),
       "'w': 8 bytes, expected 12 from its type and shape"},
      {"tensors_overlap",
       safetensors(
           R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}})",
           eight),
       "'b' at byte 3 overlaps the tensor before it, which ends at 5"},
      {"hole",
       safetensors(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}})",
           eight),
       "a hole of 3 bytes before 'b'"},
      {"trailing_bytes", one(good, eight + "yz"), "2 bytes behind the last tensor"},
  };
}

inline std::vector<ParserCase> safetensors_index_cases() {
  return {
      {"index_valid", R"({"metadata":{"total_size":8},"weight_map":{"w":"model-00001-of-00002.safetensors"}})", ""},
      {"index_not_an_object", "[]", "expected an object"},
      {"index_not_json", "{", "not JSON at byte"},
      {"index_without_map", "{}", "'weight_map' is missing"},
      {"index_map_of_numbers", R"({"weight_map":{"w":3}})", "'weight_map.w' is 3, expected a file name"},
      {"index_map_not_an_object", R"({"weight_map":[1]})", "'weight_map' is an array of 1, expected an object"},
      {"index_shard_above", R"({"weight_map":{"w":"../secret"}})", "shard '../secret' leaves the folder"},
      {"index_shard_absolute", R"({"weight_map":{"w":"/etc/passwd"}})", "shard '/etc/passwd' leaves the folder"},
      {"index_shard_dots", R"({"weight_map":{"w":".."}})", "shard '..' leaves the folder"},
      {"index_shard_backslash", R"({"weight_map":{"w":"a\\b"}})", "leaves the folder"},
      {"index_shard_empty", R"({"weight_map":{"w":""}})", "shard '' leaves the folder"},
      {"index_shard_with_nul", R"({"weight_map":{"w":"a\u0000b"}})", "leaves the folder"},
      {"index_shard_in_a_folder_below", R"({"weight_map":{"w":"below/x.safetensors"}})", "leaves the folder"},
  };
}

/// config.json of a tiny model; generation_config.json may follow after a zero byte (as the fuzzer splits its input).
inline Json tiny_config(const std::string& model_type) {
  Json config = {{"model_type", model_type}, {"hidden_size", 8},
                 {"intermediate_size", 12},  {"num_hidden_layers", 2},
                 {"num_attention_heads", 2}, {"num_key_value_heads", 1},
                 {"vocab_size", 6},          {"max_position_embeddings", 64},
                 {"rms_norm_eps", 1e-5},     {"head_dim", 4},
                 {"eos_token_id", 4},        {"bos_token_id", 3}};
  if (model_type == "gemma3_text") config["sliding_window"] = 4;
  return config;
}

inline std::vector<ParserCase> hf_config_cases() {
  std::vector<ParserCase> cases;
  const auto add_for = [&](const std::string& type, std::string name, std::string message,
                           const std::function<void(Json&)>& change) {
    Json config = tiny_config(type);
    change(config);
    cases.push_back({std::move(name), config.dump(), std::move(message)});
  };
  const auto add = [&](std::string name, std::string message, const std::function<void(Json&)>& change) {
    add_for("llama", std::move(name), std::move(message), change);
  };
  const auto field = [&](const char* key, Json value, std::string message) {
    std::string name = std::string(key) + "_" + std::to_string(cases.size());
    add(std::move(name), std::move(message), [&](Json& c) { c[key] = value; });
  };
  const auto rope = [&](std::string name, std::string message, const char* text) {
    add(std::move(name), std::move(message), [&](Json& c) { c["rope_scaling"] = Json::parse(text); });
  };
  for (const char* type : {"llama", "mistral", "qwen2", "qwen3", "gemma3_text"})
    add_for(type, std::string("valid_") + type, "", [](Json&) {});
  add("valid_with_generation_config", "", [](Json&) {});
  cases.back().input += std::string(1, '\0') + R"({"eos_token_id":[4,5]})";
  add("generation_config_of_text", "'eos_token_id' is \"x\", expected a token id or a list of them", [](Json&) {});
  cases.back().input += std::string(1, '\0') + R"({"eos_token_id":"x"})";
  add("generation_config_not_an_object", "3, expected an object", [](Json&) {});
  cases.back().input += std::string(1, '\0') + "3";
  add_for("gemma3", "valid_gemma3_text_part", "", [](Json& c) {
    c = Json{{"architectures", {"Gemma3ForConditionalGeneration"}},
             {"text_config", tiny_config("gemma3_text")},
             {"eos_token_id", {1, 106}}};
  });
  add("valid_yarn", "", [](Json& c) {
    c["rope_parameters"] = Json::parse(
        R"({"rope_type":"yarn","factor":4,"rope_theta":5000,"original_max_position_embeddings":16,"beta_fast":24,
            "beta_slow":2,"attention_factor":1.1,"mscale":1,"mscale_all_dim":0.5,"truncate":false})");
  });
  add("valid_longrope", "", [](Json& c) {
    c["rope_scaling"] = Json::parse(R"({"type":"su","short_factor":[1,1],"long_factor":[2,3]})");
    c["original_max_position_embeddings"] = 16;
  });
  add("valid_llama3", "", [](Json& c) {
    c["rope_scaling"] = Json::parse(
        R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":16})");
  });
  add_for("gemma3_text", "valid_nested_rope", "", [](Json& c) {
    c["rope_parameters"] = Json::parse(
        R"({"full_attention":{"rope_type":"linear","factor":8,"rope_theta":1e6},"sliding_attention":{"rope_type":"default","rope_theta":5e3}})");
  });
  cases.push_back({"valid_with_bare_infinity",
                   R"({"time_step_limit":[0.0,Infinity],)" + tiny_config("llama").dump().substr(1), ""});

  add("valid_ids_of_minus_one", "", [](Json& c) { c["pad_token_id"] = -1; });
  cases.push_back({"not_json", "{\"a\": nope}", "not JSON at byte"});
  cases.push_back({"not_an_object", "[1,2]", "an array of 2, expected an object"});
  cases.push_back({"duplicate_key", R"({"model_type":"llama","model_type":"qwen2"})", "duplicate key 'model_type'"});
  cases.push_back({"nested_too_deep", std::string(70, '['), "nested deeper than 64"});
  cases.push_back({"architecture_missing", "{}", "neither 'architectures' nor 'model_type' is there"});
  field("model_type", "mamba", "architecture 'mamba', expected one of llama, mistral, qwen2, qwen3, gemma3");
  field("architectures", {"T5ForConditionalGeneration"}, "architecture 'T5ForConditionalGeneration'");
  field("architectures", {3}, "'architectures' is an array of 1, expected an array of names");
  field("architectures", "x", "'architectures' is \"x\", expected an array");
  field("quantization_config", {{"quant_method", "gptq"}}, "only float weights are read from folders");
  field("hidden_size", 0, "'hidden_size' is zero");
  field("hidden_size", -8, "'hidden_size' is -8, expected a whole number from 0");
  field("hidden_size", 8.5, "'hidden_size' is 8.5, expected a whole number");
  field("hidden_size", "8", "'hidden_size' is \"8\", expected a whole number");
  field("hidden_size", 1e6, "expected a whole number");
  field("hidden_size", 5000000000, "'hidden_size' is 5000000000, expected at most 4294967295");
  field("hidden_size", 2000000, "the hidden size is 2000000, expected 1 to");
  for (const char* key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size"})
    add(std::string("missing_") + key, std::string("'") + key + "' is missing", [&](Json& c) { c.erase(key); });
  field("num_hidden_layers", 5000, "'num_hidden_layers' is 5000, expected at most 1024");
  field("num_attention_heads", 0, "'num_attention_heads' is zero");
  field("num_key_value_heads", 0, "'num_key_value_heads' is zero");
  field("num_key_value_heads", 3, "2 heads do not share 3 key/value heads evenly");
  field("head_dim", 5, "the head size is 5, expected an even number");
  add("hidden_not_a_multiple_of_heads", "'hidden_size' 8 is not a multiple of 3 heads", [](Json& c) {
    c.erase("head_dim");
    c["num_attention_heads"] = 3;
  });
  field("max_position_embeddings", 0, "the context length is 0");
  field("rms_norm_eps", 0, "the norm epsilon is 0");
  field("rms_norm_eps", "x", "'rms_norm_eps' is \"x\", expected a number");
  field("rms_norm_eps", true, "'rms_norm_eps' is true, expected a number");
  field("tie_word_embeddings", 1, "'tie_word_embeddings' is 1, expected true or false");
  field("hidden_act", "gelu", "'hidden_act' is 'gelu', expected 'silu'");
  field("hidden_act", 3, "'hidden_act' is 3, expected a string");
  field("rope_theta", 0, "the rope base is 0");
  field("partial_rotary_factor", 0.5, "'partial_rotary_factor' is 0.5: partial rotation is not supported");
  field("rope_scaling", 3, "'rope_scaling' is 3, expected an object");
  field("eos_token_id", "x", "'eos_token_id' is \"x\", expected a token id or a list of them");
  field("eos_token_id", {-2}, "expected a token id or a list of them");
  field("attn_logit_softcapping", 50, "'attn_logit_softcapping' is 50, expected null");
  field("use_bidirectional_attention", true, "only causal attention is supported");
  field("layer_types", {"full_attention"}, "'layer_types' is an array of 1, expected 2, one a layer");
  field("layer_types", {"full_attention", "linear_attention"}, "'layer_types[1]' is \"linear_attention\", expected");
  field("layer_types", {"full_attention", "sliding_attention"},
        "layers with a sliding window, but its size is missing");
  rope("rope_type_unknown", "'rope_scaling.rope_type' is 'mrope', expected default",
       R"({"rope_type":"mrope","factor":2})");
  rope("rope_legacy_type_unknown", "'rope_scaling.type' is 'xpos', expected default", R"({"type":"xpos","factor":2})");
  rope("rope_factor_missing", "'rope_scaling.factor' is missing", R"({"type":"linear"})");
  rope("rope_factor_zero", "rope scaling factor is 0", R"({"type":"linear","factor":0})");
  rope("rope_factor_of_text", "'rope_scaling.factor' is \"2\", expected a number", R"({"type":"linear","factor":"2"})");
  rope("rope_original_zero", "original context length is 0",
       R"({"type":"yarn","factor":2,"original_max_position_embeddings":0})");
  rope("rope_attention_factor_negative", "rope attention factor is -1",
       R"({"type":"yarn","factor":2,"attention_factor":-1})");
  rope("rope_mscale_negative", "rope mscale is -1", R"({"type":"yarn","factor":2,"mscale":-1})");
  rope("rope_beta_zero", "rope beta_slow is 0", R"({"type":"yarn","factor":2,"beta_slow":0})");
  rope("rope_truncate_of_number", "'rope_scaling.truncate' is 1, expected true or false",
       R"({"type":"yarn","factor":2,"truncate":1})");
  rope("rope_partial", "'rope_scaling.partial_rotary_factor' is 0.25",
       R"({"type":"yarn","factor":2,"partial_rotary_factor":0.25})");
  rope("longrope_without_lists", "longrope without its two lists", R"({"type":"longrope","factor":2})");
  rope("longrope_list_too_long", "the list of short rope factors has 3 factors, expected 2",
       R"({"type":"longrope","factor":2,"short_factor":[1,1,1],"long_factor":[1,1]})");
  rope("longrope_list_with_zero", "the list of long rope factors is 0, expected a positive number",
       R"({"type":"longrope","factor":2,"short_factor":[1,1],"long_factor":[1,0]})");
  rope("longrope_list_of_text", "'rope_scaling.short_factor' is an array of 1, expected an array of numbers",
       R"({"type":"longrope","factor":2,"short_factor":["1"],"long_factor":[1,1]})");
  rope("llama3_without_low", "'rope_scaling.low_freq_factor' is missing", R"({"rope_type":"llama3","factor":8})");
  rope("llama3_low_above_high", "'rope_scaling.low_freq_factor' 4 is not below",
       R"({"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1})");
  rope("llama3_without_original", "'rope_scaling.original_max_position_embeddings' is missing",
       R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4})");
  add_for("gemma3_text", "rope_of_unknown_layer_type", "'rope_parameters.other', expected full_attention and",
          [](Json& c) {
            c["rope_parameters"] = Json::parse(R"({"full_attention":{"rope_theta":1e6},"other":{"rope_theta":1e4}})");
          });
  add_for("gemma3_text", "rope_scales_local_layers", "scales the positions of sliding-window layers (linear)",
          [](Json& c) {
            c["rope_parameters"] = Json::parse(R"({"sliding_attention":{"rope_type":"linear","factor":2}})");
          });
  add_for("gemma3_text", "rope_local_base_zero", "the rope base of local layers is 0",
          [](Json& c) { c["rope_local_base_freq"] = 0; });
  add_for("gemma3_text", "window_period_zero", "'sliding_window_pattern' is zero",
          [](Json& c) { c["sliding_window_pattern"] = 0; });
  add_for("gemma3_text", "attention_scalar_negative", "the attention scale is",
          [](Json& c) { c["query_pre_attn_scalar"] = -4; });
  add_for("gemma3_text", "logit_cap_negative", "the final logit cap is -3",
          [](Json& c) { c["final_logit_softcapping"] = -3; });
  add_for("gemma3_text", "activation_of_another_family", "'hidden_activation' is 'silu', expected 'gelu_pytorch_tanh'",
          [](Json& c) { c["hidden_activation"] = "silu"; });
  cases.push_back({"text_part_missing", R"({"model_type":"gemma3"})", "'text_config' is missing"});
  add("an_encoder", "'LongformerForMaskedLM' is an encoder, which only `tome encode` reads",
      [](Json& c) { c["architectures"] = {"LongformerForMaskedLM"}; });
  return cases;
}

/// Rows of the embedding that tokenizer.json cases are read with.
constexpr std::uint32_t tokenizer_case_vocabulary = 270;

inline Json tiny_byte_level_tokenizer() {
  return Json::parse(
      R"({"added_tokens":[{"id":3,"content":"<s>","special":true},{"id":4,"content":"<|im_end|>","special":true},
      {"id":6,"content":"<tool>","special":false}],
    "normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},"post_processor":null,
    "model":{"type":"BPE","unk_token":null,"vocab":{"a":0,"b":1,"ab":2,"<s>":3},"merges":["a b"]}})");
}

inline Json tiny_sentencepiece_tokenizer() {
  Json tokenizer = Json::parse(
      R"({"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},
      {"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]},
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]},
    "model":{"type":"BPE","unk_token":"<unk>","byte_fallback":true,"vocab":{"<unk>":0,"<s>":1,"\u2581":2,"a":3,"\u2581a":4},
      "merges":[["\u2581","a"]]}})");
  for (int byte = 0; byte < 256; ++byte) tokenizer["model"]["vocab"][fmt::format("<0x{:02X}>", byte)] = 5 + byte;
  return tokenizer;
}

/// The map takes "A" to "b".
inline Json tiny_unigram_tokenizer() {
  return Json::parse(
      R"({"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"[CLS]","special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":"DAAAAAAAAQBBDQAAAAAAgGIA"},
      {"type":"Strip","strip_left":false,"strip_right":true},
      {"type":"Replace","pattern":{"Regex":" {2,}"},"content":"\u2581"}]},
    "pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]},
    "model":{"type":"Unigram","unk_id":0,"byte_fallback":false,
      "vocab":[["<unk>",0.0],["[CLS]",0.0],["\u2581",-2.5],["a",-3],["b",-3.25],["\u2581a",-4]]}})");
}

inline std::vector<ParserCase> tokenizer_cases() {
  std::vector<ParserCase> cases;
  const std::string separator(1, '\0');
  const auto add = [&](std::string name, std::string message, const std::function<void(Json&)>& change) {
    Json tokenizer = tiny_byte_level_tokenizer();
    change(tokenizer);
    cases.push_back({std::move(name), tokenizer.dump(), std::move(message)});
  };
  const auto add_pieces = [&](std::string name, std::string message, const std::function<void(Json&)>& change) {
    Json tokenizer = tiny_sentencepiece_tokenizer();
    change(tokenizer);
    cases.push_back({std::move(name), tokenizer.dump(), std::move(message)});
  };
  const auto add_scored = [&](std::string name, std::string message, const std::function<void(Json&)>& change) {
    Json tokenizer = tiny_unigram_tokenizer();
    change(tokenizer);
    cases.push_back({std::move(name), tokenizer.dump(), std::move(message)});
  };
  const auto normalizer = [](Json& t, int index) -> Json& { return t["normalizer"]["normalizers"][index]; };
  const auto step = [&](const char* place, const char* name, std::string message, const char* text) {
    add(name, std::move(message), [&](Json& t) { t[place] = Json::parse(text); });
  };
  const auto config = [&](std::string name, std::string message, const std::string& text) {
    cases.push_back({std::move(name), tiny_byte_level_tokenizer().dump() + separator + text, std::move(message)});
  };
  add("valid_byte_level", "", [](Json&) {});
  add_pieces("valid_sentencepiece", "", [](Json&) {});
  config("valid_config", "",
         R"({"bos_token":{"content":"<s>"},"eos_token":"<|im_end|>","add_bos_token":true,"chat_template":"{{ 1 }}"})");
  config("valid_named_templates", "",
         R"({"chat_template":[{"name":"tool_use","template":"x"},{"name":"default","template":"y"}]})");
  config("valid_template_file", "", R"({"chat_template":"x"})" + separator + "{{ bos_token }}");
  step(
      "pre_tokenizer", "valid_smollm", "",
      R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":false}]})");
  step("normalizer", "valid_nfc", "", R"({"type":"NFC"})");
  add_pieces("valid_metaspace", "", [](Json& t) {
    t["normalizer"] = nullptr;
    t["pre_tokenizer"] =
        Json::parse(R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":false})");
  });
  add_pieces("valid_gemma_split", "", [](Json& t) {
    t["normalizer"] = Json::parse(R"({"type":"Replace","pattern":{"String":" "},"content":"\u2581"})");
    t["pre_tokenizer"] =
        Json::parse(R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false})");
  });
  const auto split = [](const std::string& pattern) {
    return Json{{"type", "Sequence"},
                {"pretokenizers",
                 {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
                  {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  };
  const std::string llama_bpe =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  add("valid_llama_bpe", "", [&](Json& t) { t["pre_tokenizer"] = split(llama_bpe); });
  add("valid_qwen2", "", [&](Json& t) {
    std::string pattern = llama_bpe;
    pattern.erase(pattern.find("{1,3}"), 5);
    t["pre_tokenizer"] = split(pattern);
  });

  add_scored("valid_unigram", "", [](Json&) {});
  add_scored("valid_unigram_without_map", "", [](Json& t) { t["normalizer"]["normalizers"].erase(0); });
  add_scored("valid_unigram_of_older_files", "", [&](Json& t) {
    normalizer(t, 2)["content"] = " ";
    t["pre_tokenizer"] = Json::parse(R"({"type":"Metaspace","replacement":"\u2581","add_prefix_space":true})");
  });
  add_scored("map_missing", "'normalizer.normalizers.precompiled_charsmap' is missing, empty or not base64",
             [&](Json& t) { normalizer(t, 0).erase("precompiled_charsmap"); });
  add_scored("map_not_base64", "is missing, empty or not base64",
             [&](Json& t) { normalizer(t, 0)["precompiled_charsmap"] = "AA=A"; });
  add_scored("map_behind_other_steps", "Precompiled behind other steps",
             [&](Json& t) { std::swap(normalizer(t, 0), normalizer(t, 1)); });
  add_scored("strip_behind_replace", "Strip behind a Replace",
             [&](Json& t) { std::swap(normalizer(t, 1), normalizer(t, 2)); });
  add_scored("unigram_that_does_not_split", "Unigram, but not with a Metaspace that splits",
             [](Json& t) { t["pre_tokenizer"]["split"] = false; });
  add_scored("unigram_that_prepends_first",
             "Unigram, but not with a Metaspace that splits and prepends always or never",
             [](Json& t) { t["pre_tokenizer"]["prepend_scheme"] = "first"; });
  add_scored("metaspace_that_prepends_sometimes", "Metaspace that prepends sometimes",
             [](Json& t) { t["pre_tokenizer"]["prepend_scheme"] = "sometimes"; });
  add_scored("metaspace_twice", "Metaspace once more", [](Json& t) {
    const Json one = t["pre_tokenizer"];
    t["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", Json::array({one, one})}};
  });
  add_scored("unigram_that_rewrites_single_spaces", "and a Replace of several spaces alone before it", [&](Json& t) {
    normalizer(t, 2)["pattern"] = {{"String", " "}};
  });
  add_scored("unigram_with_bytes", "'model.byte_fallback' is true, expected false for Unigram",
             [](Json& t) { t["model"]["byte_fallback"] = true; });
  add_scored("scored_vocabulary_missing", "'model.vocab' is missing", [](Json& t) { t["model"].erase("vocab"); });
  add_scored("scored_vocabulary_too_large", "'model.vocab' has 271 pieces, the vocabulary has 270", [](Json& t) {
    for (int id = 6; id < 271; ++id) t["model"]["vocab"].push_back({std::to_string(id), -id});
  });
  add_scored("piece_without_score", "piece 3 is \"a\", expected a text and its log-probability",
             [](Json& t) { t["model"]["vocab"][3] = "a"; });
  add_scored("piece_twice", "pieces 3 and 4 are both 'a'", [](Json& t) { t["model"]["vocab"][4][0] = "a"; });
  add_scored("unknown_piece_missing", "'model.unk_id' is missing, expected a piece for unknown text",
             [](Json& t) { t["model"].erase("unk_id"); });
  add_scored("unknown_piece_beyond", "'model.unk_id' is 300, expected a piece for unknown text",
             [](Json& t) { t["model"]["unk_id"] = 300; });

  cases.push_back({"not_json", "{", "not JSON at byte"});
  cases.push_back({"not_an_object", "3", "3, expected an object"});
  add("model_missing", "'model' is missing", [](Json& t) { t.erase("model"); });
  add("model_unknown", "'model.type' is 'WordPiece', expected 'BPE' or 'Unigram'",
      [](Json& t) { t["model"]["type"] = "WordPiece"; });
  add("dropout", "'model.dropout' is 0.1, expected none", [](Json& t) { t["model"]["dropout"] = 0.1; });
  add("prefix_of_words", "'model.continuing_subword_prefix' is '##', expected none",
      [](Json& t) { t["model"]["continuing_subword_prefix"] = "##"; });
  add("suffix_of_words", "'model.end_of_word_suffix' is '</w>', expected none",
      [](Json& t) { t["model"]["end_of_word_suffix"] = "</w>"; });
  add_pieces("pieces_without_bytes", "'model.byte_fallback' is false",
             [](Json& t) { t["model"]["byte_fallback"] = false; });
  add_pieces("byte_missing", "'byte_fallback' is '<0x7F>', which is not in the vocabulary",
             [](Json& t) { t["model"]["vocab"].erase("<0x7F>"); });
  add("vocabulary_missing", "'model.vocab' is missing", [](Json& t) { t["model"].erase("vocab"); });
  add("token_id_beyond_the_vocabulary", "token 'b' has id 999, the vocabulary has 270",
      [](Json& t) { t["model"]["vocab"]["b"] = 999; });
  add("token_id_of_text", "token 'b' has id \"x\"", [](Json& t) { t["model"]["vocab"]["b"] = "x"; });
  add("token_id_shared", "tokens 'a' and 'ab' share id 0", [](Json& t) { t["model"]["vocab"]["ab"] = 0; });
  add("added_token_not_an_object", "'added_tokens' is an array of 1, expected an array of objects",
      [](Json& t) { t["added_tokens"] = {3}; });
  add("added_token_without_id", "an added token without an id", [](Json& t) { t["added_tokens"][0].erase("id"); });
  add("added_token_strips", "added token '<s>': 'rstrip' is true, expected false",
      [](Json& t) { t["added_tokens"][0]["rstrip"] = true; });
  add("valid_added_token_that_strips_left", "", [](Json& t) { t["added_tokens"][1]["lstrip"] = true; });
  add("added_token_elsewhere", "added token '<s>' has id 1, which is 'b'",
      [](Json& t) { t["added_tokens"][0]["id"] = 1; });
  add("valid_added_token_beyond_the_embedding", "", [](Json& t) { t["added_tokens"][2]["id"] = 5000; });
  add("merges_missing", "'model.merges' is missing", [](Json& t) { t["model"].erase("merges"); });
  add("merge_without_space", "merge 0 'ab', expected two pieces", [](Json& t) { t["model"]["merges"] = {"ab"}; });
  add("merge_of_number", "merge 0 is 3, expected two pieces", [](Json& t) { t["model"]["merges"] = {3}; });
  add("merge_of_unknown_piece", "merge 0 needs 'z', which is not in the vocabulary",
      [](Json& t) { t["model"]["merges"] = {"a z"}; });
  add("unknown_token_unknown", "'model.unk_token' is 'zzz', which is not in the vocabulary",
      [](Json& t) { t["model"]["unk_token"] = "zzz"; });
  step("normalizer", "normalizer_unknown",
       "'normalizer.type' is Lowercase, expected NFC, Prepend, Replace, Precompiled or Strip",
       R"({"type":"Lowercase"})");
  step("normalizer", "normalizer_without_type", "'normalizer.type' is missing", "{}");
  step("normalizer", "normalizer_sequence_empty", "'normalizer.normalizers' is missing", R"({"type":"Sequence"})");
  step("normalizer", "normalizer_sequence_of_numbers", "expected an array of objects",
       R"({"type":"Sequence","normalizers":[3]})");
  step("normalizer", "normalizer_step_without_type", "'normalizer.normalizers.type' is missing",
       R"({"type":"Sequence","normalizers":[{}]})");
  step("normalizer", "prepend_of_other_text", "Prepend of x, expected Prepend of U+2581",
       R"({"type":"Prepend","prepend":"x"})");
  step("normalizer", "replace_of_other_text", "Replace of other text",
       R"({"type":"Replace","pattern":{"String":"a"},"content":"b"})");
  step("normalizer", "replace_without_pattern", "'normalizer.pattern' is missing",
       R"({"type":"Replace","content":"b"})");
  step("normalizer", "byte_level_beside_replacement", "ByteLevel beside a replacement of spaces",
       R"({"type":"Replace","pattern":{"String":" "},"content":"\u2581"})");
  step("pre_tokenizer", "pre_tokenizer_unknown", "is BertPreTokenizer, expected ByteLevel, Digits, Metaspace or Split",
       R"({"type":"BertPreTokenizer"})");
  step("pre_tokenizer", "byte_level_with_prefix", "ByteLevel with add_prefix_space",
       R"({"type":"ByteLevel","add_prefix_space":true})");
  step("pre_tokenizer", "digits_in_groups", "Digits in groups", R"({"type":"Digits","individual_digits":false})");
  step("pre_tokenizer", "metaspace_of_another_character", "Metaspace of another character",
       R"({"type":"Metaspace","replacement":"_"})");
  step("pre_tokenizer", "metaspace_that_splits",
       "BPE with Precompiled, Strip, a Replace of several spaces or a Metaspace",
       R"({"type":"Metaspace","replacement":"\u2581"})");
  step("pre_tokenizer", "no_pre_tokenizer", "neither a ByteLevel pre-tokenizer nor a replacement of spaces", "null");
  add("pattern_unknown", "is Split by \\\\p{N}+, expected the pattern of gpt-2, llama-bpe or qwen2",
      [&](Json& t) { t["pre_tokenizer"] = split("\\p{N}+"); });
  cases.back().message = "is Split by \\p{N}+, expected the pattern of gpt-2, llama-bpe or qwen2";
  add("split_in_another_way", "Split in another way", [&](Json& t) {
    t["pre_tokenizer"] = split(llama_bpe);
    t["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed";
  });
  add("split_twice", "'pre_tokenizer' splits twice", [&](Json& t) {
    t["pre_tokenizer"] = split(llama_bpe);
    t["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true;
  });
  step("post_processor", "post_processor_unknown",
       "'post_processor.type' is 'BertProcessing', expected TemplateProcessing, RobertaProcessing or ByteLevel",
       R"({"type":"BertProcessing"})");
  step("post_processor", "valid_roberta", "",
       R"({"type":"RobertaProcessing","sep":["<|im_end|>",4],"cls":["<s>",3],"trim_offsets":true})");
  step("post_processor", "roberta_without_sep", "'post_processor.sep' is missing, expected a token and its id",
       R"({"type":"RobertaProcessing","cls":["<s>",3]})");
  step("post_processor", "roberta_of_numbers", "'post_processor.cls' is 3, expected a token and its id",
       R"({"type":"RobertaProcessing","sep":["<s>",3],"cls":3})");
  step("post_processor", "roberta_of_unknown_token", "'post_processor.cls' is '[CLS]', which is not in the vocabulary",
       R"({"type":"RobertaProcessing","sep":["<s>",3],"cls":["[CLS]",9]})");
  step("post_processor", "post_processor_sequence_empty", "'post_processor.processors' is missing",
       R"({"type":"Sequence"})");
  step("post_processor", "post_processor_sequence_of_numbers", "expected an array of objects",
       R"({"type":"Sequence","processors":[1]})");
  step("post_processor", "template_missing", "'post_processor.single' is missing", R"({"type":"TemplateProcessing"})");
  step("post_processor", "template_of_numbers", "expected special tokens around one text",
       R"({"type":"TemplateProcessing","single":[1]})");
  step("post_processor", "template_of_unknown_token", "'post_processor' is '[CLS]', which is not in the vocabulary",
       R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]"}}]})");
  step("post_processor", "template_of_two_tokens", "expected one special token before the text and one behind",
       R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"SpecialToken":{"id":"<s>"}}]})");
  step(
      "post_processor", "valid_template_at_both_ends", "",
      R"({"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"<|im_end|>"}}]}]})");
  config("config_not_an_object", "tokenizer_config.json: an array of 0, expected an object", "[]");
  config("config_token_of_number", "'bos_token' is 3, expected a token's text", R"({"bos_token":3})");
  config("config_token_unknown", "'eos_token' is '<eos>', which is not in the vocabulary", R"({"eos_token":"<eos>"})");
  config("config_flag_of_text", "'add_bos_token' is \"yes\", expected true or false", R"({"add_bos_token":"yes"})");
  config("valid_padding_without_embedding", "", R"({"pad_token":"<pad>","unk_token":"<other>"})");
  config("bos_added_but_not_named", "a bos token is to be added, but none is named", R"({"add_bos_token":true})");
  config("eos_added_but_not_named", "an eos token is to be added, but none is named", R"({"add_eos_token":true})");
  config("template_of_number", "'chat_template' is 3, expected a template or a list of named ones",
         R"({"chat_template":3})");
  config("templates_of_numbers", "expected a template or a list of named ones", R"({"chat_template":[3]})");
  config("templates_without_default", "'chat_template' has no entry named 'default'",
         R"({"chat_template":[{"name":"x","template":"y"}]})");
  return cases;
}

}  // namespace tome::test
