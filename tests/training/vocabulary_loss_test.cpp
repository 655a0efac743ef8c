// Loss and gradient over a vocabulary against torch's cross-entropy.
#include "training/vocabulary_loss.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <vector>

namespace tome {
namespace {

double distance(const torch::Tensor& a, const torch::Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

/// `sharp`: logits far apart, where a target may have next to all of the mass or none.
void expect_torchs(std::int64_t rows, std::int64_t vocabulary, double sharp) {
  SCOPED_TRACE(rows * 100000 + vocabulary);
  torch::manual_seed(static_cast<std::uint64_t>(rows));
  const torch::Tensor matrix = torch::randn({vocabulary, 32}) * sharp,
                      targets = torch::randint(vocabulary, {rows}, torch::kInt64), start = torch::randn({rows, 32});
  torch::Tensor theirs = start.to(torch::kFloat64).set_requires_grad(true);
  const torch::Tensor wanted =
      torch::nn::functional::cross_entropy(torch::linear(theirs, matrix.to(torch::kFloat64)), targets,
                                           torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
  (wanted * 0.25).backward();
  const FrozenMatrix frozen(matrix);
  const std::vector<std::int64_t> list(targets.data_ptr<std::int64_t>(), targets.data_ptr<std::int64_t>() + rows);
  torch::Tensor gradient;
  EXPECT_NEAR(vocabulary_loss(start, frozen, list, 0.25, &gradient) / wanted.item<double>(), 1.0, 1e-6);
  EXPECT_LT(distance(gradient, theirs.grad()), 1e-5);
  EXPECT_NEAR(vocabulary_loss(start, frozen, list, 1.0, nullptr) / wanted.item<double>(), 1.0, 1e-6);
}

TEST(VocabularyLoss, loss_and_gradient_are_torchs) {
  for (const std::int64_t rows : {1, 9, 257})
    for (const std::int64_t vocabulary : {16, 99, 2049}) expect_torchs(rows, vocabulary, 0.3);
  expect_torchs(40, 99, 8.0);
}

TEST(VocabularyLoss, slices_of_rows_make_no_difference) { expect_torchs(700, 70000, 0.2); }

TEST(VocabularyLoss, a_number_that_is_none_stays_none) {
  torch::Tensor hidden = torch::randn({3, 32});
  hidden[1][4] = NAN;
  const FrozenMatrix frozen(torch::randn({50, 32}));
  torch::Tensor gradient;
  EXPECT_TRUE(std::isnan(vocabulary_loss(hidden, frozen, std::vector<std::int64_t>{1, 2, 3}, 1.0, &gradient)));
}

}  // namespace
}  // namespace tome
