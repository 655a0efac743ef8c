#include "training/decoder_functions.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace tome {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Rows of one task: sums over rows are taken by task and then in the order of tasks.
constexpr std::int64_t kRows = 64;

template <class Task>  // task(first row, end row)
void over_rows(std::int64_t rows, const Task& task) {
  parallel_for((rows + kRows - 1) / kRows,
               [&](std::int64_t block, int) { task(block * kRows, std::min(rows, (block + 1) * kRows)); });
}

/// Σ f(i) in 16 partial sums, so that the compiler can keep them in vectors.
template <class Term>
float sum_of(std::int64_t count, const Term& term) {
  std::array<float, 16> sums{};
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (std::int64_t lane = 0; lane < 16; ++lane) sums[static_cast<std::size_t>(lane)] += term(i + lane);
  for (; i < count; ++i) sums[0] += term(i);
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  return sums[0];
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static Variable forward(AutogradContext* context, const Variable& input, const Variable& weight, double epsilon) {
    const Variable x = input.contiguous();
    Variable y = torch::empty_like(x);
    const std::int64_t columns = x.size(-1);
    const float* from = x.data_ptr<float>();
    const float* scale = weight.data_ptr<float>();
    float* to = y.data_ptr<float>();
    over_rows(x.numel() / columns, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t row = first; row < end; ++row)
        kernels::kernels().rms_norm(from + row * columns, scale, static_cast<float>(epsilon), static_cast<int>(columns),
                                    to + row * columns);
    });
    context->save_for_backward({x, weight});
    context->saved_data["epsilon"] = epsilon;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Variable &x = saved[0], &weight = saved[1], gradient = gradients[0].contiguous();
    const bool of_weight = weight.requires_grad();
    const std::int64_t columns = x.size(-1), rows = x.numel() / columns;
    const auto epsilon = static_cast<float>(context->saved_data["epsilon"].toDouble());
    Variable into_x = torch::empty_like(x);
    Variable parts = of_weight ? torch::zeros({(rows + kRows - 1) / kRows, columns}, torch::kFloat32) : Variable();
    const float *values = x.data_ptr<float>(), *scale = weight.data_ptr<float>(),
                *arriving = gradient.data_ptr<float>();
    float *to = into_x.data_ptr<float>(), *part = of_weight ? parts.data_ptr<float>() : nullptr;
    over_rows(rows, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t row = first; row < end; ++row) {
        const float *v = values + row * columns, *g = arriving + row * columns;
        const float squares = sum_of(columns, [&](std::int64_t i) { return v[i] * v[i]; });
        const float along = sum_of(columns, [&](std::int64_t i) { return v[i] * g[i] * scale[i]; });
        const auto n = static_cast<float>(columns);
        const float inverse = 1.0f / std::sqrt(squares / n + epsilon);
        const float back = along / n * inverse * inverse;
        float* out = to + row * columns;
        for (std::int64_t i = 0; i < columns; ++i) out[i] = inverse * (g[i] * scale[i] - v[i] * back);
        if (part == nullptr) continue;
        float* sums = part + first / kRows * columns;
        for (std::int64_t i = 0; i < columns; ++i) sums[i] += g[i] * v[i] * inverse;
      }
    });
    if (!of_weight) return {into_x, Variable(), Variable()};
    Variable into_weight = torch::zeros({columns}, torch::kFloat32);  // in the order of tasks
    float* whole = into_weight.data_ptr<float>();
    for (std::int64_t block = 0; block < parts.size(0); ++block)
      for (std::int64_t i = 0; i < columns; ++i) whole[i] += part[block * columns + i];
    return {into_x, into_weight, Variable()};
  }
};

/// Every head of every token by its angles, or back by them.
Variable turned(const Variable& x, const Variable& cosine, const Variable& sine, float direction) {
  const std::int64_t heads = x.size(1), half = x.size(2) / 2;
  Variable y = torch::empty_like(x);
  const float *from = x.data_ptr<float>(), *c = cosine.data_ptr<float>(), *s = sine.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(x.size(0), [&](std::int64_t first, std::int64_t end) {
    for (std::int64_t token = first; token < end; ++token)
      for (std::int64_t head = 0; head < heads; ++head) {
        const float *low = from + (token * heads + head) * 2 * half, *high = low + half;
        float *low_to = to + (low - from), *high_to = low_to + half;
        const float *cosines = c + token * half, *sines = s + token * half;
        for (std::int64_t i = 0; i < half; ++i) {
          low_to[i] = low[i] * cosines[i] - direction * high[i] * sines[i];
          high_to[i] = high[i] * cosines[i] + direction * low[i] * sines[i];
        }
      }
  });
  return y;
}

struct Rotation : torch::autograd::Function<Rotation> {
  static Variable forward(AutogradContext* context, const Variable& x, const Variable& cosine, const Variable& sine) {
    context->save_for_backward({cosine, sine});
    return turned(x.contiguous(), cosine, sine, 1.0f);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    return {turned(gradients[0].contiguous(), saved[0], saved[1], -1.0f), Variable(), Variable()};
  }
};

struct Gated : torch::autograd::Function<Gated> {
  static Variable forward(AutogradContext* context, const Variable& gate, const Variable& up, bool silu) {
    const Variable g = gate.contiguous(), u = up.contiguous();
    Variable y = torch::empty_like(g);
    const std::int64_t columns = g.size(-1);
    const float *gates = g.data_ptr<float>(), *ups = u.data_ptr<float>();
    float* to = y.data_ptr<float>();
    const auto kernel = silu ? kernels::kernels().gated_silu : kernels::kernels().gated_gelu_tanh;
    over_rows(g.numel() / columns, [&](std::int64_t first, std::int64_t end) {
      kernel(gates + first * columns, ups + first * columns, static_cast<int>((end - first) * columns),
             to + first * columns);
    });
    context->save_for_backward({g, u});
    context->saved_data["silu"] = silu;
    return y;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Variable &gate = saved[0], &up = saved[1], gradient = gradients[0].contiguous();
    const bool silu = context->saved_data["silu"].toBool();
    Variable into_up = silu ? torch::silu(gate) : torch::gelu(gate, "tanh");
    into_up.mul_(gradient);
    const Variable of_activation = gradient * up;
    return {silu ? at::silu_backward(of_activation, gate) : at::gelu_backward(of_activation, gate, "tanh"), into_up,
            Variable()};
  }
};

}  // namespace

torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, float epsilon) {
  CHECK(x.size(-1) == weight.numel() && weight.is_contiguous());
  return RmsNorm::apply(x, weight, static_cast<double>(epsilon));
}

torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cosine, const torch::Tensor& sine) {
  CHECK(x.dim() == 3 && cosine.is_contiguous() && sine.is_contiguous());
  CHECK(cosine.numel() == x.size(0) * x.size(2) / 2 && sine.numel() == cosine.numel());
  return Rotation::apply(x, cosine, sine);
}

torch::Tensor gated(const torch::Tensor& gate, const torch::Tensor& up, Activation activation) {
  CHECK(gate.sizes() == up.sizes());
  return Gated::apply(gate, up, activation == Activation::silu);
}

}  // namespace tome
