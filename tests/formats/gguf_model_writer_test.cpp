// A model written as GGUF again: the same tensors and tokenizer, the positions that its configuration says.
#include "formats/gguf_model_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace tome {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const ModelFile> open_small(const std::string& name) {
  auto file = open_model_file(std::string(TOME_TEST_DATA) + "/models/" + name);
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return *file;
}

struct Target {
  ~Target() { fs::remove(path); }
  std::string path = (fs::temp_directory_path() / ("tome_written_" + std::to_string(::getpid()) + ".gguf")).string();
};

TEST(GgufModelWriter, a_model_written_unchanged_is_the_same_model) {
  for (const char* name : {"llama-untied.gguf", "llama-yarn.gguf", "llama3-scaling.gguf", "gemma3.gguf"}) {
    const auto file = open_small(name);
    const Target target;
    const Status written = write_gguf_model(target.path, *file);
    ASSERT_TRUE(written) << written.error().message;
    const auto again = open_model_file(target.path);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ((*again)->fingerprint, file->fingerprint) << name;
    EXPECT_EQ((*again)->tokenizer.tokens, file->tokenizer.tokens) << name;
    EXPECT_EQ((*again)->config.scaling.type, file->config.scaling.type) << name;
    EXPECT_EQ((*again)->config.scaling.factor, file->config.scaling.factor) << name;
    EXPECT_EQ((*again)->config.context_length, file->config.context_length) << name;
  }
}

TEST(GgufModelWriter, changed_positions_and_tensors_are_read_back) {
  const auto file = open_small("llama-untied.gguf");
  ModelFile changed = *file;
  changed.config.context_length = 4 * file->config.context_length;
  changed.config.scaling.type = "yarn";
  changed.config.scaling.factor = 4.0;
  changed.config.scaling.original_context_length = file->config.context_length;
  const TensorView matrix = *file->find(Role::down, 1);
  std::vector<float> values(matrix.elements(), 0.5f);
  changed.tensors[{Role::down, 1}].type = DType::f32;
  changed.tensors[{Role::down, 1}].data = reinterpret_cast<const std::byte*>(values.data());
  const Target target;
  ASSERT_TRUE(write_gguf_model(target.path, changed));
  const auto again = open_model_file(target.path);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->config.scaling.type, "yarn");
  EXPECT_EQ((*again)->config.scaling.factor, 4.0);
  EXPECT_EQ((*again)->config.scaling.original_context_length, file->config.context_length);
  EXPECT_EQ((*again)->config.context_length, changed.config.context_length);
  EXPECT_EQ(std::memcmp((*again)->find(Role::down, 1)->data, values.data(), values.size() * sizeof(float)), 0);
  EXPECT_NE((*again)->fingerprint, file->fingerprint);
}

TEST(GgufModelWriter, searched_divisors_are_read_back) {
  ModelFile changed = *open_small("llama-untied.gguf");
  changed.config.scaling.type = "longrope";
  changed.config.scaling.factor = 4.0;
  changed.config.scaling.original_context_length = changed.config.context_length;
  changed.config.scaling.attention_factor = 1.25;
  std::vector<float> divisors;
  for (std::uint32_t i = 0; i < changed.config.rope_dims / 2; ++i) divisors.push_back(1.0f + static_cast<float>(i));
  changed.config.scaling.short_factors = changed.config.scaling.long_factors = divisors;
  const Target target;
  const Status written = write_gguf_model(target.path, changed);
  ASSERT_TRUE(written) << written.error().message;
  const auto again = open_model_file(target.path);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->config.scaling.type, "longrope");
  EXPECT_EQ((*again)->config.scaling.long_factors, divisors);
  EXPECT_EQ((*again)->config.scaling.short_factors, divisors);
  EXPECT_EQ((*again)->config.scaling.attention_factor, 1.25);
  EXPECT_FALSE((*again)->config.scaling.explicit_factor);
  const Target second;
  ASSERT_TRUE(write_gguf_model(second.path + "2", **again));  // lists once, not twice
  EXPECT_EQ((*open_model_file(second.path + "2"))->config.scaling.long_factors, divisors);
  fs::remove(second.path + "2");
  changed.config.family = Family::qwen2;
  EXPECT_EQ(write_gguf_model(target.path, changed).error().kind, ErrorKind::unsupported);
}

TEST(GgufModelWriter, what_gguf_cannot_say_is_refused_and_nothing_is_written) {
  const Target target;
  const auto folder = open_small("llama-untied");
  EXPECT_FALSE(is_gguf(*folder));
  EXPECT_EQ(write_gguf_model(target.path, *folder).error().kind, ErrorKind::usage);
  ModelFile changed = *open_small("llama-untied.gguf");
  changed.config.scaling.type = "dynamic";
  EXPECT_EQ(write_gguf_model(target.path, changed).error().kind, ErrorKind::unsupported);
  EXPECT_FALSE(fs::exists(target.path));
}

}  // namespace
}  // namespace tome
