#include "training/attention_function.h"

#include <torch/csrc/autograd/custom_function.h>

#include "attention/training_attention.h"

namespace tome {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

TrainingAttention request(const Variable& queries, const Variable& keys, const Variable& values,
                          const Variable& first_keys, double score_scale) {
  return {.tokens = static_cast<std::uint64_t>(queries.size(0)),
          .heads = static_cast<std::uint32_t>(queries.size(1)),
          .kv_heads = static_cast<std::uint32_t>(keys.size(1)),
          .head_dim = static_cast<std::uint32_t>(queries.size(2)),
          .score_scale = static_cast<float>(score_scale),
          .first_key = {reinterpret_cast<const std::uint32_t*>(first_keys.data_ptr<std::int32_t>()),
                        static_cast<std::size_t>(first_keys.numel())},
          .queries = queries.data_ptr<float>(),
          .keys = keys.data_ptr<float>(),
          .values = values.data_ptr<float>()};
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static Variable forward(AutogradContext* context, const Variable& queries, const Variable& keys,
                          const Variable& values, const Variable& first_keys, double score_scale) {
    const Variable q = queries.contiguous(), k = keys.contiguous(), v = values.contiguous();
    Variable output = torch::empty_like(q), lse = torch::empty({q.size(0), q.size(1)}, q.options());
    training_attention(request(q, k, v, first_keys, score_scale), output.data_ptr<float>(), lse.data_ptr<float>());
    context->save_for_backward({q, k, v, first_keys, output, lse});
    context->saved_data["score_scale"] = score_scale;
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Variable gradient = gradients[0].contiguous();
    Variable queries = torch::empty_like(saved[0]), keys = torch::empty_like(saved[1]),
             values = torch::empty_like(saved[2]);
    training_attention_backward(
        request(saved[0], saved[1], saved[2], saved[3], context->saved_data["score_scale"].toDouble()),
        saved[4].data_ptr<float>(), saved[5].data_ptr<float>(), gradient.data_ptr<float>(),
        {queries.data_ptr<float>(), keys.data_ptr<float>(), values.data_ptr<float>()});
    return {queries, keys, values, Variable(), Variable()};
  }
};

}  // namespace

torch::Tensor attend(const torch::Tensor& queries, const torch::Tensor& keys, const torch::Tensor& values,
                     const torch::Tensor& first_keys, double score_scale) {
  return AttentionFunction::apply(queries, keys, values, first_keys, score_scale);
}

}  // namespace tome
