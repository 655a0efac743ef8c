// The torch graph against the reference library's logits on tiny checkpoints, its gradients against the library's and
// the slope of its loss, and documents packed side by side.
#include "training/decoder_gradient.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "base/rng.h"
#include "formats/hf_config.h"
#include "formats/safetensors.h"
#include "formats/tensor_layout.h"

namespace tome {
namespace {

const std::string kModels = std::string(TOME_TEST_DATA) + "/models/";

TrainingWeights weights_of(const std::string& name) {
  auto file = open_model_file(kModels + name);
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  auto weights = TrainingWeights::load(*file);
  EXPECT_TRUE(weights) << (weights ? "" : weights.error().message);
  return std::move(*weights);
}

DecoderGradient graph_of(TrainingWeights& weights) {
  const ModelConfig& config = weights.config();
  return {weights, *plan_positions(config, declared_options(config), 200), plan_local_positions(config)};
}

/// Tokens at positions 0, 1, …; each is to predict the next.
TrainingSample sample_of(const std::vector<std::int32_t>& tokens) {
  TrainingSample sample;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    sample.tokens.push_back(tokens[i]);
    sample.targets.push_back(i + 1 < tokens.size() ? tokens[i + 1] : TrainingSample::kNoTarget);
    sample.positions.push_back(i);
    sample.local_positions.push_back(i);
    sample.document_start.push_back(0);
    sample.local_start.push_back(0);
  }
  return sample;
}

std::vector<std::int32_t> random_tokens(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(rng.below(99));
  return tokens;
}

constexpr const char* kNames[] = {"llama-untied", "llama-tied",      "llama-untied.gguf", "llama-linear",
                                  "llama-yarn",   "llama-yarn.gguf", "llama3-scaling",    "mistral-window",
                                  "qwen2",        "qwen3",           "qwen3.gguf",        "gemma3",
                                  "gemma3.gguf",  "gemma3-linear"};

TEST(DecoderGradient, logits_are_the_reference_librarys) {
  for (const std::string name : kNames) {
    const std::string folder = kModels + (name.ends_with(".gguf") ? name.substr(0, name.size() - 5) : name);
    std::ifstream reference_file(folder + "/reference.json"), logits_file(folder + "/logits.bin", std::ios::binary);
    const Json reference = Json::parse(reference_file);
    TrainingWeights weights = weights_of(name);
    DecoderGradient graph = graph_of(weights);
    double worst = 0.0;
    for (const Json& sequence : reference.at("sequences")) {
      const torch::Tensor logits = graph.logits(sample_of(sequence.get<std::vector<std::int32_t>>()));
      std::vector<float> wanted(static_cast<std::size_t>(logits.numel()));
      logits_file.read(reinterpret_cast<char*>(wanted.data()),
                       static_cast<std::streamsize>(wanted.size() * sizeof(float)));
      ASSERT_TRUE(logits_file) << name;
      for (std::size_t i = 0; i < wanted.size(); ++i)
        worst = std::max(worst, static_cast<double>(std::fabs(wanted[i] - logits.data_ptr<float>()[i])));
    }
    EXPECT_LT(worst, 1e-4) << name;
    EXPECT_GT(worst, 0.0) << name;
  }
}

/// Role and layer of the reference library's name of a parameter.
std::map<std::string, WeightKey> keys_by_name(const ModelConfig& config) {
  std::map<std::string, WeightKey> keys;
  for (const TensorNeed& need : tensor_layout(config))
    keys["model." + hf_tensor_name(config.family, need.role, need.layer)] = {need.role, need.layer};
  return keys;
}

TEST(DecoderGradient, gradients_are_the_reference_librarys) {
  for (const std::string name : {"llama-untied", "llama-yarn", "mistral-window", "qwen2", "qwen3", "gemma3"}) {
    const auto mapped = MappedFile::open(kModels + name + "/gradients.safetensors");
    ASSERT_TRUE(mapped) << name;
    const auto wanted = parse_safetensors((*mapped)->bytes(), name);
    ASSERT_TRUE(wanted) << wanted.error().message;
    std::ifstream reference_file(kModels + name + "/reference.json");
    const auto sequence = Json::parse(reference_file).at("sequences")[1].get<std::vector<std::int32_t>>();
    TrainingWeights weights = weights_of(name);
    const auto keys = keys_by_name(weights.config());
    for (const SafeTensor& tensor : *wanted) {
      const auto [role, layer] = keys.at(tensor.name);
      weights.set_trainable(role, layer);
    }
    DecoderGradient graph = graph_of(weights);
    graph.add_gradients(sample_of(sequence), 1.0);
    for (const SafeTensor& tensor : *wanted) {
      const auto [role, layer] = keys.at(tensor.name);
      const torch::Tensor got = weights.at(role, layer).grad();
      ASSERT_EQ(static_cast<std::size_t>(got.numel()) * sizeof(float), tensor.data.size()) << tensor.name;
      const auto* values = reinterpret_cast<const float*>(tensor.data.data());
      double worst = 0.0, largest = 0.0;
      for (std::int64_t i = 0; i < got.numel(); ++i) {
        worst = std::max(worst, static_cast<double>(std::fabs(values[i] - got.data_ptr<float>()[i])));
        largest = std::max(largest, static_cast<double>(std::fabs(values[i])));
      }
      EXPECT_LT(worst / largest, 1e-4) << name << " " << tensor.name;
    }
  }
}

/// Slope of the loss along the gradient itself, by central differences, against the gradient's length.
void expect_slope(DecoderGradient& graph, const TrainingSample& sample, torch::Tensor tensor, const std::string& name) {
  ASSERT_TRUE(tensor.grad().defined()) << name;
  const torch::Tensor gradient = tensor.grad().clone();
  const double length = gradient.norm().item<double>();
  ASSERT_GT(length, 0.0) << name;
  const torch::Tensor direction = gradient / length;
  const torch::NoGradGuard no_gradients;
  const torch::Tensor kept = tensor.clone();
  const auto slope = [&](double step) {
    tensor.copy_(kept + direction * step);
    const double above = graph.loss(sample);
    tensor.copy_(kept - direction * step);
    const double below = graph.loss(sample);
    tensor.copy_(kept);
    return (above - below) / (2.0 * step);
  };
  // Richardson: the error of third order cancels. The loss changes by about one nat.
  const double step = std::min(0.5, 0.5 / length);
  EXPECT_NEAR((4.0 * slope(step) - slope(2.0 * step)) / 3.0 / length, 1.0, 1e-3) << name;
}

TEST(DecoderGradient, gradients_are_the_slope_of_the_loss) {
  for (const std::string name : {"llama-untied.gguf", "mistral-window", "qwen2", "qwen3", "gemma3"}) {
    TrainingWeights weights = weights_of(name);
    DecoderGradient graph = graph_of(weights);
    for (const Role role : {Role::query, Role::key, Role::value, Role::attention_output})
      for (int layer = 0; layer < static_cast<int>(weights.config().layers); ++layer) {
        weights.add_change(role, layer, 4, 8.0, 1);
        const torch::NoGradGuard no_gradients;  // b = 0 would leave a without a gradient
        weights.change(role, layer)->b.copy_(torch::ones_like(weights.change(role, layer)->b) * 0.05);
      }
    weights.set_trainable(Role::token_embedding);
    weights.set_trainable(Role::output_norm);
    weights.set_trainable(Role::attention_norm, 0);
    weights.set_trainable(Role::down, 1);
    const TrainingSample sample = sample_of(random_tokens(61, 3));
    const double loss = graph.add_gradients(sample, 1.0);
    EXPECT_NEAR(loss, graph.loss(sample), 1e-4) << name;
    std::size_t number = 0;
    for (torch::Tensor tensor : weights.trainable())
      expect_slope(graph, sample, tensor, name + ", trainable " + std::to_string(number++));
  }
}

TEST(DecoderGradient, gradients_add_up_and_carry_the_weight) {
  TrainingWeights weights = weights_of("gemma3");
  DecoderGradient graph = graph_of(weights);
  weights.set_trainable(Role::up, 0);
  const TrainingSample first = sample_of(random_tokens(50, 1)), second = sample_of(random_tokens(33, 2));
  const torch::Tensor up = weights.at(Role::up, 0);
  graph.add_gradients(first, 1.0);
  const torch::Tensor of_first = up.grad().clone();
  up.mutable_grad() = torch::Tensor();
  graph.add_gradients(second, 1.0);
  const torch::Tensor of_second = up.grad().clone();
  up.mutable_grad() = torch::Tensor();
  graph.add_gradients(first, 0.25);
  graph.add_gradients(second, 0.75);
  EXPECT_LT((up.grad() - (of_first * 0.25 + of_second * 0.75)).abs().max().item<double>(),
            1e-5 * up.grad().abs().max().item<double>());
}

/// Every trainable tensor's gradient.
std::vector<torch::Tensor> gradients_of(const std::string& name, Recompute recompute, const TrainingSample& sample) {
  TrainingWeights weights = weights_of(name);
  const ModelConfig& config = weights.config();
  for (int layer = 0; layer < static_cast<int>(config.layers); ++layer) {
    for (const Role role : {Role::query, Role::attention_output}) {
      weights.add_change(role, layer, 4, 8.0, 1);
      const torch::NoGradGuard no_gradients;  // b = 0 would leave a without a gradient
      weights.change(role, layer)->b.copy_(torch::ones_like(weights.change(role, layer)->b) * 0.05);
    }
    weights.set_trainable(Role::feed_forward_norm, layer);
  }
  weights.set_trainable(Role::token_embedding);
  DecoderGradient graph(weights, *plan_positions(config, declared_options(config), 200), plan_local_positions(config),
                        recompute);
  graph.add_gradients(sample, 0.5);
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& tensor : weights.trainable()) gradients.push_back(tensor.grad());
  return gradients;
}

