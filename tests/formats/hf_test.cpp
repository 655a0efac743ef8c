#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "formats/hf_cases.h"
#include "formats/hf_config.h"
#include "formats/hf_tokenizer.h"
#include "formats/model_file.h"
#include "formats/safetensors.h"
#include "formats/temporary_folder.h"

namespace tome {
namespace {

using test::ParserCase;
using test::TemporaryFolder;

std::string case_name(const testing::TestParamInfo<ParserCase>& info) { return info.param.name; }

void expect_said(const ParserCase& entry, const std::optional<Error>& error) {
  if (entry.message.empty()) {
    EXPECT_FALSE(error) << error->message;
    return;
  }
  ASSERT_TRUE(error) << "accepted, expected: " << entry.message;
  EXPECT_NE(error->message.find(entry.message), std::string::npos)
      << "said: " << error->message << "\nexpected: " << entry.message;
  EXPECT_EQ(error->message.find('\n'), std::string::npos);
  EXPECT_NE(error->message.find("tiny"), std::string::npos) << error->message;
}

template <class T>
std::optional<Error> error_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error());
}

std::vector<std::string> parts_of(const std::string& input) {
  std::vector<std::string> parts{""};
  for (const char character : input) {
    if (character == '\0')
      parts.emplace_back();
    else
      parts.back() += character;
  }
  parts.resize(3);
  return parts;
}

class SafetensorsCase : public testing::TestWithParam<ParserCase> {};
TEST_P(SafetensorsCase, is_told_in_one_line_or_accepted) {
  expect_said(GetParam(), error_of(parse_safetensors(std::as_bytes(std::span(GetParam().input)), "tiny.safetensors")));
}
INSTANTIATE_TEST_SUITE_P(Every, SafetensorsCase, testing::ValuesIn(test::safetensors_cases()), case_name);

class SafetensorsIndexCase : public testing::TestWithParam<ParserCase> {};
TEST_P(SafetensorsIndexCase, is_told_in_one_line_or_accepted) {
  expect_said(GetParam(), error_of(parse_safetensors_index(GetParam().input, "tiny.index.json")));
}
INSTANTIATE_TEST_SUITE_P(Every, SafetensorsIndexCase, testing::ValuesIn(test::safetensors_index_cases()), case_name);

class HfConfigCase : public testing::TestWithParam<ParserCase> {};
TEST_P(HfConfigCase, is_told_in_one_line_or_accepted) {
  const auto parts = parts_of(GetParam().input);
  std::optional<Error> error = error_of(parse_hf_config(parts[0], "tiny/config.json"));
  if (!error && !parts[1].empty())
    error = error_of(parse_hf_generation_config(parts[1], "tiny/generation_config.json"));
  expect_said(GetParam(), error);
}
INSTANTIATE_TEST_SUITE_P(Every, HfConfigCase, testing::ValuesIn(test::hf_config_cases()), case_name);

Result<TokenizerSpec> tokenizer_of(const std::string& input, const HfTokenizerContext& context) {
  const auto parts = parts_of(input);
  return parse_hf_tokenizer({"tiny", parts[0], parts[1], parts[2]}, context);
}

const HfTokenizerContext plain_context{.vocabulary = test::tokenizer_case_vocabulary, .ends = {}, .bos = -1, .pad = -1};

class TokenizerJsonCase : public testing::TestWithParam<ParserCase> {};
TEST_P(TokenizerJsonCase, is_told_in_one_line_or_accepted) {
  expect_said(GetParam(), error_of(tokenizer_of(GetParam().input, plain_context)));
}
INSTANTIATE_TEST_SUITE_P(Every, TokenizerJsonCase, testing::ValuesIn(test::tokenizer_cases()), case_name);

std::string input_named(const std::vector<ParserCase>& cases, const std::string& name) {
  for (const ParserCase& entry : cases)
    if (entry.name == name) return entry.input;
  ADD_FAILURE() << "no case " << name;
  return "";
}

TokenizerSpec spec_named(const std::string& name, const HfTokenizerContext& context = plain_context) {
  const auto spec = tokenizer_of(input_named(test::tokenizer_cases(), name), context);
  EXPECT_TRUE(spec) << spec.error().message;
  return spec.value_or(TokenizerSpec{});
}

