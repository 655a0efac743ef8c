#pragma once
// A matrix that training does not turn, multiplied by the engine's kernels (kernels/matmul.h): x · Wᵀ forwards, and
// gradient · W backwards, for which it keeps a transposed copy. The results do not depend on the thread count.
// Immutable after construction; products of one thread at a time. Must outlive every graph that holds its products.
#include <torch/types.h>

#include <vector>

namespace tome {

enum class Gradients { none, through };  ///< none: no transposed copy

class FrozenMatrix {
 public:
  /// [outputs, inputs]. fp32: products in fp32. bf16: as the processor does them fastest (its own bf16 products, or
  /// 16-bit codes of both factors), sums in fp32.
  explicit FrozenMatrix(torch::Tensor matrix, Gradients gradients = Gradients::through);

  /// [n, inputs] → [n, outputs], both fp32; gradients flow into x.
  torch::Tensor product(const torch::Tensor& x) const;

  /// Outside the graph: x · Wᵀ; the same into the first columns of `y` ([n, ≥ outputs] fp32, contiguous); and
  /// [n, outputs] → gradient · W.
  torch::Tensor times(const torch::Tensor& x) const;
  void times_into(const torch::Tensor& x, const torch::Tensor& y) const;
  torch::Tensor transposed_times(const torch::Tensor& gradient) const;

  const torch::Tensor& matrix() const { return matrix_; }

 private:
  torch::Tensor matrix_;
  std::vector<torch::Tensor> transposed_;  // of so many rows at a time: [inputs, ≤ kRowsAtOnce], a multiple of 32
};

}  // namespace tome
