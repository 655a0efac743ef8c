#include "extend/adapter_of_training.h"

#include "formats/lora_adapter.h"

namespace tome::extend {
namespace {

TensorView view_of(const torch::Tensor& tensor) {
  std::vector<std::uint64_t> shape(tensor.sizes().begin(), tensor.sizes().end());
  return {DType::f32, std::move(shape), reinterpret_cast<const std::byte*>(tensor.data_ptr<float>()), Device::cpu};
}

LoraAdapter positions_alone(const ModelFile& model, const ExtendFlags& flags, const ExtendPlan& plan) {
  LoraAdapter adapter;
  adapter.base_model = flags.model;
  adapter.base_fingerprint = model.fingerprint;
  adapter.position_fingerprint = plan.full.fingerprint();
  adapter.scaling_method = scaling_method_name(plan.scaling);
  adapter.scaling_factor = plan.factor;
  adapter.divisors = plan.divisors;
  adapter.target_length = plan.target;
  return adapter;
}

}  // namespace

Status save_positions(const std::string& folder, const ModelFile& model, const ExtendFlags& flags,
                      const ExtendPlan& plan) {
  const LoraAdapter adapter = positions_alone(model, flags, plan);
  return write_lora_adapter(folder, {&adapter, flags.rank, flags.alpha}, model.config.family);
}

Status save_adapter(const std::string& folder, const TrainingWeights& weights, const ExtendFlags& flags,
                    const ExtendPlan& plan) {
  LoraAdapter adapter = positions_alone(weights.file(), flags, plan);
  for (const auto& [key, change] : weights.changes())
    adapter.changes[key] = {view_of(change.a), view_of(change.b), change.scale};
  std::vector<torch::Tensor> kept;  // views point into these
  for (const auto& [key, tensor] : weights.tensors()) {
    if (!tensor.requires_grad()) continue;
    kept.push_back(weights.as_stored_elsewhere(key));
    adapter.replaced[key] = view_of(kept.back());
  }
  return write_lora_adapter(folder, {&adapter, flags.rank, flags.alpha}, weights.config().family);
}

}  // namespace tome::extend