TEST(HfTokenizer, a_byte_level_tokenizer_is_read_whole) {
  const TokenizerSpec spec = spec_named("valid_byte_level");
  EXPECT_EQ(spec.kind, TokenizerKind::byte_bpe);
  EXPECT_EQ(spec.pre, PreTokenizer::gpt2);
  ASSERT_EQ(spec.tokens.size(), test::tokenizer_case_vocabulary);
  EXPECT_EQ(spec.tokens[2], "ab");
  EXPECT_EQ(spec.merges, (std::vector<std::pair<std::string, std::string>>{{"a", "b"}}));
  EXPECT_EQ(spec.types[0], TokenType::normal);
  EXPECT_EQ(spec.types[3], TokenType::control);
  EXPECT_EQ(spec.types[6], TokenType::user_defined);
  EXPECT_EQ(spec.types[100], TokenType::unused);
  EXPECT_EQ(spec.tokens[100], "[PAD100]");
  EXPECT_EQ(spec.end_tokens, (std::vector<std::int64_t>{4}));
  EXPECT_FALSE(spec.add_bos);
  EXPECT_FALSE(spec.normalize_nfc);
  EXPECT_TRUE(spec_named("valid_nfc").normalize_nfc);
}

TEST(HfTokenizer, pre_tokenizers_are_recognised_by_their_pattern) {
  EXPECT_EQ(spec_named("valid_smollm").pre, PreTokenizer::smollm);
  EXPECT_EQ(spec_named("valid_llama_bpe").pre, PreTokenizer::llama_bpe);
  EXPECT_EQ(spec_named("valid_qwen2").pre, PreTokenizer::qwen2);
}

TEST(HfTokenizer, a_sentencepiece_tokenizer_is_read_whole) {
  const TokenizerSpec spec = spec_named("valid_sentencepiece");
  EXPECT_EQ(spec.kind, TokenizerKind::sentencepiece_bpe);
  EXPECT_TRUE(spec.add_space_prefix);
  EXPECT_TRUE(spec.add_bos);
  EXPECT_EQ(spec.bos, 1);
  EXPECT_EQ(spec.unknown, 0);
  EXPECT_EQ(spec.types[5], TokenType::byte);
  EXPECT_EQ(spec.merges[0].first, "\xE2\x96\x81");
  EXPECT_TRUE(spec_named("valid_metaspace").add_space_prefix);
  EXPECT_FALSE(spec_named("valid_gemma_split").add_space_prefix);
}

TEST(HfTokenizer, the_configuration_and_the_template_file_are_heard) {
  const TokenizerSpec spec = spec_named("valid_config");
  EXPECT_EQ(spec.bos, 3);
  EXPECT_EQ(spec.eos, 4);
  EXPECT_TRUE(spec.add_bos);
  EXPECT_EQ(spec.chat_template, "{{ 1 }}");
  EXPECT_EQ(spec_named("valid_named_templates").chat_template, "y");
  EXPECT_EQ(spec_named("valid_template_file").chat_template, "{{ bos_token }}");
  const TokenizerSpec both = spec_named("valid_template_at_both_ends");
  EXPECT_TRUE(both.add_bos && both.add_eos);
  EXPECT_EQ(both.eos, 4);
}

TEST(HfTokenizer, robertas_tokens_stand_at_both_ends_and_its_mask_strips_the_space_before_it) {
  const TokenizerSpec spec = spec_named("valid_roberta");
  EXPECT_TRUE(spec.add_bos && spec.add_eos);
  EXPECT_EQ(spec.bos, 3);
  EXPECT_EQ(spec.eos, 4);
  EXPECT_TRUE(spec.strips_left.empty());
  EXPECT_EQ(spec_named("valid_added_token_that_strips_left").strips_left, (std::vector<std::int64_t>{4}));
}

TEST(HfTokenizer, end_tokens_of_the_generation_configuration_count) {
  const HfTokenizerContext context{.vocabulary = 20, .ends = {1, 6}, .bos = 0, .pad = 2};
  const TokenizerSpec spec = spec_named("valid_byte_level", context);
  EXPECT_EQ(spec.end_tokens, (std::vector<std::int64_t>{1, 6, 4}));
  EXPECT_EQ(spec.eos, 1);
  EXPECT_EQ(spec.bos, 0);
  EXPECT_EQ(spec.pad, 2);
  const HfTokenizerContext beyond{.vocabulary = 20, .ends = {20}, .bos = -1, .pad = -1};
  const auto refused = tokenizer_of(input_named(test::tokenizer_cases(), "valid_byte_level"), beyond);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("token id 20, the vocabulary has 20"), std::string::npos);
}

