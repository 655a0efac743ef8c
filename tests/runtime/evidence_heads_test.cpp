#include "runtime/evidence_heads.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace tome {
namespace {

class EvidenceHeadsFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("tome_heads_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder_);
    model_.path = (folder_ / "model.gguf").string();
    model_.fingerprint = "abc123";
    model_.config.layers = 6;
    model_.config.heads = 4;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text) { std::ofstream(heads_file_path(model_.path)) << text; }
  std::string message() {
    const auto found = find_evidence_heads(model_);
    return found ? "" : found.error().message;
  }
  std::filesystem::path folder_;
  ModelFile model_;
};

TEST_F(EvidenceHeadsFile, what_is_written_is_read_back) {
  const EvidenceHeads heads{.heads = {{5, 1, 1.0}, {3, 2, 0.25}}, .passage_length = 48, .method = "m", .origin = ""};
  ASSERT_TRUE(save_evidence_heads(heads_file_path(model_.path), model_, heads).has_value());
  const auto found = find_evidence_heads(model_);
  ASSERT_TRUE(found.has_value() && found->has_value());
  EXPECT_EQ((*found)->heads.size(), 2u);
  EXPECT_EQ((*found)->heads[1].layer, 3u);
  EXPECT_DOUBLE_EQ((*found)->heads[1].weight, 0.25);
  EXPECT_EQ((*found)->passage_length, 48u);
  EXPECT_EQ((*found)->origin, heads_file_path(model_.path));
}

TEST_F(EvidenceHeadsFile, a_model_without_any_result_has_none) {
  const auto found = find_evidence_heads(model_);
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->has_value());
}

TEST_F(EvidenceHeadsFile, the_default_model_has_its_result_compiled_in_and_no_other_shape_does) {
  ModelConfig config;
  config.family = Family::gemma3;
  config.layers = 18;
  config.heads = 4;
  config.hidden = 640;
  config.vocabulary = 262144;
  const auto heads = shipped_evidence_heads(config);
  ASSERT_TRUE(heads.has_value());
  EXPECT_EQ(heads->heads.front().layer, 5u);
  EXPECT_EQ(heads->heads.front().head, 1u);
  config.hidden = 641;
  EXPECT_FALSE(shipped_evidence_heads(config).has_value());
}

TEST_F(EvidenceHeadsFile, the_other_packaged_model_has_its_result_too) {
  ModelConfig config;
  config.family = Family::llama;
  config.layers = 30;
  config.heads = 9;
  config.hidden = 576;
  config.vocabulary = 49152;
  const auto heads = shipped_evidence_heads(config);
  ASSERT_TRUE(heads.has_value());
  EXPECT_EQ(heads->heads.front().layer, 17u);
  EXPECT_FALSE(heads->method.empty());
}

TEST_F(EvidenceHeadsFile, another_models_file_is_refused) {
  const EvidenceHeads heads{.heads = {{5, 1, 1.0}}, .passage_length = 64, .method = "", .origin = ""};
  ASSERT_TRUE(save_evidence_heads(heads_file_path(model_.path), model_, heads).has_value());
  model_.fingerprint = "other";
  EXPECT_NE(message().find("model fingerprint abc123, this model's is other"), std::string::npos);
}

TEST_F(EvidenceHeadsFile, under_an_adapter_the_base_models_file_serves) {
  const EvidenceHeads heads{.heads = {{5, 1, 1.0}}, .passage_length = 64, .method = "", .origin = ""};
  ASSERT_TRUE(save_evidence_heads(heads_file_path(model_.path), model_, heads).has_value());
  model_.base_fingerprint = model_.fingerprint;
  model_.fingerprint = "adapted";
  EXPECT_EQ(message(), "");
  model_.base_fingerprint = "other";
  EXPECT_NE(message().find("model fingerprint abc123, this model's is adapted"), std::string::npos);
}

TEST_F(EvidenceHeadsFile, a_head_that_the_model_does_not_have_is_refused) {
  const EvidenceHeads heads{.heads = {{6, 0, 1.0}}, .passage_length = 64, .method = "", .origin = ""};
  ASSERT_TRUE(save_evidence_heads(heads_file_path(model_.path), model_, heads).has_value());
  EXPECT_NE(message().find("layer 6 head 0, the model has 6 layers of 4 heads"), std::string::npos);
}

TEST_F(EvidenceHeadsFile, broken_files_are_refused_with_the_field) {
  write("{");
  EXPECT_NE(message(), "");
  write(R"({"tome_heads": 2})");
  EXPECT_NE(message().find("\"tome_heads\": 1"), std::string::npos);
  write(R"({"tome_heads": 1, "model_fingerprint": "abc123", "passage_length": -3, "heads": []})");
  EXPECT_NE(message().find("passage_length"), std::string::npos);
  write(R"({"tome_heads": 1, "model_fingerprint": "abc123", "passage_length": 64, "heads": [{"layer": 1}]})");
  EXPECT_NE(message().find("{layer, head, weight}"), std::string::npos);
  write(R"({"tome_heads": 1, "model_fingerprint": "abc123", "passage_length": 64, "heads": []})");
  EXPECT_NE(message().find("empty"), std::string::npos);
}

TEST_F(EvidenceHeadsFile, a_folder_model_has_its_file_beside_the_folder) {
  EXPECT_EQ(heads_file_path("models/tiny/"), "models/tiny.heads.json");
}

}  // namespace
}  // namespace tome
