// The encoders against the reference library: tiny random checkpoints (tests/golden/models, made by make_encoders.py
// there) and its hidden states, pooled states and logits. Norms are away from 1 and biases away from 0; the making
// script made sure that every feature moves the states by more than 0.02.
#include "models/encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>

#include "base/cancel.h"
#include "base/json.h"
#include "base/thread_pool.h"

namespace tome {
namespace {

constexpr double tolerance = 1e-3;  // max |Δ| of every output

const std::vector<std::string> checkpoint_names = {"longformer", "longformer-pooled", "bigbird", "bigbird-pooled",
                                                   "bigbird-full"};

std::string models_directory() { return std::string(TOME_TEST_DATA) + "/models/"; }

struct Text {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint64_t> globals;
};

struct Reference {
  std::vector<Text> texts;
  std::size_t width = 0, vocabulary = 0;
  std::vector<float> states, pooled, logits;  // [rows, width], [texts, width] or none, [rows, vocabulary] or none
};

std::vector<float> read_floats(const std::string& path) {
  const auto bytes = read_file(path, std::uint64_t{1} << 24);
  EXPECT_TRUE(bytes) << path;
  std::vector<float> values(bytes ? bytes->size() / sizeof(float) : 0);
  if (bytes) std::memcpy(values.data(), bytes->data(), values.size() * sizeof(float));
  return values;
}

Reference read_reference(const std::string& name) {
  Reference reference;
  const std::string folder = models_directory() + name + "/";
  const auto json = parse_json(read_file(folder + "encoding.json", std::uint64_t{1} << 20).value_or(""), name);
  EXPECT_TRUE(json) << name;
  if (!json) return reference;
  for (const Json& text : json->at("texts"))
    reference.texts.push_back({text.at("tokens"), text.at("global").get<std::vector<std::uint64_t>>()});
  reference.width = json->at("width");
  reference.vocabulary = json->at("vocabulary");
  reference.states = read_floats(folder + "states.bin");
  if (json->at("pooled")) reference.pooled = read_floats(folder + "pooled.bin");
  if (json->at("logits")) reference.logits = read_floats(folder + "logits.bin");
  return reference;
}

std::unique_ptr<Encoder> open_encoder(const std::string& name, bool fp32 = true) {
  const auto file = open_encoder_folder(models_directory() + name);
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return file ? std::make_unique<Encoder>(*file, Encoder::Options{.fp32 = fp32}) : nullptr;
}

struct Found {
  std::vector<float> states, pooled, logits;
};

/// Of all texts, one after the other.
Found encode_all(Encoder& encoder, const Reference& reference) {
  Found found;
  for (const Text& text : reference.texts) {
    const auto encoded = encoder.encode(text.tokens, text.globals);
    EXPECT_TRUE(encoded) << (encoded ? "" : encoded.error().message);
    if (!encoded) return found;
    found.states.insert(found.states.end(), encoded->states.begin(), encoded->states.end());
    found.pooled.insert(found.pooled.end(), encoded->pooled.begin(), encoded->pooled.end());
    if (encoder.has_head())
      encoder.fill(encoded->states, [&](std::size_t, std::span<const float> logits) {
        found.logits.insert(found.logits.end(), logits.begin(), logits.end());
      });
  }
  return found;
}

/// NaN counts as infinitely far.
double farthest(const std::vector<float>& left, const std::vector<float>& right) {
  if (left.size() != right.size()) return INFINITY;
  double worst = 0;
  for (std::size_t index = 0; index < left.size(); ++index) {
    const double difference = std::abs(double{left[index]} - double{right[index]});
    if (!(difference <= worst)) worst = std::isnan(difference) ? INFINITY : difference;
  }
  return worst;
}

class GoldenEncoders : public testing::TestWithParam<std::string> {};

TEST_P(GoldenEncoders, states_pooled_states_and_logits_equal_the_reference_librarys) {
  const Reference reference = read_reference(GetParam());
  const auto encoder = open_encoder(GetParam());
  ASSERT_TRUE(encoder);
  ASSERT_FALSE(reference.states.empty());
  const Found found = encode_all(*encoder, reference);
  EXPECT_LE(farthest(found.states, reference.states), tolerance);
  EXPECT_LE(farthest(found.pooled, reference.pooled), tolerance);
  EXPECT_LE(farthest(found.logits, reference.logits), tolerance);
}

TEST_P(GoldenEncoders, threads_do_not_change_a_state) {
  const Reference reference = read_reference(GetParam());
  const auto encoder = open_encoder(GetParam());
  ASSERT_TRUE(encoder);
  set_thread_count(1);
  const Found one = encode_all(*encoder, reference);
  set_thread_count(3);
  const Found three = encode_all(*encoder, reference);
  set_thread_count(0);
  EXPECT_EQ(one.states, three.states);
  EXPECT_EQ(one.logits, three.logits);
}

TEST_P(GoldenEncoders, native_products_stay_near) {
  const Reference reference = read_reference(GetParam());
  const auto encoder = open_encoder(GetParam(), false);
  ASSERT_TRUE(encoder);
  EXPECT_LE(farthest(encode_all(*encoder, reference).states, reference.states), 0.2);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& letter : name)
    if (letter == '-') letter = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(checkpoints, GoldenEncoders, testing::ValuesIn(checkpoint_names), test_name);

TEST(GoldenEncodersList, names_every_encoder_in_the_folder) {
  std::set<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(models_directory()))
    if (std::filesystem::exists(entry.path() / "encoding.json")) folders.insert(entry.path().filename().string());
  EXPECT_EQ(folders, std::set<std::string>(checkpoint_names.begin(), checkpoint_names.end()));
}

class WrongText : public testing::Test {
 protected:
  static void expect_refused(Encoder& encoder, const std::vector<std::int32_t>& tokens,
                             const std::vector<std::uint64_t>& globals, const std::string& message) {
    const auto encoded = encoder.encode(tokens, globals);
    ASSERT_FALSE(encoded) << "accepted, expected: " << message;
    EXPECT_EQ(encoded.error().kind, ErrorKind::usage);
    EXPECT_EQ(encoded.error().message, message);
  }
  std::unique_ptr<Encoder> longformer_ = open_encoder("longformer"), bigbird_ = open_encoder("bigbird");
};

TEST_F(WrongText, an_empty_text_is_refused) {
  expect_refused(*longformer_, {}, {}, "[encode] no tokens, expected at least 1");
}

TEST_F(WrongText, a_text_beyond_the_position_table_is_refused_and_one_that_fills_it_is_not) {
  EXPECT_TRUE(longformer_->encode(std::vector<std::int32_t>(96, 7)));
  expect_refused(*longformer_, std::vector<std::int32_t>(97, 7), {},
                 "[encode] 97 tokens, longformer has positions for 96");
  EXPECT_TRUE(bigbird_->encode(std::vector<std::int32_t>(96, 7)));
  expect_refused(*bigbird_, std::vector<std::int32_t>(97, 7), {}, "[encode] 97 tokens, bigbird has positions for 96");
}

TEST_F(WrongText, ids_outside_the_vocabulary_are_refused) {
  expect_refused(*longformer_, {5, 104}, {}, "[encode] token 1 has id 104, expected below 104");
  expect_refused(*longformer_, {-1}, {}, "[encode] token 0 has id -1, expected below 104");
}

TEST_F(WrongText, global_tokens_that_are_not_in_the_text_or_come_twice_are_refused) {
  expect_refused(*longformer_, {5, 6, 7}, {0, 3}, "[encode] global token 3, the text has 3 tokens (0 to 2)");
  expect_refused(*longformer_, {5, 6, 7}, {2, 0, 2}, "[encode] global token 2 is given twice");
}

TEST_F(WrongText, global_tokens_are_longformers) {
  expect_refused(*bigbird_, {5, 6, 7}, {0},
                 "[encode] global tokens are Longformer's, bigbird is of the bigbird family");
}

TEST_F(WrongText, the_order_of_global_tokens_does_not_matter) {
  const std::vector<std::int32_t> tokens(40, 9);
  EXPECT_EQ(longformer_->encode(tokens, std::vector<std::uint64_t>{3, 30})->states,
            longformer_->encode(tokens, std::vector<std::uint64_t>{30, 3})->states);
}

TEST_F(WrongText, a_cancelled_run_ends_as_one) {
  cancel_requested() = true;
  const auto encoded = longformer_->encode(std::vector<std::int32_t>{5, 6});
  cancel_requested() = false;
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().kind, ErrorKind::cancelled);
}

}  // namespace
}  // namespace tome
