// Folders of encoders: what config.json means, which tensors have to be there, and that a tokenizer of an unknown kind
// keeps nobody from reading the weights.
#include "formats/encoder_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/json.h"
#include "formats/hf_encoder_cases.h"
#include "formats/hf_encoder_config.h"
#include "formats/model_file.h"
#include "formats/temporary_folder.h"

namespace tome {
namespace {

using test::ParserCase;
using test::TemporaryFolder;

class HfEncoderConfigCase : public testing::TestWithParam<ParserCase> {};
TEST_P(HfEncoderConfigCase, is_told_in_one_line_or_accepted) {
  const auto config = parse_hf_encoder_config(GetParam().input, "tiny/config.json");
  if (GetParam().message.empty()) {
    EXPECT_TRUE(config) << config.error().message;
    return;
  }
  ASSERT_FALSE(config) << "accepted, expected: " << GetParam().message;
  const std::string& said = config.error().message;
  EXPECT_NE(said.find(GetParam().message), std::string::npos) << said << "\nexpected: " << GetParam().message;
  EXPECT_EQ(said.find("[hf] tiny/config.json: "), 0u) << said;
  EXPECT_EQ(said.find('\n'), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(Every, HfEncoderConfigCase, testing::ValuesIn(test::hf_encoder_config_cases()),
                         [](const auto& entry) { return entry.param.name; });

EncoderConfig config_with(const std::string& architecture, const std::function<void(Json&)>& change) {
  Json json = test::tiny_encoder_config(architecture);
  change(json);
  const auto config = parse_hf_encoder_config(json.dump(), "tiny/config.json");
  EXPECT_TRUE(config) << config.error().message;
  return config ? config->config : EncoderConfig{};
}

TEST(HfEncoderConfig, a_single_window_is_every_layers) {
  const auto windows = [](const Json& value) {
    return config_with("LongformerModel", [&](Json& c) { c["attention_window"] = value; }).windows;
  };
  EXPECT_EQ(windows(6), (std::vector<std::uint32_t>{6, 6}));
  EXPECT_EQ(windows({4, 10}), (std::vector<std::uint32_t>{4, 10}));
  EXPECT_EQ(windows(nullptr), (std::vector<std::uint32_t>{512, 512}));
}

TEST(HfEncoderConfig, left_out_fields_are_what_the_reference_library_assumes) {
  const EncoderConfig longformer = config_with("LongformerModel", [](Json&) {});
  EXPECT_EQ(longformer.pad, 1u);
  EXPECT_EQ(longformer.activation, EncoderActivation::gelu);
  EXPECT_TRUE(longformer.tied_embeddings);
  const EncoderConfig bigbird = config_with("BigBirdModel", [](Json& c) {
    c.erase("block_size");
    c.erase("layer_norm_eps");
  });
  EXPECT_EQ(bigbird.activation, EncoderActivation::gelu_tanh);
  EXPECT_TRUE(bigbird.block_sparse && bigbird.attention_biases);
  EXPECT_EQ(bigbird.block, 64u);
  EXPECT_EQ(bigbird.random_blocks, 3u);
  EXPECT_EQ(bigbird.full_attention_up_to(), 704u);
  EXPECT_EQ(bigbird.embedding_scale, 1.0f);
  EXPECT_FLOAT_EQ(bigbird.norm_epsilon, 1e-12f);
}

TEST(HfEncoderConfig, the_head_of_a_longformer_is_always_gelu) {
  const auto relu = [](Json& c) { c["hidden_act"] = "relu"; };
  EXPECT_EQ(config_with("LongformerForMaskedLM", relu).head_activation, EncoderActivation::gelu);
  EXPECT_EQ(config_with("BigBirdForMaskedLM", relu).head_activation, EncoderActivation::relu);
}

TEST(HfEncoderConfig, rescaled_embeddings_are_multiplied_by_the_root_of_the_width) {
  EXPECT_FLOAT_EQ(config_with("BigBirdModel", [](Json& c) { c["rescale_embeddings"] = true; }).embedding_scale,
                  std::sqrt(8.0f));
}

TEST(HfEncoderConfig, a_decoders_reader_says_which_command_reads_an_encoder) {
  const auto model = open_model_file(std::string(TOME_TEST_DATA) + "/models/bigbird");
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("'BigBirdForMaskedLM' is an encoder, which only `tome encode` reads"),
            std::string::npos)
      << model.error().message;
}

/// A copy of a golden folder whose config.json and tensors a test changes.
class EncoderFolder : public testing::Test {
 protected:
  void copy(const std::string& name) {
    for (const auto& entry : std::filesystem::directory_iterator(std::string(TOME_TEST_DATA) + "/models/" + name))
      if (entry.path().extension() != ".bin")
        std::filesystem::copy(entry.path(), folder_.path(entry.path().filename().string()));
  }
  void change_config(const std::function<void(Json&)>& change) {
    Json config = Json::parse(*read_file(folder_.path("config.json"), 1 << 20));
    change(config);
    folder_.write("config.json", config.dump());
  }
  /// The header of the weights as JSON, written back with what `change` makes of it; the bytes stay.
  void change_header(const std::function<void(Json&)>& change) {
    const std::string bytes = *read_file(folder_.path("model.safetensors"), 1 << 24);
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof(length));
    Json header = Json::parse(bytes.substr(8, length));
    change(header);
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    length = text.size();
    std::string changed(reinterpret_cast<const char*>(&length), sizeof(length));
    std::uint64_t old_length = 0;
    std::memcpy(&old_length, bytes.data(), sizeof(old_length));
    folder_.write("model.safetensors", changed + text + bytes.substr(8 + old_length));
  }
  static void rename(Json& header, const std::string& from, const std::string& to) {
    ASSERT_TRUE(header.contains(from)) << from;
    header[to] = header[from];
    header.erase(from);
  }
  void expect_refused(ErrorKind kind, const std::string& message) {
    const auto file = open_encoder_folder(folder_.path(""));
    ASSERT_FALSE(file) << "accepted, expected: " << message;
    EXPECT_EQ(file.error().kind, kind);
    EXPECT_NE(file.error().message.find(message), std::string::npos) << file.error().message;
    EXPECT_EQ(file.error().message.find('\n'), std::string::npos);
  }
  TemporaryFolder folder_;
};

TEST_F(EncoderFolder, is_read_whole) {
  copy("longformer");
  const auto file = open_encoder_folder(folder_.path(""));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE((*file)->has_head);
  EXPECT_FALSE((*file)->has_pooler);
  EXPECT_EQ((*file)->mask, 103);
  EXPECT_EQ((*file)->config.windows, (std::vector<std::uint32_t>{4, 16, 8}));
  ASSERT_TRUE((*file)->tokenizer) << (*file)->tokenizer.error().message;
  EXPECT_TRUE((*file)->tokenizer->add_bos && (*file)->tokenizer->add_eos);
  EXPECT_EQ((*file)->tokenizer->strips_left, (std::vector<std::int64_t>{103}));
  EXPECT_EQ((*file)->find(EncoderRole::head_output)->data, (*file)->find(EncoderRole::word_embedding)->data);
}

TEST_F(EncoderFolder, a_tokenizer_of_an_unknown_kind_is_kept_as_an_error_and_its_mask_is_known) {
  copy("bigbird-pooled");
  const auto file = open_encoder_folder(folder_.path(""));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_FALSE((*file)->tokenizer);
  EXPECT_NE((*file)->tokenizer.error().message.find("tokenizer.json"), std::string::npos);
  EXPECT_EQ((*file)->mask, 103);
}

TEST_F(EncoderFolder, without_a_tokenizer_the_weights_are_read) {
  copy("bigbird");
  std::filesystem::remove(folder_.path("tokenizer.json"));
  const auto file = open_encoder_folder(folder_.path(""));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_FALSE((*file)->tokenizer);
  EXPECT_EQ((*file)->mask, -1);
}

TEST_F(EncoderFolder, a_mask_beyond_the_vocabulary_or_of_another_type_is_none) {
  copy("bigbird");
  for (const char* tokenizer :
       {R"({"added_tokens":[{"id":104,"content":"[MASK]"}]})", R"({"added_tokens":3})",
        R"({"added_tokens":[3,{"id":"x","content":"[MASK]"},{"id":2,"content":7}]})", "[", "3"}) {
    folder_.write("tokenizer.json", tokenizer);
    const auto file = open_encoder_folder(folder_.path(""));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ((*file)->mask, -1) << tokenizer;
  }
}

TEST_F(EncoderFolder, a_missing_tensor_is_named) {
  copy("longformer");
  change_header([](Json& header) {
    rename(header, "longformer.encoder.layer.1.attention.self.key_global.weight", "longformer.embeddings.position_ids");
  });
  expect_refused(ErrorKind::format, "tensor 'longformer.encoder.layer.1.attention.self.key_global.weight' is missing");
}

TEST_F(EncoderFolder, a_head_that_the_architecture_promises_has_to_be_there) {
  copy("longformer-pooled");
  change_config([](Json& config) { config["architectures"] = {"LongformerForMaskedLM"}; });
  expect_refused(ErrorKind::format, "tensor 'lm_head.dense.weight' is missing");
}

TEST_F(EncoderFolder, half_a_pooler_is_refused) {
  copy("bigbird-pooled");
  change_header([](Json& header) { rename(header, "pooler.bias", "embeddings.position_ids"); });
  expect_refused(ErrorKind::format, "tensor 'pooler.bias' is missing");
}

TEST_F(EncoderFolder, a_tensor_of_another_shape_is_refused_with_both_shapes) {
  copy("longformer");
  change_config([](Json& config) { config["max_position_embeddings"] = 99; });
  expect_refused(ErrorKind::format,
                 "tensor 'longformer.embeddings.position_embeddings.weight': shape [98, 16], expected [99, 16]");
}

TEST_F(EncoderFolder, a_tensor_of_another_type_is_refused) {
  copy("longformer");
  change_header([](Json& header) { header["lm_head.bias"]["dtype"] = "I32"; });
  expect_refused(ErrorKind::unsupported, "tensor 'lm_head.bias': type i32, expected f32, f16 or bf16");
}

TEST_F(EncoderFolder, a_tensor_whose_effect_would_be_dropped_is_refused) {
  copy("bigbird-full");
  change_header([](Json& header) { rename(header, "cls.seq_relationship.weight", "qa_classifier.weight"); });
  expect_refused(ErrorKind::unsupported, "tensor 'qa_classifier.weight' is not part of the bigbird family");
}

TEST_F(EncoderFolder, biases_that_the_configuration_denies_are_refused) {
  copy("bigbird");
  change_config([](Json& config) { config["use_bias"] = false; });
  expect_refused(ErrorKind::unsupported, "attention.self.key.bias' is not part of");
}

TEST_F(EncoderFolder, an_untied_head_needs_a_matrix_of_its_own) {
  copy("longformer");
  change_config([](Json& config) { config["tie_word_embeddings"] = false; });
  expect_refused(ErrorKind::format, "tensor 'lm_head.decoder.weight' is missing");
}

TEST_F(EncoderFolder, an_output_bias_under_the_decoders_name_is_taken) {
  copy("longformer");
  change_header([](Json& header) { rename(header, "lm_head.bias", "lm_head.decoder.bias"); });
  const auto file = open_encoder_folder(folder_.path(""));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_NE((*file)->find(EncoderRole::head_output_bias), nullptr);
}

TEST_F(EncoderFolder, a_missing_config_or_missing_weights_are_told) {
  expect_refused(ErrorKind::io, "config.json");
  copy("bigbird");
  std::filesystem::remove(folder_.path("model.safetensors"));
  expect_refused(ErrorKind::io, "model.safetensors");
}

TEST_F(EncoderFolder, a_file_that_is_cut_short_is_told) {
  copy("bigbird");
  const std::string bytes = *read_file(folder_.path("model.safetensors"), 1 << 24);
  folder_.write("model.safetensors", bytes.substr(0, bytes.size() - 5));
  expect_refused(ErrorKind::format, "cut short");
}

}  // namespace
}  // namespace tome
