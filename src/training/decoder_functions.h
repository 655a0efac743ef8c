#pragma once
// What a decoder layer does between its products, each as one torch function with the gradient written out: nothing is
// kept for it but the inputs. fp32. Results do not depend on the thread count, but for the gate's gradient, which is
// torch's.
#include <torch/types.h>

#include "formats/model_file.h"

namespace tome {

/// x / √(mean x² + epsilon) · weight over the last dimension (RMSNorm, arXiv 1910.07467).
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, float epsilon);

/// Rotary positions. x: [tokens, heads, head_dim], pairs (i, i + head_dim / 2); cosine, sine: [tokens, head_dim / 2],
/// without gradients.
torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cosine, const torch::Tensor& sine);

/// activation(gate) · up, element by element.
torch::Tensor gated(const torch::Tensor& gate, const torch::Tensor& up, Activation activation);

}  // namespace tome
