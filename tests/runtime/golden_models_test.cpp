// The fp32 path against the reference library: tiny random checkpoints of every family (tests/golden/models, made by
// make_checkpoints.py there), as Hugging Face folders and as GGUF files. Norms are away from 1 and biases away from 0,
// so no parameter can be left out; the making script made sure that every feature moves the logits by more than 0.05.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "runtime/engine.h"

namespace tome {
namespace {

constexpr double tolerance = 1e-3;        // max |Δlogit|
constexpr double chunk_tolerance = 1e-4;  // between chunk sizes

const std::vector<std::string> checkpoint_names = {"llama-untied", "llama-tied",   "mistral-window", "llama3-scaling",
                                                   "llama-yarn",   "llama-linear", "qwen2",          "qwen3",
                                                   "gemma3",       "gemma3-linear"};
const std::vector<std::string> gguf_names = {"llama-untied", "llama-tied", "llama3-scaling", "llama-yarn",
                                             "qwen2",        "qwen3",      "gemma3"};

std::string models_directory() { return std::string(TOME_TEST_DATA) + "/models/"; }

struct Reference {
  std::vector<std::vector<TokenId>> sequences;
  std::size_t vocabulary = 0;
  std::vector<float> logits;  // [rows, vocabulary]
  bool has_gguf = false;
  std::string text;
  std::vector<TokenId> text_ids;
};

Reference read_reference(const std::string& name) {
  Reference reference;
  const std::string folder = models_directory() + name + "/";
  const auto text = read_file(folder + "reference.json", std::uint64_t{1} << 20);
  EXPECT_TRUE(text) << name;
  if (!text) return reference;
  const auto json = parse_json(*text, "reference.json");
  EXPECT_TRUE(json) << name;
  if (!json) return reference;
  reference.sequences = json->at("sequences").get<std::vector<std::vector<TokenId>>>();
  reference.vocabulary = json->at("vocabulary").get<std::size_t>();
  reference.has_gguf = !json->at("gguf").is_null();
  reference.text = json->at("text").get<std::string>();
  reference.text_ids = json->at("text_ids").get<std::vector<TokenId>>();
  const auto bytes = read_file(folder + json->at("logits").get<std::string>(), std::uint64_t{1} << 24);
  EXPECT_TRUE(bytes) << name;
  if (!bytes) return reference;
  reference.logits.resize(bytes->size() / sizeof(float));
  std::memcpy(reference.logits.data(), bytes->data(), reference.logits.size() * sizeof(float));
  EXPECT_EQ(reference.logits.size(), json->at("rows").get<std::size_t>() * reference.vocabulary);
  return reference;
}

std::shared_ptr<Engine> open_fp32(const std::string& path, std::uint32_t chunk) {
  EngineOptions options;
  options.model = path;
  options.precision = Precision::fp32;
  options.kv_type = DType::f32;
  options.chunk = chunk;
  auto engine = Engine::create(options);
  EXPECT_TRUE(engine) << path << ": " << (engine ? "" : engine.error().message);
  return engine ? *engine : nullptr;
}

/// The logits of every position of every sequence, each sequence in a session of its own.
std::vector<float> all_logits(Engine& engine, const Reference& reference) {
  std::vector<float> result;
  for (const auto& sequence : reference.sequences) {
    EXPECT_TRUE(engine.fit(sequence.size()));
    auto session = engine.new_session(sequence.size());
    EXPECT_TRUE(session) << (session ? "" : session.error().message);
    if (!session) return result;
    const std::size_t start = result.size();
    result.resize(start + sequence.size() * reference.vocabulary, std::nanf(""));
    const Status status =
        (*session)->prefill_with_logits(sequence, [&](std::uint64_t row, std::span<const float> logits) {
          ASSERT_EQ(logits.size(), reference.vocabulary);
          ASSERT_LT(row, sequence.size());
          std::copy(logits.begin(), logits.end(),
                    result.begin() + static_cast<std::ptrdiff_t>(start + row * reference.vocabulary));
        });
    EXPECT_TRUE(status) << (status ? "" : status.error().message);
  }
  return result;
}

/// NaN (a row that was never given) counts as infinitely far.
double farthest(const std::vector<float>& left, const std::vector<float>& right) {
  if (left.size() != right.size()) return INFINITY;
  double worst = 0;
  for (std::size_t index = 0; index < left.size(); ++index) {
    const double difference = std::abs(double{left[index]} - double{right[index]});
    if (!(difference <= worst)) worst = std::isnan(difference) ? INFINITY : difference;
  }
  return worst;
}

class GoldenModels : public testing::TestWithParam<std::string> {};
class GoldenGguf : public testing::TestWithParam<std::string> {};

TEST_P(GoldenModels, logits_of_the_hugging_face_folder_equal_the_reference_librarys_for_any_chunk) {
  const Reference reference = read_reference(GetParam());
  for (const std::uint32_t chunk : {1u, 7u, 64u}) {
    const auto engine = open_fp32(models_directory() + GetParam(), chunk);
    ASSERT_TRUE(engine);
    EXPECT_LE(farthest(all_logits(*engine, reference), reference.logits), tolerance) << "chunk " << chunk;
  }
}

TEST_P(GoldenGguf, logits_of_the_gguf_file_equal_the_reference_librarys_for_any_chunk) {
  const Reference reference = read_reference(GetParam());
  for (const std::uint32_t chunk : {1u, 7u, 64u}) {
    const auto engine = open_fp32(models_directory() + GetParam() + ".gguf", chunk);
    ASSERT_TRUE(engine);
    EXPECT_LE(farthest(all_logits(*engine, reference), reference.logits), tolerance) << "chunk " << chunk;
  }
}

TEST_P(GoldenModels, chunk_sizes_agree_on_the_fp32_path) {
  const Reference reference = read_reference(GetParam());
  const auto whole = open_fp32(models_directory() + GetParam(), 64);
  ASSERT_TRUE(whole);
  const std::vector<float> expected = all_logits(*whole, reference);
  for (const std::uint32_t chunk : {1u, 3u, 16u}) {
    const auto engine = open_fp32(models_directory() + GetParam(), chunk);
    ASSERT_TRUE(engine);
    EXPECT_LE(farthest(all_logits(*engine, reference), expected), chunk_tolerance) << "chunk " << chunk;
  }
}

TEST_P(GoldenModels, the_tokenizer_of_both_forms_gives_the_reference_tokenizers_ids) {
  const Reference reference = read_reference(GetParam());
  std::vector<std::string> paths = {models_directory() + GetParam()};
  if (reference.has_gguf) paths.push_back(paths.front() + ".gguf");
  for (const std::string& path : paths) {
    const auto engine = open_fp32(path, 64);
    ASSERT_TRUE(engine);
    EXPECT_EQ(engine->tokenizer().encode(reference.text, AddSpecial::no, ParseSpecial::no), reference.text_ids) << path;
    EXPECT_EQ(engine->tokenizer().decode(reference.text_ids), reference.text) << path;
  }
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(checkpoints, GoldenModels, testing::ValuesIn(checkpoint_names), test_name);
INSTANTIATE_TEST_SUITE_P(checkpoints, GoldenGguf, testing::ValuesIn(gguf_names), test_name);

TEST(GoldenModelsList, names_every_checkpoint_and_every_gguf_file_in_the_folder) {
  std::set<std::string> folders, files;
  for (const auto& entry : std::filesystem::directory_iterator(models_directory())) {
    if (std::filesystem::exists(entry.path() / "reference.json")) folders.insert(entry.path().filename().string());
    if (entry.path().extension() == ".gguf") files.insert(entry.path().stem().string());
  }
  EXPECT_EQ(folders, std::set<std::string>(checkpoint_names.begin(), checkpoint_names.end()));
  EXPECT_EQ(files, std::set<std::string>(gguf_names.begin(), gguf_names.end()));
}

}  // namespace
}  // namespace tome
