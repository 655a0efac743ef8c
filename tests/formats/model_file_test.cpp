#include "formats/model_file.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>

#include "formats/temporary_folder.h"
#include "formats/tiny_gguf.h"

namespace tome {
namespace {

using test::TemporaryFolder;
using test::TinyGguf;

std::shared_ptr<const ModelFile> opened(const TinyGguf& file) {
  const TemporaryFolder folder;
  const auto model = open_model_file(folder.write("tiny.gguf", file.bytes()));
  EXPECT_TRUE(model) << model.error().message;
  return model ? *model : nullptr;
}

std::string refusal(const std::string& path) {
  const auto model = open_model_file(path);
  return model ? "accepted" : model.error().message;
}

TEST(ModelFile, llama_gguf_rotates_neighbours_and_the_others_halves) {
  EXPECT_EQ(opened(test::tiny_model("llama"))->config.rope_pairs, RopePairs::interleaved);
  for (const char* family : {"qwen2", "qwen3", "gemma3"})
    EXPECT_EQ(opened(test::tiny_model(family))->config.rope_pairs, RopePairs::halves) << family;
}

TEST(ModelFile, a_llama_has_its_counts_and_no_extras) {
  const auto model = opened(test::tiny_model("llama"));
  const ModelConfig& config = model->config;
  EXPECT_EQ(config.name, "tiny");
  EXPECT_EQ(config.layers, 1u);
  EXPECT_EQ(config.hidden, 8u);
  EXPECT_EQ(config.heads, 2u);
  EXPECT_EQ(config.kv_heads, 1u);
  EXPECT_EQ(config.head_dim, 4u);
  EXPECT_EQ(config.feed_forward, 12u);
  EXPECT_EQ(config.vocabulary, 6u);
  EXPECT_EQ(config.context_length, 64u);
  EXPECT_EQ(config.rope_theta, 5000.0);
  EXPECT_EQ(config.rope_theta_local, 5000.0);
  EXPECT_EQ(config.attention_scale, 0.5f);
  EXPECT_EQ(config.embedding_scale, 1.0f);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_FALSE(config.qk_norm);
  EXPECT_FALSE(config.post_norms);
  EXPECT_EQ(config.activation, Activation::silu);
  EXPECT_EQ(config.sliding_window, 0u);
  EXPECT_EQ(config.scaling.type, "none");
  EXPECT_EQ(model->find(Role::output), nullptr);
  EXPECT_EQ(model->find(Role::query_bias, 0), nullptr);
  const TensorView* down = model->find(Role::down, 0);
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(down->shape, (std::vector<std::uint64_t>{8, 12}));
  EXPECT_EQ(down->rows(), 8u);
}

TEST(ModelFile, untied_models_have_an_output_matrix) {
  TinyGguf file = test::tiny_model("llama");
  file.f32_tensor("output.weight", {8, 6});
  const auto model = opened(file);
  EXPECT_FALSE(model->config.tied_embeddings);
  EXPECT_NE(model->find(Role::output), nullptr);
}

TEST(ModelFile, gemma3_sees_everything_in_every_sixth_layer) {
  TinyGguf file = test::tiny_model("gemma3");
  constexpr int layers = 13;
  file.set("gemma3.block_count", test::u32(layers));
  const auto first = file.tensors;
  for (int layer = 1; layer < layers; ++layer)
    for (const test::TinyTensor& tensor : first)
      if (tensor.name.starts_with("blk.0."))
        file.f32_tensor("blk." + std::to_string(layer) + tensor.name.substr(5), tensor.dimensions);
  const auto model = opened(file);
  const ModelConfig& config = model->config;
  ASSERT_EQ(config.local_layers.size(), 13u);
  for (int layer = 0; layer < layers; ++layer)
    EXPECT_EQ(config.local_layers[static_cast<std::size_t>(layer)], layer != 5 && layer != 11) << layer;
  EXPECT_EQ(config.sliding_window, 4u);
  EXPECT_EQ(config.rope_theta_local, 1e4);
  EXPECT_TRUE(config.qk_norm);
  EXPECT_TRUE(config.post_norms);
  EXPECT_EQ(config.activation, Activation::gelu_tanh);
  EXPECT_FLOAT_EQ(config.embedding_scale, std::sqrt(8.0f));
  EXPECT_EQ(config.norm_weight_offset, 0.0f);

  file.set("gemma3.attention.sliding_window_pattern", test::u32(2));
  file.set("gemma3.rope.freq_base_swa", test::f32(777));
  const auto other = opened(file);
  EXPECT_TRUE(other->config.local_layers[0]);
  EXPECT_FALSE(other->config.local_layers[1]);
  EXPECT_EQ(other->config.rope_theta_local, 777.0);
  EXPECT_NE(other->fingerprint, model->fingerprint);
}

TEST(ModelFile, a_list_of_flags_says_which_layers_are_local) {
  TinyGguf file = test::tiny_model("gemma3");
  file.set("gemma3.attention.sliding_window_pattern", test::numbers<std::uint8_t>(7, {0}));
  EXPECT_FALSE(opened(file)->config.local_layers[0]);
}

TEST(ModelFile, a_llama_with_a_window_is_local_in_every_layer) {
  TinyGguf file = test::tiny_model("llama");
  file.set("llama.attention.sliding_window", test::u32(16));
  const auto model = opened(file);
  EXPECT_EQ(model->config.sliding_window, 16u);
  EXPECT_TRUE(model->config.local_layers[0]);
}

TEST(ModelFile, qwen2_has_biases_and_qwen3_norms_of_heads) {
  const auto qwen2 = opened(test::tiny_model("qwen2"));
  EXPECT_NE(qwen2->find(Role::query_bias, 0), nullptr);
  EXPECT_FALSE(qwen2->config.qk_norm);
  const auto qwen3 = opened(test::tiny_model("qwen3"));
  EXPECT_TRUE(qwen3->config.qk_norm);
  EXPECT_EQ(qwen3->find(Role::query_bias, 0), nullptr);
  TinyGguf without = test::tiny_model("qwen2");
  std::erase_if(without.tensors, [](const test::TinyTensor& tensor) { return tensor.name == "blk.0.attn_k.bias"; });
  const TemporaryFolder folder;
  EXPECT_NE(refusal(folder.write("x.gguf", without.bytes())).find("'blk.0.attn_k.bias' is missing"), std::string::npos);
}

TEST(ModelFile, scaling_keys_are_read) {
  TinyGguf file = test::tiny_model("llama");
  file.set("llama.rope.scaling.type", test::text("yarn"));
  file.set("llama.rope.scaling.factor", test::f32(4));
  file.set("llama.rope.scaling.original_context_length", test::u32(16));
  file.set("llama.rope.scaling.yarn_beta_fast", test::f32(24));
  file.set("llama.rope.scaling.yarn_beta_slow", test::f32(2));
  file.set("llama.rope.scaling.attn_factor", test::f32(0.5f));
  const DeclaredScaling scaling = opened(file)->config.scaling;
  EXPECT_EQ(scaling.type, "yarn");
  EXPECT_EQ(scaling.factor, 4.0);
  EXPECT_TRUE(scaling.explicit_factor);
  EXPECT_EQ(scaling.original_context_length, 16u);
  EXPECT_EQ(scaling.beta_fast, 24.0);
  EXPECT_EQ(scaling.beta_slow, 2.0);
  EXPECT_EQ(scaling.attention_factor, 0.5);
  EXPECT_TRUE(scaling.attention_factor_multiplies);
}

TEST(ModelFile, the_legacy_scale_means_linear_and_frequency_factors_mean_llama3) {
  TinyGguf file = test::tiny_model("llama");
  file.set("llama.rope.scale_linear", test::f32(2));
  EXPECT_EQ(opened(file)->config.scaling.type, "linear");
  EXPECT_EQ(opened(file)->config.scaling.factor, 2.0);
  TinyGguf factors = test::tiny_model("llama");
  factors.f32_tensor("rope_freqs.weight", {2});
  // The builder's pattern bytes are small positive floats only by accident: write real ones behind the last tensor.
  std::string bytes = factors.bytes();
  const float values[] = {1.0f, 8.0f};
  std::memcpy(bytes.data() + bytes.size() - 32, values, sizeof values);
  const TemporaryFolder folder;
  const auto model = open_model_file(folder.write("factors.gguf", bytes));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->config.scaling.type, "llama3");
  EXPECT_EQ((*model)->config.scaling.frequency_factors, (std::vector<float>{1.0f, 8.0f}));
}

TEST(ModelFile, every_way_to_end_an_answer_is_an_end_token) {
  TinyGguf file = test::tiny_model("llama");
  EXPECT_EQ(opened(file)->tokenizer.end_tokens, (std::vector<std::int64_t>{4, 5}));
  // A piece of text that happens to read like one is none.
  file.set("tokenizer.ggml.token_type", test::numbers<std::int32_t>(5, {1, 1, 1, 3, 3, 1}));
  EXPECT_EQ(opened(file)->tokenizer.end_tokens, (std::vector<std::int64_t>{4}));
  file.set("tokenizer.ggml.eot_token_id", test::u32(2));
  EXPECT_EQ(opened(file)->tokenizer.end_tokens, (std::vector<std::int64_t>{2, 4}));
}

TEST(ModelFile, tokenizer_flags_follow_the_file_and_then_the_kind) {
  const TokenizerSpec byte_level = opened(test::tiny_model("llama"))->tokenizer;
  EXPECT_EQ(byte_level.kind, TokenizerKind::byte_bpe);
  EXPECT_EQ(byte_level.pre, PreTokenizer::gpt2);
  EXPECT_FALSE(byte_level.add_bos);
  EXPECT_FALSE(byte_level.ignore_merges);
  EXPECT_EQ(byte_level.merges, (std::vector<std::pair<std::string, std::string>>{{"a", "b"}}));
  TinyGguf llama3 = test::tiny_model("llama");
  llama3.set("tokenizer.ggml.pre", test::text("llama-bpe"));
  EXPECT_TRUE(opened(llama3)->tokenizer.ignore_merges);
  EXPECT_TRUE(opened(llama3)->tokenizer.add_bos);
  TinyGguf pieces = test::tiny_model("gemma3");
  const TokenizerSpec sentencepiece = opened(pieces)->tokenizer;
  EXPECT_EQ(sentencepiece.kind, TokenizerKind::sentencepiece_bpe);
  EXPECT_TRUE(sentencepiece.add_bos);
  EXPECT_TRUE(sentencepiece.add_space_prefix);
  EXPECT_EQ(sentencepiece.scores[2], -2.0f);
  pieces.set("tokenizer.ggml.add_space_prefix", test::boolean(0));
  pieces.set("tokenizer.ggml.add_bos_token", test::boolean(0));
  EXPECT_FALSE(opened(pieces)->tokenizer.add_space_prefix);
  EXPECT_FALSE(opened(pieces)->tokenizer.add_bos);
}

TEST(ModelFile, the_fingerprint_follows_weights_and_configuration_not_names_of_files) {
  const TemporaryFolder folder;
  std::string bytes = test::tiny_model("llama").bytes();
  const auto a = open_model_file(folder.write("a.gguf", bytes)), b = open_model_file(folder.write("b.gguf", bytes));
  ASSERT_TRUE(a && b);
  EXPECT_EQ((*a)->fingerprint, (*b)->fingerprint);
  EXPECT_EQ((*a)->fingerprint.size(), 64u);
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] + 1);
  const auto changed = open_model_file(folder.write("c.gguf", bytes));
  ASSERT_TRUE(changed);
  EXPECT_NE((*changed)->fingerprint, (*a)->fingerprint);
  TinyGguf file = test::tiny_model("llama");
  file.set("llama.rope.freq_base", test::f32(6000));
  EXPECT_NE(opened(file)->fingerprint, (*a)->fingerprint);
}