TEST(DecoderGradient, layers_run_again_give_the_same_gradients_bit_for_bit) {
  for (const std::string name : {"llama-untied", "qwen2", "gemma3"}) {
    const TrainingSample sample = sample_of(random_tokens(77, 4));
    const auto again = gradients_of(name, Recompute::layers, sample),
               kept = gradients_of(name, Recompute::nothing, sample);
    ASSERT_EQ(again.size(), kept.size());
    for (std::size_t i = 0; i < again.size(); ++i) {
      EXPECT_GT(again[i].abs().max().item<double>(), 0.0) << name << " " << i;
      EXPECT_TRUE(torch::equal(again[i], kept[i])) << name << " " << i;
    }
  }
}

TEST(DecoderGradient, frozen_matrices_give_the_gradients_of_torchs_own_products) {
  for (const std::string name : {"llama-untied", "llama-tied", "qwen2", "gemma3"}) {
    const TrainingSample sample = sample_of(random_tokens(77, 4));
    TrainingWeights plain = weights_of(name), frozen = weights_of(name);
    for (TrainingWeights* weights : {&plain, &frozen}) {
      for (const auto& [role, layer] : {std::pair{Role::query, 0}, {Role::attention_output, 1}, {Role::down, 0}}) {
        weights->add_change(role, layer, 4, 8.0, 1);
        const torch::NoGradGuard no_gradients;  // b = 0 would pass nothing on
        weights->change(role, layer)->b.copy_(torch::ones_like(weights->change(role, layer)->b) * 0.05);
      }
      weights->set_trainable(Role::attention_norm, 0);
      weights->set_trainable(Role::down, 1);
    }
    frozen.freeze_matrices(false);
    EXPECT_EQ(frozen.frozen(Role::down, 1), nullptr);
    ASSERT_NE(frozen.frozen(Role::up, 0), nullptr);
    DecoderGradient of_plain = graph_of(plain), of_frozen = graph_of(frozen);
    const double wanted = of_plain.add_gradients(sample, 1.0), got = of_frozen.add_gradients(sample, 1.0);
    EXPECT_NEAR(got / wanted, 1.0, 1e-6) << name;
    const auto expected = plain.trainable(), found = frozen.trainable();
    ASSERT_EQ(expected.size(), 8u);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_LE((found[i].grad() - expected[i].grad()).norm().item<double>(),
                1e-5 * expected[i].grad().norm().item<double>())
          << name << " " << i;
    TrainingSample nothing = sample;
    nothing.targets.assign(nothing.targets.size(), TrainingSample::kNoTarget);
    EXPECT_EQ(of_frozen.add_gradients(nothing, 1.0), 0.0) << name;
  }
}