ModelConfig config_named(const std::string& name) {
  const auto parts = parts_of(input_named(test::hf_config_cases(), name));
  const auto config = parse_hf_config(parts[0], "tiny/config.json");
  EXPECT_TRUE(config) << config.error().message;
  return config ? config->config : ModelConfig{};
}

ModelConfig config_with(const std::string& type, const std::function<void(Json&)>& change) {
  Json json = test::tiny_config(type);
  change(json);
  const auto config = parse_hf_config(json.dump(), "tiny/config.json");
  EXPECT_TRUE(config) << config.error().message;
  return config ? config->config : ModelConfig{};
}

TEST(HfConfig, all_families_rotate_halves) {
  for (const char* type : {"llama", "mistral", "qwen2", "qwen3", "gemma3_text"})
    EXPECT_EQ(config_named(std::string("valid_") + type).rope_pairs, RopePairs::halves) << type;
}

TEST(HfConfig, mistral_is_a_llama_whose_layers_are_all_local) {
  const ModelConfig config = config_with("mistral", [](Json& c) { c["sliding_window"] = 32; });
  EXPECT_EQ(config.family, Family::llama);
  EXPECT_EQ(config.sliding_window, 32u);
  EXPECT_EQ(config.local_layers, (std::vector<bool>{true, true}));
  EXPECT_EQ(config_with("mistral", [](Json& c) { c["sliding_window"] = nullptr; }).sliding_window, 0u);
  // The same field in a llama says nothing: the reference library does not read it there.
  EXPECT_EQ(config_with("llama", [](Json& c) { c["sliding_window"] = 32; }).sliding_window, 0u);
}

TEST(HfConfig, qwen_windows_need_their_switch) {
  const auto qwen = [](bool used) {
    return config_with("qwen2", [used](Json& c) {
      c["sliding_window"] = 32;
      c["use_sliding_window"] = used;
      c["max_window_layers"] = 1;
    });
  };
  EXPECT_EQ(qwen(false).sliding_window, 0u);
  EXPECT_EQ(qwen(true).local_layers, (std::vector<bool>{false, true}));
}

TEST(HfConfig, gemma3_differs_from_its_gguf_by_the_norm_offset) {
  const ModelConfig config = config_with("gemma3_text", [](Json& c) { c["query_pre_attn_scalar"] = 64; });
  EXPECT_EQ(config.norm_weight_offset, 1.0f);
  EXPECT_EQ(config.attention_scale, 0.125f);
  EXPECT_FLOAT_EQ(config.embedding_scale, std::sqrt(8.0f));
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.rope_theta_local, 1e4);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_TRUE(config.qk_norm && config.post_norms);
  EXPECT_EQ(config.local_layers, (std::vector<bool>{true, true}));
  const ModelConfig period = config_with("gemma3_text", [](Json& c) { c["sliding_window_pattern"] = 2; });
  EXPECT_EQ(period.local_layers, (std::vector<bool>{true, false}));
  EXPECT_EQ(config_named("valid_gemma3_text_part").family, Family::gemma3);
}

TEST(HfConfig, rope_parameters_are_read_flat_and_by_layer_type) {
  const ModelConfig yarn = config_named("valid_yarn");
  EXPECT_EQ(yarn.rope_theta, 5000.0);
  EXPECT_EQ(yarn.scaling.type, "yarn");
  EXPECT_EQ(yarn.scaling.factor, 4.0);
  EXPECT_TRUE(yarn.scaling.explicit_factor);
  EXPECT_EQ(yarn.scaling.original_context_length, 16u);
  EXPECT_EQ(yarn.scaling.attention_factor, 1.1);
  EXPECT_FALSE(yarn.scaling.attention_factor_multiplies);
  EXPECT_EQ(yarn.scaling.mscale, 1.0);
  EXPECT_EQ(yarn.scaling.mscale_all_dim, 0.5);
  EXPECT_EQ(yarn.scaling.beta_fast, 24.0);
  EXPECT_FALSE(yarn.scaling.truncate);
  const ModelConfig nested = config_named("valid_nested_rope");
  EXPECT_EQ(nested.scaling.type, "linear");
  EXPECT_EQ(nested.scaling.factor, 8.0);
  EXPECT_EQ(nested.rope_theta, 1e6);
  EXPECT_EQ(nested.rope_theta_local, 5e3);
  const ModelConfig longrope = config_named("valid_longrope");
  EXPECT_EQ(longrope.scaling.type, "longrope");
  EXPECT_EQ(longrope.scaling.factor, 4.0) << "64 / 16, from the two lengths";
  EXPECT_FALSE(longrope.scaling.explicit_factor);
  EXPECT_EQ(longrope.scaling.long_factors, (std::vector<float>{2, 3}));
  EXPECT_EQ(config_named("valid_llama3").scaling.high_freq_factor, 4.0);
}