TEST(ModelFile, the_fingerprint_sees_both_ends_of_a_large_tensor) {
  TinyGguf file = test::tiny_model("llama");
  file.set("llama.feed_forward_length", test::u32(640));
  file.f32_tensor("blk.0.ffn_gate.weight", {8, 640});
  file.f32_tensor("blk.0.ffn_up.weight", {8, 640});
  file.f32_tensor("blk.0.ffn_down.weight", {640, 8});
  const std::string bytes = file.bytes();
  const std::size_t last_tensor = 640 * 8 * 4;
  const TemporaryFolder folder;
  std::set<std::string> fingerprints;
  for (const std::size_t from_the_end : {std::size_t{0}, std::size_t{1}, last_tensor}) {
    std::string changed = bytes;
    if (from_the_end != 0) changed[changed.size() - from_the_end] ^= 1;
    const auto model = open_model_file(folder.write("large.gguf", changed));
    ASSERT_TRUE(model) << model.error().message;
    fingerprints.insert((*model)->fingerprint);
  }
  EXPECT_EQ(fingerprints.size(), 3u);
}

TEST(ModelFile, metadata_is_printable) {
  TinyGguf file = test::tiny_model("llama");
  file.set("odd", test::text("a\nb\x1b[31m"));
  const auto model = opened(file);
  bool seen = false;
  for (const auto& [key, value] : model->metadata)
    if (key == "odd") seen = value == "a\\x0ab\\x1b[31m";
  EXPECT_TRUE(seen);
}

