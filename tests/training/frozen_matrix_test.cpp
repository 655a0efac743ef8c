// Products with frozen matrices against torch's, forwards and backwards.
#include "training/frozen_matrix.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace tome {
namespace {

torch::Tensor numbers(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  torch::manual_seed(seed);
  return torch::randn({rows, columns});
}

double distance(const torch::Tensor& a, const torch::Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

struct Shape {
  std::int64_t n, inputs, outputs;
};
// One row, few, many; no multiples of anything; more outputs than are transposed at once.
constexpr Shape kShapes[] = {{1, 64, 96}, {7, 576, 192}, {333, 37, 65}, {130, 128, 2048}, {50, 64, 5001}};

void expect_torchs(torch::ScalarType type, double tolerance) {
  for (const auto& [n, inputs, outputs] : kShapes) {
    const torch::Tensor matrix = numbers(outputs, inputs, 1).to(type), start = numbers(n, inputs, 2),
                        weights = numbers(n, outputs, 3);
    torch::Tensor mine = start.clone().set_requires_grad(true), theirs = start.clone().set_requires_grad(true);
    const FrozenMatrix frozen(matrix);
    const torch::Tensor got = frozen.product(mine), wanted = torch::linear(theirs, matrix.to(torch::kFloat32));
    (got * weights).sum().backward();
    (wanted * weights).sum().backward();
    EXPECT_LT(distance(got, wanted), tolerance) << n << " " << inputs << " " << outputs;
    EXPECT_LT(distance(mine.grad(), theirs.grad()), tolerance) << n << " " << inputs << " " << outputs;
  }
}

TEST(FrozenMatrix, fp32_products_and_their_gradients_are_torchs) { expect_torchs(torch::kFloat32, 2e-6); }

TEST(FrozenMatrix, bf16_products_sum_in_fp32) { expect_torchs(torch::kBFloat16, 4e-3); }

TEST(FrozenMatrix, takes_rows_that_do_not_lie_side_by_side) {
  const torch::Tensor matrix = numbers(96, 64, 1), wide = numbers(20, 128, 2), some = wide.slice(1, 32, 96);
  EXPECT_LT(distance(FrozenMatrix(matrix).product(some), torch::linear(some, matrix)), 2e-6);
}

}  // namespace
}  // namespace tome