TEST(DecoderGradient, without_gradients_frozen_matrices_keep_no_copy_and_lose_the_same) {
  TrainingWeights plain = weights_of("llama-untied"), frozen = weights_of("llama-untied");
  frozen.freeze_matrices(false, Gradients::none);
  EXPECT_EQ(frozen.frozen(Role::token_embedding, -1), nullptr);  // looked up alone
  ASSERT_NE(frozen.frozen(Role::output, -1), nullptr);
  const TrainingSample sample = sample_of(random_tokens(77, 4));
  EXPECT_NEAR(graph_of(frozen).loss(sample) / graph_of(plain).loss(sample), 1.0, 1e-6);
}

TEST(DecoderGradient, bf16_products_come_near_and_what_is_trained_stays_fp32) {
  for (const std::string name : {"llama-untied", "gemma3"}) {
    const TrainingSample sample = sample_of(random_tokens(77, 4));
    TrainingWeights whole = weights_of(name), rounded = weights_of(name);
    for (TrainingWeights* weights : {&whole, &rounded}) {
      weights->add_change(Role::query, 0, 4, 8.0, 1);
      weights->set_trainable(Role::down, 1);
    }
    rounded.freeze_matrices(true);
    EXPECT_EQ(rounded.at(Role::up, 0).scalar_type(), torch::kBFloat16);
    EXPECT_EQ(rounded.at(Role::down, 1).scalar_type(), torch::kFloat32);
    EXPECT_EQ(rounded.at(Role::output_norm).scalar_type(), torch::kFloat32);
    DecoderGradient of_whole = graph_of(whole), of_rounded = graph_of(rounded);
    const double wanted = of_whole.add_gradients(sample, 1.0), got = of_rounded.add_gradients(sample, 1.0);
    EXPECT_NE(wanted, got) << name;
    EXPECT_NEAR(got / wanted, 1.0, 2e-2) << name;
    const torch::Tensor difference = rounded.at(Role::down, 1).grad() - whole.at(Role::down, 1).grad();
    EXPECT_LT((difference.norm() / whole.at(Role::down, 1).grad().norm()).item<double>(), 5e-2) << name;
  }
}

