// An adapter as PEFT writes it: what is taken, what is refused, and that what is written is read again.
#include "formats/lora_adapter.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "formats/lora_cases.h"
#include "formats/safetensors_writer.h"

namespace tome {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder()
      : path(fs::temp_directory_path() / ("tome_adapter_" + std::to_string(::getpid()) + "_" +
                                          ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  void config(const std::string& text) const { std::ofstream(path / "adapter_config.json") << text; }
  /// Tensors of zeros.
  void tensors(const std::vector<std::pair<std::string, std::vector<std::uint64_t>>>& named) const {
    std::vector<SafeTensorToWrite> write;
    static const std::vector<float> zeros(4096);
    for (const auto& [name, shape] : named) {
      std::uint64_t count = 1;
      for (const std::uint64_t extent : shape) count *= extent;
      write.push_back({name, DType::f32, shape, std::as_bytes(std::span(zeros).first(count))});
    }
    const Status written = write_safetensors((path / "adapter_model.safetensors").string(), write, {});
    ASSERT_TRUE(written) << written.error().message;
  }
  std::string refusal() const {
    const auto adapter = open_lora_adapter(path.string(), test::adapter_base());
    return adapter ? "taken" : adapter.error().message;
  }
  fs::path path;
};

const std::string kQ = "base_model.model.model.layers.1.self_attn.q_proj.lora_";

TEST(LoraAdapter, what_peft_writes_is_taken) {
  Folder folder;
  folder.config(R"({"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 6, "bias": "none",
    "use_dora": false, "rank_pattern": {}, "target_modules": ["q_proj", "down_proj"], "use_rslora": false})");
  folder.tensors({{kQ + "A.weight", {2, 8}},
                  {kQ + "B.weight", {8, 2}},
                  {"base_model.model.model.layers.0.mlp.down_proj.lora_A.weight", {2, 12}},
                  {"base_model.model.model.layers.0.mlp.down_proj.lora_B.weight", {8, 2}},
                  {"base_model.model.model.norm.weight", {8}},
                  {"base_model.model.model.embed_tokens.weight", {20, 8}}});
  const auto adapter = open_lora_adapter(folder.path.string(), test::adapter_base());
  ASSERT_TRUE(adapter) << adapter.error().message;
  ASSERT_EQ(adapter->changes.size(), 2u);
  EXPECT_DOUBLE_EQ(adapter->changes.at({Role::query, 1}).scale, 3.0);
  EXPECT_EQ(adapter->changes.at({Role::down, 0}).b.rows(), 8u);
  EXPECT_EQ(adapter->replaced.size(), 2u);
  EXPECT_TRUE(adapter->replaced.contains({Role::output_norm, -1}));
  EXPECT_EQ(adapter->base_fingerprint, "");
}

TEST(LoraAdapter, what_is_written_is_read_again) {
  Folder folder;
  std::vector<float> a(2 * 8), b(8 * 2), norm(8);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i), b[i] = -static_cast<float>(i);
  for (std::size_t i = 0; i < norm.size(); ++i) norm[i] = 0.5f * static_cast<float>(i);
  const auto view = [](const std::vector<float>& values, std::vector<std::uint64_t> shape) {
    return TensorView{DType::f32, std::move(shape), reinterpret_cast<const std::byte*>(values.data()), Device::cpu};
  };
  LoraAdapter made;
  made.changes[{Role::key, 0}] = {view(a, {2, 8}), view(std::vector<float>(b.begin(), b.begin() + 8), {4, 2}), 4.0};
  made.changes[{Role::key, 0}].b.data = reinterpret_cast<const std::byte*>(b.data());
  made.replaced[{Role::feed_forward_norm, 1}] = view(norm, {8});
  made.base_model = "a model";
  made.base_fingerprint = "0123";
  made.position_fingerprint = "4567";
  made.scaling_method = "yarn";
  made.scaling_factor = 4.0;
  made.target_length = 256;
  made.divisors = {1.0f, 2.5f};
  const Status written = write_lora_adapter(folder.path.string(), {&made, 2, 8.0}, Family::llama);
  ASSERT_TRUE(written) << written.error().message;
  const auto read = open_lora_adapter(folder.path.string(), test::adapter_base());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->base_model, "a model");
  EXPECT_EQ(read->base_fingerprint, "0123");
  EXPECT_EQ(read->position_fingerprint, "4567");
  EXPECT_EQ(read->scaling_method, "yarn");
  EXPECT_EQ(read->scaling_factor, 4.0);
  EXPECT_EQ(read->target_length, 256u);
  EXPECT_EQ(read->divisors, made.divisors);
  const auto& change = read->changes.at({Role::key, 0});
  EXPECT_EQ(change.scale, 4.0);
  EXPECT_EQ(std::memcmp(change.a.data, a.data(), 64), 0);
  EXPECT_EQ(std::memcmp(change.b.data, b.data(), 32), 0);
  EXPECT_EQ(std::memcmp(read->replaced.at({Role::feed_forward_norm, 1}).data, norm.data(), 32), 0);
}

TEST(LoraAdapter, positions_alone_are_an_adapter_too) {
  Folder folder;
  LoraAdapter made;
  made.scaling_method = "longrope";
  made.scaling_factor = 2.0;
  made.divisors = {1.0f, 1.5f};
  ASSERT_TRUE(write_lora_adapter(folder.path.string(), {&made, 16, 32.0}, Family::llama));
  const auto read = open_lora_adapter(folder.path.string(), test::adapter_base());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->changes.empty() && read->replaced.empty());
  EXPECT_EQ(read->divisors, made.divisors);
}

struct LoraCases : ::testing::TestWithParam<test::ParserCase> {};

TEST_P(LoraCases, is_taken_or_refused_with_what_was_found) {
  const auto adapter = parse_lora_adapter(test::adapter_bytes(GetParam().input), "folder", test::adapter_base());
  if (GetParam().message.empty()) {
    EXPECT_TRUE(adapter) << adapter.error().message;
    return;
  }
  ASSERT_FALSE(adapter);
  EXPECT_NE(adapter.error().message.find(GetParam().message), std::string::npos) << adapter.error().message;
  EXPECT_NE(adapter.error().message.find("folder/"), std::string::npos) << adapter.error().message;
}
INSTANTIATE_TEST_SUITE_P(All, LoraCases, ::testing::ValuesIn(test::lora_cases()),
                         [](const auto& entry) { return entry.param.name; });

TEST(LoraAdapter, a_folder_without_its_files_is_refused) {
  Folder folder;
  EXPECT_NE(folder.refusal().find("adapter_config.json"), std::string::npos);
  folder.config(R"({"peft_type": "LORA", "r": 2})");
  EXPECT_NE(folder.refusal().find("adapter_model.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace tome
