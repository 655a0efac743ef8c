#include "kernels/layer_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tome::kernels {
namespace {

TEST(LayerNorm, takes_mean_and_variance_out_and_puts_weight_and_bias_in) {
  // mean 2, variance (1 + 0 + 1 + 4 + 4) / 5 = 2
  const std::vector<float> x{1, 2, 3, 0, 4}, weight{1, 1, 2, 1, -1}, bias{0, 5, 0, 1, 0};
  std::vector<float> y(5);
  layer_norm(x.data(), weight.data(), bias.data(), 2.0f, 5, y.data());  // √(2 + ε) = 2
  const std::vector<float> expected{-0.5f, 5.0f, 1.0f, 0.0f, -1.0f};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(y[i], expected[i]) << i;
}

TEST(LayerNorm, works_in_place_and_far_from_zero) {
  std::vector<float> x{10000001, 10000002, 10000003}, weight(3, 1.0f), bias(3, 0.0f);
  layer_norm(x.data(), weight.data(), bias.data(), 1e-12f, 3, x.data());
  EXPECT_NEAR(x[0], -std::sqrt(1.5), 1e-6);
  EXPECT_NEAR(x[1], 0.0, 1e-6);
  EXPECT_NEAR(x[2], std::sqrt(1.5), 1e-6);
}

TEST(Gelu, both_forms_have_their_published_values) {
  std::vector<float> exact{-3, -1, 0, 1, 3, 50, -50}, tanh_form = exact;
  gelu(exact.data(), exact.size());
  gelu_tanh(tanh_form.data(), tanh_form.size());
  const double of_erf[] = {-0.00404969, -0.15865525, 0, 0.84134475, 2.99595031, 50, 0};
  const double of_tanh[] = {-0.00363739, -0.15880801, 0, 0.84119199, 2.99636261, 50, 0};
  for (std::size_t i = 0; i < exact.size(); ++i) {
    EXPECT_NEAR(exact[i], of_erf[i], 1e-6) << i;
    EXPECT_NEAR(tanh_form[i], of_tanh[i], 1e-6) << i;
  }
}

TEST(Relu, cuts_at_zero_and_lets_what_is_no_number_through) {
  std::vector<float> x{-1, 0, 2, std::nanf("")};
  relu(x.data(), x.size());
  EXPECT_EQ(x[0], 0.0f);
  EXPECT_EQ(x[2], 2.0f);
  EXPECT_TRUE(std::isnan(x[3]));
}

}  // namespace
}  // namespace tome::kernels