TEST(ModelFile, wrong_paths_are_told_in_one_line) {
  const TemporaryFolder folder;
  EXPECT_NE(refusal(folder.path("missing.gguf")).find("No such file"), std::string::npos);
  EXPECT_NE(refusal(folder.write("text.gguf", "not a model")).find("magic 'not '"), std::string::npos);
  EXPECT_NE(refusal(folder.write("empty.gguf", "")).find("0 bytes, too short"), std::string::npos);
  EXPECT_NE(refusal(folder.write("x.safetensors", "x")).find("give the folder"), std::string::npos);
  EXPECT_NE(refusal(folder.path("")).find("config.json"), std::string::npos);
}

/// The tiny model in `count` parts.
std::vector<TinyGguf> split(std::uint16_t count) {
  const TinyGguf whole = test::tiny_model("llama");
  std::vector<TinyGguf> parts(count);
  parts[0].pairs = whole.pairs;
  for (std::uint16_t part = 0; part < count; ++part) {
    parts[part].set("split.no", test::raw(std::uint32_t{2}) + test::raw(part));
    parts[part].set("split.count", test::raw(std::uint32_t{2}) + test::raw(count));
    parts[part].set("split.tensors.count", test::i32(static_cast<std::int32_t>(whole.tensors.size())));
  }
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) parts[i % count].tensors.push_back(whole.tensors[i]);
  return parts;
}