TEST(DecoderGradient, tokens_that_do_not_count_leave_loss_and_gradients_alone) {
  TrainingWeights weights = weights_of("gemma3");
  DecoderGradient graph = graph_of(weights);
  weights.set_trainable(Role::up, 0);
  const torch::Tensor up = weights.at(Role::up, 0);
  const TrainingSample all = sample_of(random_tokens(50, 1));
  const auto counting = [&](std::size_t first, std::size_t end) {
    TrainingSample some = all;
    for (std::size_t i = 0; i < some.targets.size(); ++i)
      if (i < first || i >= end) some.targets[i] = TrainingSample::kNoTarget;
    return some;
  };
  const double whole = graph.add_gradients(all, 1.0);
  const torch::Tensor wanted = up.grad().clone();
  up.mutable_grad() = torch::Tensor();
  const double parts = graph.add_gradients(counting(0, 20), 1.0) + graph.add_gradients(counting(20, 50), 1.0);
  EXPECT_NEAR(whole, parts, 1e-4);
  EXPECT_LT((up.grad() - wanted).abs().max().item<double>(), 1e-5 * wanted.abs().max().item<double>());
  EXPECT_EQ(graph.add_gradients(counting(0, 0), 1.0), 0.0);
}

TEST(DecoderGradient, documents_packed_side_by_side_lose_what_they_lose_alone) {
  for (const std::string name : {"llama-untied", "mistral-window", "gemma3"}) {
    TrainingWeights weights = weights_of(name);
    DecoderGradient graph = graph_of(weights);
    const TrainingSample first = sample_of(random_tokens(41, 1)), second = sample_of(random_tokens(70, 2));
    TrainingSample both = first;
    both.tokens.insert(both.tokens.end(), second.tokens.begin(), second.tokens.end());
    both.targets.insert(both.targets.end(), second.targets.begin(), second.targets.end());
    both.positions.insert(both.positions.end(), second.positions.begin(), second.positions.end());
    both.local_positions.insert(both.local_positions.end(), second.local_positions.begin(),
                                second.local_positions.end());
    both.document_start.insert(both.document_start.end(), 70, 41);
    both.local_start.insert(both.local_start.end(), 70, 41);
    EXPECT_NEAR(graph.loss(both), graph.loss(first) + graph.loss(second), 1e-3) << name;
    both.document_start.assign(111, 0);
    both.local_start.assign(111, 0);
    EXPECT_GT(std::fabs(graph.loss(both) - graph.loss(first) - graph.loss(second)), 1e-2) << name;
  }
}

