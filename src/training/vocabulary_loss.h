#pragma once
// Cross-entropy over a vocabulary whose matrix training does not turn. Logits exist for a slice of rows at a time, in
// one buffer: they become probabilities in place, and those give the gradient. Results do not depend on the thread
// count.
#include <torch/types.h>

#include <cstdint>
#include <span>

#include "training/frozen_matrix.h"

namespace tome {

/// Rows whose logits exist at once.
std::int64_t logit_rows_at_once(std::uint64_t vocabulary);

/// Σ over rows of −ln softmax(hidden · Wᵀ)[target], nats. hidden: [n, hidden] fp32; targets: n rows of `output`.
/// gradient, unless null, becomes that of `weight` times the sum: [n, hidden].
double vocabulary_loss(const torch::Tensor& hidden, const FrozenMatrix& output, std::span<const std::int64_t> targets,
                       double weight, torch::Tensor* gradient);

}  // namespace tome