void write_parts(const TemporaryFolder& folder, const std::vector<TinyGguf>& parts) {
  for (std::size_t part = 0; part < parts.size(); ++part)
    folder.write("model-0000" + std::to_string(part + 1) + "-of-0000" + std::to_string(parts.size()) + ".gguf",
                 parts[part].bytes());
}

TEST(SplitGguf, any_part_opens_the_whole) {
  const TemporaryFolder folder;
  write_parts(folder, split(3));
  for (const char* name : {"model-00001-of-00003.gguf", "model-00003-of-00003.gguf"}) {
    const auto model = open_model_file(folder.path(name));
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ((*model)->mapped.size(), 3u);
    EXPECT_NE((*model)->find(Role::down, 0), nullptr);
    EXPECT_NE((*model)->find(Role::token_embedding), nullptr);
  }
}

TEST(SplitGguf, a_missing_part_is_named) {
  const TemporaryFolder folder;
  write_parts(folder, split(3));
  std::filesystem::remove(folder.path("model-00002-of-00003.gguf"));
  const std::string said = refusal(folder.path("model-00001-of-00003.gguf"));
  EXPECT_NE(said.find("model-00002-of-00003.gguf: No such file"), std::string::npos) << said;
}

TEST(SplitGguf, parts_that_disagree_are_refused) {
  const auto said = [](const std::function<void(std::vector<TinyGguf>&)>& change) {
    const TemporaryFolder folder;
    auto parts = split(2);
    change(parts);
    write_parts(folder, parts);
    return refusal(folder.path("model-00001-of-00002.gguf"));
  };
  const auto u16 = [](std::uint16_t value) { return test::raw(std::uint32_t{2}) + test::raw(value); };
  EXPECT_NE(said([&](auto& parts) { parts[1].set("split.count", u16(5)); }).find("split.count 5, the file name says 2"),
            std::string::npos);
  EXPECT_NE(said([&](auto& parts) { parts[1].set("split.no", u16(0)); }).find("split.no 0, expected 1"),
            std::string::npos);
  EXPECT_NE(said([&](auto& parts) { parts[1].erase("split.no"); }).find("split.no missing, expected 1"),
            std::string::npos);
  EXPECT_NE(said([&](auto& parts) { parts[0].set("split.tensors.count", test::i32(4)); }).find("split.tensors.count 4"),
            std::string::npos);
  EXPECT_NE(said([&](auto& parts) {
              parts[1].tensors[0].name = parts[0].tensors[0].name;
              parts[1].tensors[0].dimensions = {8, 6};
              parts[1].tensors[0].bytes = 192;
            }).find("is in an earlier part too"),
            std::string::npos);
}

TEST(SplitGguf, a_part_under_another_name_is_refused) {
  const TemporaryFolder folder;
  EXPECT_NE(refusal(folder.write("renamed.gguf", split(2)[0].bytes())).find("one of 2 parts, but not named like one"),
            std::string::npos);
  EXPECT_NE(refusal(folder.write("m-00003-of-00002.gguf", split(2)[0].bytes())).find("part 3 of 2"), std::string::npos);
}

TEST(ModelFile, a_vocabulary_of_262144_opens_in_well_under_a_second) {
  TinyGguf file = test::tiny_model("gemma3");
  std::vector<std::string> tokens(262144);
  for (std::size_t id = 0; id < tokens.size(); ++id) tokens[id] = "token " + std::to_string(id);
  file.set("tokenizer.ggml.tokens", test::texts(tokens));
  file.set("tokenizer.ggml.scores", test::numbers<float>(6, std::vector<float>(tokens.size(), -1.0f)));
  file.set("tokenizer.ggml.token_type", test::numbers<std::int32_t>(5, std::vector<std::int32_t>(tokens.size(), 1)));
  file.f32_tensor("token_embd.weight", {8, 262144});
  const TemporaryFolder folder;
  const std::string path = folder.write("large.gguf", file.bytes());
  const auto start = std::chrono::steady_clock::now();
  const auto model = open_model_file(path);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->config.vocabulary, 262144u);
  EXPECT_LT(seconds, 3.0) << "generous: sanitizers and busy machines";
}

}  // namespace
}  // namespace tome
