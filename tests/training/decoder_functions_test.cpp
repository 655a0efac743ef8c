// Norm, rotation and gate against torch's own operations, values and gradients.
#include "training/decoder_functions.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <vector>

#include "base/thread_pool.h"

namespace tome {
namespace {

using Inputs = std::vector<torch::Tensor>;
using Function = std::function<torch::Tensor(const Inputs&)>;

double distance(const torch::Tensor& a, const torch::Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

/// Values and the gradients of a weighted sum, in fp64 for the wanted ones.
void expect_same(const Inputs& inputs, const Function& mine, const Function& theirs) {
  Inputs own, other;
  for (const torch::Tensor& input : inputs) {
    own.push_back(input.clone().set_requires_grad(true));
    other.push_back(input.to(torch::kFloat64).set_requires_grad(true));
  }
  const torch::Tensor got = mine(own), wanted = theirs(other);
  torch::manual_seed(9);
  const torch::Tensor weights = torch::randn(wanted.sizes(), torch::kFloat64);
  (got * weights).sum().backward();
  (wanted * weights).sum().backward();
  EXPECT_LT(distance(got, wanted), 1e-6);
  for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_LT(distance(own[i].grad(), other[i].grad()), 2e-6) << i;
}

TEST(DecoderFunctions, a_norm_is_torchs) {
  for (const std::int64_t rows : {1, 63, 130})
    for (const std::int64_t columns : {8, 64, 577}) {
      SCOPED_TRACE(rows * 1000 + columns);
      torch::manual_seed(static_cast<std::uint64_t>(rows + columns));
      expect_same(
          {torch::randn({rows, columns}) * 3.0, torch::randn({columns})},
          [](const Inputs& in) { return rms_norm(in[0], in[1], 1e-5f); },
          [](const Inputs& in) { return in[0] * torch::rsqrt(in[0].pow(2).mean(-1, true) + 1e-5) * in[1]; });
    }
}

TEST(DecoderFunctions, a_norm_of_heads_leaves_a_weight_that_is_not_trained_alone) {
  torch::manual_seed(1);
  torch::Tensor x = torch::randn({5, 3, 16}).set_requires_grad(true), weight = torch::ones({16});
  rms_norm(x, weight, 1e-6f).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
}

TEST(DecoderFunctions, a_rotation_is_torchs) {
  for (const std::int64_t tokens : {1, 65}) {
    torch::manual_seed(3);
    const torch::Tensor angles = torch::randn({tokens, 10}), cosine = angles.cos(), sine = angles.sin();
    expect_same(
        {torch::randn({tokens, 3, 20})}, [&](const Inputs& in) { return rotate(in[0], cosine, sine); },
        [&](const Inputs& in) {
          const auto halves = in[0].chunk(2, -1);
          const torch::Tensor c = cosine.unsqueeze(1).to(torch::kFloat64), s = sine.unsqueeze(1).to(torch::kFloat64);
          return torch::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1);
        });
  }
}

TEST(DecoderFunctions, a_gate_is_torchs) {
  torch::manual_seed(4);
  const Inputs inputs{torch::randn({70, 33}) * 2.0, torch::randn({70, 33})};
  expect_same(
      inputs, [](const Inputs& in) { return gated(in[0], in[1], Activation::silu); },
      [](const Inputs& in) { return torch::silu(in[0]) * in[1]; });
  expect_same(
      inputs, [](const Inputs& in) { return gated(in[0], in[1], Activation::gelu_tanh); },
      [](const Inputs& in) { return torch::gelu(in[0], "tanh") * in[1]; });
}

TEST(DecoderFunctions, threads_change_no_bit) {
  torch::manual_seed(5);
  const torch::Tensor x = torch::randn({5000, 48}), w = torch::randn({48});  // beyond the grain of torch's sums
  Inputs gradients;
  const int before = thread_count();
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    torch::set_num_threads(threads);
    torch::Tensor own = x.clone().set_requires_grad(true), weight = w.clone().set_requires_grad(true);
    rms_norm(own, weight, 1e-5f).pow(2).sum().backward();
    gradients.push_back(own.grad());
    gradients.push_back(weight.grad());
  }
  set_thread_count(before);
  torch::set_num_threads(before);
  EXPECT_TRUE(torch::equal(gradients[0], gradients[2]));
  EXPECT_TRUE(torch::equal(gradients[1], gradients[3]));
}

}  // namespace
}  // namespace tome