/// A folder with a tiny model of zeros. Its tensors are returned as (name, header entry) in order.
struct TinyFolder {
  Json config = test::tiny_config("llama");
  std::vector<std::pair<std::string, std::vector<int>>> tensors;
  TinyFolder() {
    config["num_hidden_layers"] = 1;
    config["tie_word_embeddings"] = true;
    const std::string layer = "model.layers.0.";
    tensors = {{"model.embed_tokens.weight", {6, 8}},       {"model.norm.weight", {8}},
               {layer + "input_layernorm.weight", {8}},     {layer + "self_attn.q_proj.weight", {8, 8}},
               {layer + "self_attn.k_proj.weight", {4, 8}}, {layer + "self_attn.v_proj.weight", {4, 8}},
               {layer + "self_attn.o_proj.weight", {8, 8}}, {layer + "post_attention_layernorm.weight", {8}},
               {layer + "mlp.gate_proj.weight", {12, 8}},   {layer + "mlp.up_proj.weight", {12, 8}},
               {layer + "mlp.down_proj.weight", {8, 12}}};
  }
  static std::string file_of(const std::vector<std::pair<std::string, std::vector<int>>>& list, int padding = 0) {
    Json header = Json::object();
    std::size_t at = 0;
    for (const auto& [name, shape] : list) {
      std::size_t bytes = 4;
      for (const int extent : shape) bytes *= static_cast<std::size_t>(extent);
      header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {at, at + bytes}}};
      at += bytes;
    }
    std::string text = header.dump();
    while (text.size() % 8 != static_cast<std::size_t>(padding)) text += ' ';
    return test::safetensors(text, std::string(at, '\x3e'));
  }
  void write_texts(const TemporaryFolder& folder) const {
    folder.write("config.json", config.dump());
    Json tokenizer = test::tiny_byte_level_tokenizer();
    tokenizer["added_tokens"] = Json::array();
    folder.write("tokenizer.json", tokenizer.dump());
    folder.write("generation_config.json", R"({"eos_token_id":[4,5]})");
  }
  std::string said(const TemporaryFolder& folder) const {
    write_texts(folder);
    const auto model = open_model_file(folder.path(""));
    return model ? "accepted" : model.error().message;
  }
};

TEST(HfFolder, one_file_and_shards_give_the_same_model) {
  const TinyFolder tiny;
  const TemporaryFolder whole, shards;
  tiny.write_texts(whole);
  tiny.write_texts(shards);
  whole.write("model.safetensors", TinyFolder::file_of(tiny.tensors));
  const auto half = static_cast<std::ptrdiff_t>(tiny.tensors.size() / 2);
  shards.write("a.safetensors", TinyFolder::file_of({tiny.tensors.begin(), tiny.tensors.begin() + half}));
  shards.write("b.safetensors", TinyFolder::file_of({tiny.tensors.begin() + half, tiny.tensors.end()}));
  Json map = Json::object();
  for (std::size_t i = 0; i < tiny.tensors.size(); ++i)
    map[tiny.tensors[i].first] = static_cast<std::ptrdiff_t>(i) < half ? "a.safetensors" : "b.safetensors";
  shards.write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  const auto one = open_model_file(whole.path("")), two = open_model_file(shards.path(""));
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ((*one)->fingerprint, (*two)->fingerprint);
  EXPECT_EQ((*one)->tokenizer.end_tokens, (std::vector<std::int64_t>{4, 5}));
  EXPECT_EQ((*one)->find(Role::down, 0)->shape, (std::vector<std::uint64_t>{8, 12}));
  EXPECT_EQ((*two)->mapped.size(), 2u);

  map["missing.weight"] = "b.safetensors";
  shards.write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  EXPECT_NE(tiny.said(shards).find("'missing.weight' should be in 'b.safetensors', but is not"), std::string::npos);
  map.erase("missing.weight");
  map[tiny.tensors[0].first] = "b.safetensors";
  shards.write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  EXPECT_NE(tiny.said(shards).find("is in this shard, the index says 'b.safetensors'"), std::string::npos);
  map.erase(tiny.tensors[0].first);
  shards.write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  EXPECT_NE(tiny.said(shards).find("is in this shard, the index says nothing of it"), std::string::npos);
}

