// What a run is said to take: work by kind of layer and sample, and memory that covers what was measured.
#include "extend/workload.h"

#include <gtest/gtest.h>

#include "cli/console.h"
#include "formats/model_file.h"

namespace tome::extend {
namespace {

ModelConfig shape() {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 64;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 16;
  config.feed_forward = 128;
  config.vocabulary = 100;
  config.sliding_window = 32;
  config.local_layers = {false, false};
  return config;
}

TrainingSample sample_of(std::size_t tokens, std::uint64_t group = 0) {
  TrainingSample sample;
  sample.tokens.assign(tokens, 1);
  sample.targets.assign(tokens, 1);
  sample.shifted_group = group;
  return sample;
}

TEST(Workload, products_grow_with_tokens_and_attention_with_their_square) {
  const Work one = work_of(shape(), sample_of(256), Recompute::nothing),
             two = work_of(shape(), sample_of(512), Recompute::nothing);
  EXPECT_DOUBLE_EQ(two.products, 2.0 * one.products);
  EXPECT_DOUBLE_EQ(two.attention, 4.0 * one.attention);
  const Work again = work_of(shape(), sample_of(256), Recompute::layers);
  EXPECT_GT(again.products, 1.3 * one.products);
  EXPECT_DOUBLE_EQ(again.attention / one.attention, 9.0 / 7.0);
}

TEST(Workload, windows_and_shifted_groups_see_less) {
  ModelConfig local = shape();
  local.local_layers = {true, true};
  EXPECT_DOUBLE_EQ(work_of(local, sample_of(512), Recompute::nothing).attention * 8.0,
                   work_of(shape(), sample_of(512), Recompute::nothing).attention);
  EXPECT_DOUBLE_EQ(work_of(shape(), sample_of(512, 128), Recompute::nothing).attention * 4.0,
                   work_of(shape(), sample_of(512), Recompute::nothing).attention);
}

TEST(Workload, working_memory_is_linear_in_tokens_and_less_when_layers_run_again) {
  const auto bytes = [](std::uint64_t tokens, Recompute recompute) {
    return DecoderGradient::working_bytes(shape(), 12, tokens, recompute);
  };
  // By hand: logits of 2²⁴ / 100 rows, thrice; a token keeps 4 · 64 + 2 · 6 · 16 + 3 · 128 + 12 + 4 floats a layer.
  EXPECT_EQ(bytes(1000, Recompute::nothing), (1000u * 4 * 848 + 3 * (16777216 / 100) * 100) * 4);
  EXPECT_EQ(bytes(4096, Recompute::layers) - bytes(2048, Recompute::layers),
            bytes(6144, Recompute::layers) - bytes(4096, Recompute::layers));
  ModelConfig deep = shape();
  deep.layers = 30;
  EXPECT_LT(3 * DecoderGradient::working_bytes(deep, 12, 1 << 16, Recompute::layers),
            DecoderGradient::working_bytes(deep, 12, 1 << 16, Recompute::nothing));
}

struct WorkloadOfModel : ::testing::Test {
  WorkloadOfModel() {
    TrainingDocument document{"numbers", {}};
    for (int i = 0; i < 4000; ++i) document.tokens.push_back(2 + i % 90);
    texts.train.push_back(document);
    weights = *TrainingWeights::load(*open_model_file(std::string(TOME_TEST_DATA) + "/models/llama-untied"));
    flags.target = "256";
    flags.length = "128";
    plan = *plan_extension(flags, weights.config());
    samples = *SampleMaker::create(texts, plan.samples);
    choose_trainable(flags, weights);
  }
  ExtendFlags flags;
  ExtendPlan plan;
  TrainingTexts texts;
  TrainingWeights weights;
  std::optional<SampleMaker> samples;
};

TEST_F(WorkloadOfModel, plenty_of_memory_runs_nothing_again_and_flags_decide) {
  EXPECT_EQ(workload_of(flags, weights, *samples)->recompute, Recompute::nothing);
  flags.recompute = "layers";
  const auto layers = workload_of(flags, weights, *samples);
  EXPECT_EQ(layers->recompute, Recompute::layers);
  EXPECT_GT(layers->bytes, cli::peak_resident_bytes());
  // Four changes of rank 16 a layer; a gradient, two means, one passing value and a checkpoint of three a parameter.
  std::uint64_t trained = 0;
  for (const torch::Tensor& tensor : weights.trainable()) trained += static_cast<std::uint64_t>(tensor.numel());
  const auto working = [&](std::uint64_t ranks) {
    return DecoderGradient::working_bytes(weights.config(), ranks, 128, Recompute::layers);
  };
  EXPECT_LE(layers->bytes, cli::peak_resident_bytes() + 28 * trained + working(64));
  EXPECT_EQ(working(65) - working(64), 3u * 128 * 4);
}

TEST_F(WorkloadOfModel, timing_a_step_leaves_no_gradient) {
  DecoderGradient graph(weights, plan.full, plan.local);
  EXPECT_GT(seconds_a_step(graph, weights, *samples, plan, Recompute::layers), 0.0);
  for (const torch::Tensor& tensor : weights.trainable()) EXPECT_FALSE(tensor.grad().defined());
}

}  // namespace
}  // namespace tome::extend
