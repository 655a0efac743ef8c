#include "training/frozen_matrix.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <algorithm>

#include "base/check.h"
#include "kernels/matmul.h"

namespace tome {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// A panel of so many products fits a core's cache; a vocabulary has many more rows.
constexpr std::int64_t kRowsAtOnce = 2048;
constexpr std::int64_t kColumns = 32;  ///< kernels want a multiple of so many

/// [n, k] · [outputs, k]ᵀ into the first columns of y.
void multiply(const torch::Tensor& x, const torch::Tensor& matrix, const torch::Tensor& y) {
  thread_local kernels::MatmulScratch scratch;
  const bool rounded = matrix.scalar_type() == torch::kBFloat16;
  const TensorView weight{
      .type = rounded ? DType::bf16 : DType::f32,
      .shape = {static_cast<std::uint64_t>(matrix.size(0)), static_cast<std::uint64_t>(matrix.size(1))},
      .data = static_cast<const std::byte*>(matrix.data_ptr())};
  const kernels::MatmulWeight one{&weight, y.data_ptr<float>(), static_cast<std::size_t>(y.size(1))};
  kernels::matmul({x.data_ptr<float>(), static_cast<int>(x.size(0)), static_cast<int>(x.size(1))}, {&one, 1},
                  rounded ? kernels::ProductPrecision::native : kernels::ProductPrecision::fp32, scratch);
}

torch::Tensor product_of(const torch::Tensor& x, const torch::Tensor& matrix) {
  torch::Tensor y = torch::empty({x.size(0), matrix.size(0)}, torch::kFloat32);
  multiply(x, matrix, y);
  return y;
}

struct FrozenProduct : torch::autograd::Function<FrozenProduct> {
  static Variable forward(AutogradContext* context, const Variable& x, const FrozenMatrix* matrix) {
    context->saved_data["matrix"] = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(matrix));
    return matrix->times(x);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto* matrix = reinterpret_cast<const FrozenMatrix*>(context->saved_data["matrix"].toInt());
    return {matrix->transposed_times(gradients[0]), Variable()};
  }
};

}  // namespace

FrozenMatrix::FrozenMatrix(torch::Tensor matrix, Gradients gradients) : matrix_(std::move(matrix)) {
  CHECK(matrix_.dim() == 2 && matrix_.is_contiguous() && !matrix_.requires_grad());
  if (gradients == Gradients::none) return;
  for (std::int64_t first = 0; first < matrix_.size(0); first += kRowsAtOnce) {
    const torch::Tensor some = matrix_.slice(0, first, std::min(matrix_.size(0), first + kRowsAtOnce)).t();
    const std::int64_t missing = -some.size(1) & (kColumns - 1);
    transposed_.push_back(torch::constant_pad_nd(some, {0, missing}).contiguous());
  }
}

torch::Tensor FrozenMatrix::product(const torch::Tensor& x) const { return FrozenProduct::apply(x, this); }

torch::Tensor FrozenMatrix::times(const torch::Tensor& x) const {
  CHECK(x.dim() == 2 && x.size(1) == matrix_.size(1));
  return product_of(x.contiguous(), matrix_);
}

void FrozenMatrix::times_into(const torch::Tensor& x, const torch::Tensor& y) const {
  CHECK(x.dim() == 2 && x.size(1) == matrix_.size(1));
  CHECK(y.size(0) == x.size(0) && y.size(1) >= matrix_.size(0) && y.is_contiguous());
  multiply(x.contiguous(), matrix_, y);
}

torch::Tensor FrozenMatrix::transposed_times(const torch::Tensor& gradient) const {
  CHECK(gradient.dim() == 2 && gradient.size(1) == matrix_.size(0));
  CHECK(!transposed_.empty());
  torch::Tensor sum;
  std::int64_t first = 0;
  for (const torch::Tensor& some : transposed_) {
    const std::int64_t end = std::min(matrix_.size(0), first + some.size(1));
    const torch::Tensor rows = gradient.slice(1, first, end);
    torch::Tensor part = product_of(torch::constant_pad_nd(rows, {0, some.size(1) - rows.size(1)}).contiguous(), some);
    sum = sum.defined() ? sum.add_(part) : part;
    first = end;
  }
  return sum;
}

}  // namespace tome
