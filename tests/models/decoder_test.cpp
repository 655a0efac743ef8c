// A ragged batch gives every sequence what it would get alone, and the last layer, which makes only the rows that are
// asked for, makes them as if all were.
#include "models/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/rng.h"
#include "formats/model_file.h"
#include "tokenizer/packaged_models.h"

namespace tome {
namespace {

std::unique_ptr<Decoder> decoder_of(const std::string& name) {
  auto file = open_model_file(std::string(TOME_TEST_DATA) + "/models/" + name);
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  auto weights = load_decoder_weights(*file, WeightStorage::copied);
  EXPECT_TRUE(weights);
  auto decoder = std::make_unique<Decoder>(std::move(*weights), Decoder::Options{.fp32 = true});
  decoder->set_positions(*plan_positions((*file)->config, declared_options((*file)->config), 200),
                         plan_local_positions((*file)->config));
  return decoder;
}

using Rows = std::map<std::size_t, std::vector<float>>;

Rows run(Decoder& decoder, const Batch& batch, std::span<HeadProbe> probes = {}) {
  Rows rows;
  decoder.forward(
      batch, [&](std::size_t index, std::span<const float> row) { rows[index].assign(row.begin(), row.end()); },
      probes);
  return rows;
}

void append(Batch& batch, SequenceState& state, std::size_t count, std::uint64_t seed, bool wants_logits = false) {
  Rng rng(seed);
  for (std::size_t i = 0; i < count; ++i)
    batch.push_back({static_cast<std::int32_t>(rng.below(99)), state.length() + i, &state, wants_logits});
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(a.empty());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
}

constexpr const char* kNames[] = {"llama-untied", "mistral-window", "qwen2", "qwen3", "gemma3"};

TEST(Decoder, a_ragged_batch_gives_each_sequence_what_it_gets_alone_whichever_rows_are_asked_for) {
  for (const char* name : kNames) {
    auto decoder = decoder_of(name);
    SequenceState first = *decoder->new_state(DType::f32), second = *decoder->new_state(DType::f32),
                  third = *decoder->new_state(DType::f32);
    Batch whole;
    append(whole, first, 70, 1, true);
    const Rows of_first = run(*decoder, whole);
    whole.clear();
    append(whole, second, 40, 2, true);
    const Rows of_second = run(*decoder, whole);

    SequenceState a = *decoder->new_state(DType::f32), b = *decoder->new_state(DType::f32);
    Batch ragged;
    append(ragged, a, 70, 1);
    append(ragged, third, 9, 3);  // a sequence of which no row is asked for
    append(ragged, b, 40, 2);
    ragged[31].wants_logits = ragged[69].wants_logits = true;
    ragged[70 + 9 + 39].wants_logits = true;
    const Rows found = run(*decoder, ragged);
    ASSERT_EQ(found.size(), 3u);
    expect_near(found.at(31), of_first.at(31), 1e-4);
    expect_near(found.at(69), of_first.at(69), 1e-4);
    expect_near(found.at(118), of_second.at(39), 1e-4);

    Batch next;  // and what the skipped rows left behind is what a next token sees
    append(next, first, 1, 5, true);
    append(next, second, 1, 6, true);
    const Rows expected = run(*decoder, next);
    next.clear();
    append(next, a, 1, 5, true);
    append(next, b, 1, 6, true);
    const Rows after = run(*decoder, next);
    expect_near(after.at(0), expected.at(0), 1e-4);
    expect_near(after.at(1), expected.at(1), 1e-4);
  }
}

TEST(Decoder, probes_of_the_last_layer_see_their_rows_though_no_logits_are_asked_for) {
  for (const char* name : kNames) {
    auto decoder = decoder_of(name);
    const std::uint32_t last = decoder->config().layers - 1;
    const auto probabilities = [&](std::size_t from, std::size_t to, bool all_logits) {
      SequenceState before = *decoder->new_state(DType::f32), state = *decoder->new_state(DType::f32);
      Batch batch;
      append(batch, before, 5, 7);
      append(batch, state, 60, 8, all_logits);
      HeadProbe probe{last, 1, 5 + from, 5 + to, {}};
      run(*decoder, batch, {&probe, 1});
      return probe.probabilities;
    };
    const auto some = probabilities(20, 26, false);
    expect_near(some, probabilities(20, 26, true), 1e-5);
    EXPECT_NE(some, probabilities(21, 27, false));
  }
}

TEST(Decoder, keys_of_8_bits_are_centred_by_a_first_chunk_that_is_long_enough_if_they_are_stored_rotated) {
  TOME_NEED_MODEL("smollm2");
  auto file = open_model_file(test::packaged_path("smollm2"));
  ASSERT_TRUE(file) << file.error().message;
  const ModelConfig& config = (*file)->config;
  auto weights = load_decoder_weights(*file, WeightStorage::mapped);
  ASSERT_TRUE(weights);
  Decoder decoder(std::move(*weights), {});
  const auto centre_after = [&](const PositionOptions& positions, std::size_t tokens) {
    decoder.set_positions(*plan_positions(config, positions, 200), plan_local_positions(config));
    SequenceState state = *decoder.new_state(DType::q8_0);
    Batch batch;
    append(batch, state, tokens, 1);
    run(decoder, batch);
    return state.kv(1).key_centre();
  };
  const std::vector<float> centre = centre_after(declared_options(config), 64);
  ASSERT_EQ(centre.size(), static_cast<std::size_t>(config.kv_heads) * config.head_dim);
  EXPECT_GT(*std::max_element(centre.begin(), centre.end()), 1.0f);
  EXPECT_TRUE(centre_after(declared_options(config), 63).empty());
  EXPECT_TRUE(centre_after({.method = ScalingMethod::self_extend, .group = 4, .neighbour_window = 32}, 64).empty());
}

}  // namespace
}  // namespace tome
