// A model with an adapter inside: which adapters are refused, what tells two of them apart, and rows in the file's
// order.
#include "models/adapted_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/dequantize.h"
#include "position/extended_config.h"

namespace tome {
namespace {

std::shared_ptr<const ModelFile> open_small(const std::string& name) {
  auto file = open_model_file(std::string(TOME_TEST_DATA) + "/models/" + name);
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return *file;
}

TensorView view_of(const std::vector<float>& values, std::vector<std::uint64_t> shape) {
  return {DType::f32, std::move(shape), reinterpret_cast<const std::byte*>(values.data()), Device::cpu};
}

std::vector<float> floats_of(const TensorView& view) {
  std::vector<float> values(view.elements());
  kernels::dequantize_row(view.type, view.data, values.size(), values.data());
  return values;
}

TEST(AdaptedModel, an_adapter_of_another_model_or_other_positions_is_refused) {
  const auto file = open_small("llama-untied.gguf");
  LoraAdapter adapter;
  adapter.path = "somewhere";
  adapter.base_fingerprint = "not this one";
  auto refused = adapted_model(file, adapter, DType::f32);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("belongs to"), std::string::npos);
  adapter.base_fingerprint = file->fingerprint;
  adapter.scaling_method = "yarn";
  adapter.scaling_factor = 4.0;
  PositionOptions yarn;
  yarn.method = ScalingMethod::yarn;
  yarn.factor = 4.0;
  adapter.position_fingerprint = plan_positions(file->config, yarn, 4 * file->config.context_length)->fingerprint();
  const auto taken = adapted_model(file, adapter, DType::f32);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ((*taken)->config.context_length, 4 * file->config.context_length);
  adapter.scaling_factor = 2.0;
  refused = adapted_model(file, adapter, DType::f32);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("trained with positions"), std::string::npos);
  adapter.scaling_method = "self-extend";
  EXPECT_EQ(adapted_model(file, adapter, DType::f32).error().kind, ErrorKind::unsupported);
}

/// The same weights lie in both files, in halves order in the folder and as interleaved pairs in the GGUF file: an
/// adapter changes the same rows of both.
TEST(AdaptedModel, rows_are_changed_where_the_file_has_them) {
  const auto folder = open_small("llama-untied"), gguf = open_small("llama-untied.gguf");
  ASSERT_EQ(gguf->config.rope_pairs, RopePairs::interleaved);
  ASSERT_EQ(folder->config.rope_pairs, RopePairs::halves);
  for (const Role role : {Role::query, Role::key, Role::value}) {
    const TensorView before = *folder->find(role, 1);
    const std::uint64_t rows = before.rows(), columns = before.columns();
    std::vector<float> a(columns, 1.0f), b(rows);
    for (std::uint64_t row = 0; row < rows; ++row) b[row] = static_cast<float>(row + 1);
    LoraAdapter adapter;
    adapter.changes[{role, 1}] = {view_of(a, {1, columns}), view_of(b, {rows, 1}), 0.5};
    const auto of_folder = adapted_model(folder, adapter, DType::f32),
               of_gguf = adapted_model(gguf, adapter, DType::f32);
    ASSERT_TRUE(of_folder && of_gguf);
    const std::vector<float> old_folder = floats_of(before), old_gguf = floats_of(*gguf->find(role, 1)),
                             new_folder = floats_of(*(*of_folder)->find(role, 1)),
                             new_gguf = floats_of(*(*of_gguf)->find(role, 1));
    const std::uint64_t dims = folder->config.head_dim;
    for (std::uint64_t row = 0; row < rows; ++row) {
      // Row of the GGUF file that holds the folder's row, found by its old values.
      std::uint64_t same = rows;
      for (std::uint64_t other = row / dims * dims; other < row / dims * dims + dims; ++other)
        if (std::equal(old_folder.begin() + static_cast<std::ptrdiff_t>(row * columns),
                       old_folder.begin() + static_cast<std::ptrdiff_t>((row + 1) * columns),
                       old_gguf.begin() + static_cast<std::ptrdiff_t>(other * columns)))
          same = other;
      ASSERT_LT(same, rows);
      EXPECT_NEAR(new_folder[row * columns] - old_folder[row * columns], 0.5f * static_cast<float>(row + 1), 1e-5f);
      for (std::uint64_t column = 0; column < columns; ++column)
        ASSERT_EQ(new_folder[row * columns + column], new_gguf[same * columns + column]) << row;
    }
  }
}

TEST(AdaptedModel, a_replaced_norm_is_stored_as_the_file_stores_norms) {
  const auto folder = open_small("gemma3"), gguf = open_small("gemma3.gguf");
  std::vector<float> norm(folder->config.hidden, 0.25f);
  LoraAdapter adapter;
  adapter.replaced[{Role::output_norm, -1}] = view_of(norm, {norm.size()});
  EXPECT_EQ(floats_of(*(*adapted_model(folder, adapter, DType::bf16))->find(Role::output_norm))[0], 0.25f);
  EXPECT_EQ(floats_of(*(*adapted_model(gguf, adapter, DType::bf16))->find(Role::output_norm))[0], 1.25f);
}

TEST(AdaptedModel, adapters_that_differ_in_anything_have_fingerprints_of_their_own) {
  const auto file = open_small("qwen3");
  const TensorView matrix = *file->find(Role::down, 0);
  std::vector<float> a(matrix.columns(), 0.5f), b(matrix.rows(), 0.5f);
  LoraAdapter adapter;
  adapter.changes[{Role::down, 0}] = {view_of(a, {1, a.size()}), view_of(b, {b.size(), 1}), 1.0};
  const std::string first = (*adapted_model(file, adapter, DType::f32))->fingerprint;
  EXPECT_EQ((*adapted_model(file, adapter, DType::f32))->base_fingerprint, file->fingerprint);
  EXPECT_EQ((*adapted_model(file, adapter, DType::f32))->fingerprint, first);
  EXPECT_NE((*adapted_model(file, adapter, DType::bf16))->fingerprint, first);
  LoraAdapter other = adapter;
  other.changes[{Role::down, 0}].scale = 2.0;
  EXPECT_NE((*adapted_model(file, other, DType::f32))->fingerprint, first);
  other = {};
  other.changes[{Role::down, 1}] = adapter.changes[{Role::down, 0}];
  EXPECT_NE((*adapted_model(file, other, DType::f32))->fingerprint, first);
  other = adapter;
  other.scaling_method = "linear";
  other.scaling_factor = 2.0;
  EXPECT_NE((*adapted_model(file, other, DType::f32))->fingerprint, first);
  other = adapter;
  other.replaced[{Role::down, 0}] = matrix;
  EXPECT_EQ(adapted_model(file, other, DType::f32).error().kind, ErrorKind::format);
}

}  // namespace
}  // namespace tome
