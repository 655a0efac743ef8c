#include "formats/tensor_layout.h"

#include <fmt/ranges.h>

#include <unordered_map>

#include "formats/printable.h"

namespace tome {
namespace {

bool is_plain_float(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

bool is_weight_type(DType type) {
  switch (type) {
    case DType::i8:
    case DType::i16:
    case DType::i32:
    case DType::i64:
    case DType::f64:
      return false;
    default:
      return true;
  }
}

void add_layer(const ModelConfig& config, int layer, std::vector<TensorNeed>& needs) {
  const std::uint64_t hidden = config.hidden, inner = config.feed_forward, head = config.head_dim;
  const std::uint64_t queries = head * config.heads, keys = head * config.kv_heads;
  const auto add = [&](Role role, std::vector<std::uint64_t> shape, bool required = true) {
    needs.push_back({role, layer, std::move(shape), required});
  };
  add(Role::attention_norm, {hidden});
  add(Role::query, {queries, hidden});
  add(Role::key, {keys, hidden});
  add(Role::value, {keys, hidden});
  add(Role::attention_output, {hidden, queries});
  if (config.family == Family::qwen2 || config.family == Family::llama) {
    const bool required = config.family == Family::qwen2;
    add(Role::query_bias, {queries}, required);
    add(Role::key_bias, {keys}, required);
    add(Role::value_bias, {keys}, required);
  }
  if (config.qk_norm) {
    add(Role::query_norm, {head});
    add(Role::key_norm, {head});
  }
  if (config.post_norms) add(Role::post_attention_norm, {hidden});
  add(Role::feed_forward_norm, {hidden});
  add(Role::gate, {inner, hidden});
  add(Role::up, {inner, hidden});
  add(Role::down, {hidden, inner});
  if (config.post_norms) add(Role::post_feed_forward_norm, {hidden});
}

}  // namespace

std::vector<TensorNeed> tensor_layout(const ModelConfig& config) {
  std::vector<TensorNeed> needs;
  needs.push_back({Role::token_embedding, -1, {config.vocabulary, config.hidden}, true});
  needs.push_back({Role::output_norm, -1, {config.hidden}, true});
  if (!config.tied_embeddings) needs.push_back({Role::output, -1, {config.vocabulary, config.hidden}, true});
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) add_layer(config, static_cast<int>(layer), needs);
  return needs;
}

Status check_tensor(const TensorView& view, const std::vector<std::uint64_t>& shape, std::string_view name,
                    std::string_view where) {
  if (view.shape != shape)
    return fail(ErrorKind::format, "{}: tensor '{}': shape [{}], expected [{}] from the hyper-parameters", where, name,
                fmt::join(view.shape, ", "), fmt::join(shape, ", "));
  const bool is_vector = shape.size() == 1;
  if (!(is_vector ? is_plain_float(view.type) : is_weight_type(view.type)))
    return fail(ErrorKind::unsupported, "{}: tensor '{}': type {}, expected {}", where, name, dtype_name(view.type),
                is_vector ? "f32, f16 or bf16" : "a float or block-quantised type");
  return {};
}

Status attach_tensors(ModelFile& model, const std::vector<NamedTensor>& found, std::string_view where,
                      const std::function<std::string(Role, int)>& name_of,
                      const std::function<bool(std::string_view)>& may_ignore) {
  std::unordered_map<std::string_view, const NamedTensor*> by_name;
  by_name.reserve(found.size());
  for (const NamedTensor& tensor : found) by_name.emplace(tensor.name, &tensor);
  for (const TensorNeed& need : tensor_layout(model.config)) {
    const std::string name = name_of(need.role, need.layer);
    const auto entry = by_name.find(name);
    if (entry == by_name.end()) {
      if (!need.required) continue;
      return fail(ErrorKind::format, "{}: tensor '{}' is missing", where, name);
    }
    const TensorView& view = entry->second->view;
    TOME_TRY(check_tensor(view, need.shape, name, where));
    model.tensors.emplace(std::pair(need.role, need.layer), view);
    by_name.erase(entry);
  }
  for (const NamedTensor& tensor : found)
    if (by_name.contains(tensor.name) && !may_ignore(tensor.name))
      return fail(ErrorKind::unsupported, "{}: tensor '{}' is not part of the {} family as Tome computes it", where,
                  printable(tensor.name), family_name(model.config.family));
  return {};
}

}  // namespace tome