TEST(HfFolder, weights_at_odd_offsets_are_made_readable_as_floats) {
  const TinyFolder tiny;
  const TemporaryFolder folder;
  folder.write("model.safetensors", TinyFolder::file_of(tiny.tensors, 3));
  tiny.write_texts(folder);
  const auto model = open_model_file(folder.path(""));
  ASSERT_TRUE(model) << model.error().message;
  for (const auto& [key, view] : (*model)->tensors)
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.data) % 4, 0u) << role_name(key.first);
}

TEST(HfFolder, contradictions_are_refused) {
  const auto said = [](const std::function<void(TinyFolder&)>& change) {
    TinyFolder tiny;
    change(tiny);
    const TemporaryFolder folder;
    folder.write("model.safetensors", TinyFolder::file_of(tiny.tensors));
    return tiny.said(folder);
  };
  EXPECT_EQ(said([](TinyFolder&) {}), "accepted");
  EXPECT_NE(said([](TinyFolder& t) { t.tensors.pop_back(); }).find("'model.layers.0.mlp.down_proj.weight' is missing"),
            std::string::npos);
  EXPECT_NE(said([](TinyFolder& t) {
              t.tensors[3].second = {8, 7};
            }).find("shape [8, 7], expected [8, 8]"),
            std::string::npos);
  EXPECT_NE(said([](TinyFolder& t) { t.config["tie_word_embeddings"] = false; }).find("'lm_head.weight' is missing"),
            std::string::npos);
  EXPECT_NE(said([](TinyFolder& t) {
              t.tensors.push_back({"model.layers.0.self_attn.o_proj.bias", {8}});
            }).find("'model.layers.0.self_attn.o_proj.bias' is not part of the llama family"),
            std::string::npos);
  EXPECT_NE(said([](TinyFolder& t) {
              t.tensors[0].second = {6, 0};
            }).find("'model.embed_tokens.weight' is empty"),
            std::string::npos);
  EXPECT_EQ(said([](TinyFolder& t) { t.tensors.push_back({"lm_head.weight", {6, 8}}); }), "accepted") << "tied";
}

TEST(HfFolder, missing_files_are_named) {
  const TemporaryFolder folder;
  const TinyFolder tiny;
  EXPECT_NE(tiny.said(folder).find("neither model.safetensors nor model.safetensors.index.json is there"),
            std::string::npos);
  std::filesystem::remove(folder.path("tokenizer.json"));
  const auto model = open_model_file(folder.path(""));
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("tokenizer.json: No such file"), std::string::npos);
}

/// Checkpoints that the reference library wrote: both formats of one model must say the same.
TEST(HfFolder, a_checkpoint_and_its_gguf_agree) {
  const std::string models = std::string(TOME_TEST_DATA) + "/models/";
  for (const char* name : {"llama-untied", "qwen2", "qwen3", "gemma3", "llama-yarn"}) {
    const auto folder = open_model_file(models + name), file = open_model_file(models + name + ".gguf");
    ASSERT_TRUE(folder) << folder.error().message;
    ASSERT_TRUE(file) << file.error().message;
    const ModelConfig &a = (*folder)->config, &b = (*file)->config;
    EXPECT_EQ(a.family, b.family);
    EXPECT_EQ(a.hidden, b.hidden);
    EXPECT_EQ(a.head_dim, b.head_dim);
    EXPECT_EQ(a.vocabulary, b.vocabulary);
    EXPECT_EQ(a.context_length, b.context_length);
    EXPECT_EQ(a.rope_theta, b.rope_theta);
    EXPECT_EQ(a.rope_theta_local, b.rope_theta_local);
    EXPECT_EQ(a.sliding_window, b.sliding_window);
    EXPECT_EQ(a.local_layers, b.local_layers);
    EXPECT_EQ(a.tied_embeddings, b.tied_embeddings);
    EXPECT_FLOAT_EQ(a.attention_scale, b.attention_scale);
    EXPECT_EQ(a.scaling.type, b.scaling.type);
    EXPECT_EQ(a.scaling.factor, b.scaling.factor);
    EXPECT_EQ((*folder)->tensors.size(), (*file)->tensors.size());
    EXPECT_EQ((*folder)->tokenizer.tokens, (*file)->tokenizer.tokens);
    EXPECT_EQ((*folder)->tokenizer.end_tokens, (*file)->tokenizer.end_tokens);
  }
}

}  // namespace
}  // namespace tome