/// Full layers 1, 3, 5, …; the others see nothing but their own token.
TrainingWeights every_other_layer_full(const std::string& name) {
  auto file = std::make_shared<ModelFile>(**open_model_file(kModels + name));
  for (std::size_t layer = 0; layer < file->config.local_layers.size(); ++layer)
    file->config.local_layers[layer] = layer % 2 == 0;
  file->config.sliding_window = 1;
  return std::move(*TrainingWeights::load(std::move(file)));
}

TEST(DecoderGradient, shifted_groups_hand_on_what_the_group_before_knows) {
  // Groups are 0 … 63 and 64 … 127, shifted ones 0 … 31, 32 … 95 and 96 … 127: token 127 hears of token 40 where full
  // layers take turns (a single KV head) and where half of the heads are shifted.
  TrainingWeights gemma = every_other_layer_full("gemma3"), llama = weights_of("llama-untied");
  ASSERT_EQ(gemma.config().kv_heads, 1u);
  ASSERT_GT(llama.config().kv_heads, 1u);
  for (TrainingWeights* weights : {&gemma, &llama}) {
    DecoderGradient graph = graph_of(*weights);
    const auto last_row = [&](std::size_t changed, std::uint64_t group) {
      std::vector<std::int32_t> tokens = random_tokens(128, 3);
      tokens[changed] = (tokens[changed] + 1) % 99;
      TrainingSample sample = sample_of(tokens);
      sample.shifted_group = group;
      return graph.logits(sample)[127];
    };
    const auto differ = [](const torch::Tensor& a, const torch::Tensor& b) {
      return (a - b).abs().max().item<double>() > 1e-6;
    };
    EXPECT_TRUE(differ(last_row(40, 64), last_row(41, 64)));
    EXPECT_TRUE(differ(last_row(40, 64), last_row(40, 0))) << "groups hide nothing";
    EXPECT_FALSE(differ(last_row(40, 16), last_row(41, 16))) << "too far in groups this small";
  }
}

TEST(DecoderGradient, sliding_window_layers_see_nothing_before_their_own_start) {
  for (const std::string name : {"gemma3", "mistral-window", "llama-untied"}) {
    TrainingWeights weights = weights_of(name);
    DecoderGradient graph = graph_of(weights);
    TrainingSample sample = sample_of(random_tokens(60, 5));
    const torch::Tensor whole = graph.logits(sample);
    std::fill(sample.local_start.begin() + 40, sample.local_start.end(), 40u);
    const torch::Tensor apart = graph.logits(sample);
    EXPECT_EQ((whole - apart).slice(0, 0, 40).abs().max().item<double>(), 0.0) << name;
    EXPECT_EQ((whole - apart)[41].abs().max().item<double>() > 1e-6, name != "llama-untied") << name;
  }
}

}  // namespace
}  // namespace tome
