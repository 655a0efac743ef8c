// Copied and mapped weights are the same model, interleaved or not.
#include "models/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/rng.h"
#include "kernels/dequantize.h"
#include "kernels/kernel_table.h"
#include "models/decoder.h"

namespace tome {
namespace {

constexpr std::uint64_t kHidden = 64, kVocabulary = 65536;  // as q8_0 4.3 MiB: copied by several tasks

/// A llama of two layers, tied, with matrices of several types.
std::shared_ptr<const ModelFile> make_model() {
  auto file = std::make_shared<ModelFile>();
  ModelConfig& c = file->config;
  c.layers = 2;
  c.hidden = kHidden;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = c.rope_dims = 32;
  c.feed_forward = 96;
  c.vocabulary = kVocabulary;
  c.context_length = 128;
  c.tied_embeddings = true;
  c.attention_scale = 1.0f / std::sqrt(32.0f);
  c.local_layers.assign(2, false);
  file->path = "made for the test";
  Rng rng(12);
  const auto add = [&](Role role, int layer, DType type, std::uint64_t rows, std::uint64_t columns) {
    auto bytes = std::make_shared<std::vector<std::byte>>(rows * row_bytes(type, columns));
    std::vector<float> line(columns);
    for (std::uint64_t row = 0; row < rows; ++row) {
      for (float& value : line) value = is_norm(role) ? 1.0f : static_cast<float>(rng.uniform() - 0.5) * 0.3f;
      ASSERT_TRUE(kernels::quantize_row(type, line.data(), columns, bytes->data() + row * row_bytes(type, columns)));
    }
    TensorView view{type, {rows, columns}, bytes->data()};
    if (rows == 1) view.shape = {columns};
    file->tensors[{role, layer}] = view;
    file->storage.push_back(bytes);
  };
  add(Role::token_embedding, -1, DType::q8_0, kVocabulary, kHidden);
  add(Role::output_norm, -1, DType::f32, 1, kHidden);
  for (int layer = 0; layer < 2; ++layer) {
    add(Role::attention_norm, layer, DType::f32, 1, kHidden);
    add(Role::feed_forward_norm, layer, DType::f32, 1, kHidden);
    add(Role::query, layer, DType::q4_0, 128, kHidden);
    add(Role::key, layer, DType::q4_0, 64, kHidden);
    add(Role::value, layer, DType::q8_0, 64, kHidden);
    add(Role::attention_output, layer, DType::q4_0, kHidden, 128);
    add(Role::gate, layer, DType::q4_0, 96, kHidden);
    add(Role::up, layer, layer == 0 ? DType::q8_0 : DType::f32, 96, kHidden);
    add(Role::down, layer, DType::q8_0, kHidden, 96);
  }
  return file;
}

/// Logits of the last of `tokens` tokens.
std::vector<float> logits(const std::shared_ptr<const ModelFile>& file, WeightStorage storage, int tokens) {
  auto weights = load_decoder_weights(file, storage);
  EXPECT_TRUE(weights);
  EXPECT_EQ(weights->layers[0].query.interleaved,
            storage == WeightStorage::copied && kernels::kernels().interleaved_dots != nullptr);
  EXPECT_EQ(weights->output.interleaved, weights->token_embedding.interleaved);
  EXPECT_EQ(weights->output.data, weights->token_embedding.data);
  Decoder decoder(std::move(*weights), Decoder::Options{});
  decoder.set_positions(*plan_positions(file->config, declared_options(file->config), 128),
                        plan_local_positions(file->config));
  SequenceState state = *decoder.new_state(DType::f32);
  Batch batch;
  for (int i = 0; i < tokens; ++i)
    batch.push_back({i * 5003 % static_cast<int>(kVocabulary), static_cast<std::uint64_t>(i), &state, i + 1 == tokens});
  std::vector<float> result;
  decoder.forward(batch, [&](std::size_t, std::span<const float> row) { result.assign(row.begin(), row.end()); });
  return result;
}

TEST(Weights, copied_and_mapped_ones_give_the_same_logits) {
  const auto file = make_model();
  for (const int tokens : {1, 5, 40}) {
    const std::vector<float> copied = logits(file, WeightStorage::copied, tokens),
                             mapped = logits(file, WeightStorage::mapped, tokens);
    ASSERT_EQ(copied.size(), kVocabulary);
    ASSERT_EQ(mapped.size(), kVocabulary);
    double size = 0, difference = 0;
    for (std::size_t i = 0; i < copied.size(); ++i) {
      size = std::max(size, std::fabs(static_cast<double>(mapped[i])));
      difference = std::max(difference, std::fabs(static_cast<double>(copied[i]) - static_cast<double>(mapped[i])));
    }
    EXPECT_GT(size, 0.1);
    // Inputs of 16 bits and other sums are finer by far, but may round a query or a probability to the next bf16.
    EXPECT_LT(difference, size / 256) << tokens;
  }
}

TEST(Weights, matrices_of_whole_blocks_and_rows_by_sixteen_are_interleaved_and_the_others_stay) {
  const auto file = make_model();
  auto weights = load_decoder_weights(file, WeightStorage::copied);
  ASSERT_TRUE(weights);
  const bool wanted = kernels::kernels().interleaved_dots != nullptr;
  EXPECT_EQ(weights->layers[0].up.interleaved, wanted);
  EXPECT_FALSE(weights->layers[1].up.interleaved);  // f32
  for (const TensorView* view : {&weights->layers[0].down, &weights->layers[1].gate})
    EXPECT_EQ(view->interleaved, wanted);
}

}  // namespace
}  // namespace tome
