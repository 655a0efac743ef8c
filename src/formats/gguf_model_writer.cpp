#include "formats/gguf_model_writer.h"

#include <cstring>
#include <map>

#include "formats/gguf.h"
#include "formats/gguf_model.h"
#include "formats/gguf_writer.h"

namespace tome {
namespace {

/// Frequencies divided by a list that rope_freqs.weight tells (Llama 3).
bool is_by_list(const DeclaredScaling& scaling) {
  return scaling.type == "llama3" && !scaling.frequency_factors.empty();
}

void set_positions(GgufWriter& writer, const ModelConfig& config) {
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", family_name(config.family), name); };
  const DeclaredScaling& scaling = config.scaling;
  writer.set(key("context_length"), static_cast<std::uint32_t>(config.context_length));
  writer.set(key("rope.freq_base"), static_cast<float>(config.rope_theta));
  if (scaling.type == "none" || is_by_list(scaling)) return;
  writer.set(key("rope.scaling.type"), scaling.type);
  writer.set(key("rope.scaling.finetuned"), true);
  // Beside lists of divisors llama.cpp would interpolate by a factor once more.
  if (scaling.type != "longrope") writer.set(key("rope.scaling.factor"), static_cast<float>(scaling.factor));
  if (scaling.original_context_length)
    writer.set(key("rope.scaling.original_context_length"),
               static_cast<std::uint32_t>(*scaling.original_context_length));
  if (scaling.attention_factor)
    writer.set(key("rope.scaling.attn_factor"), static_cast<float>(*scaling.attention_factor));
  if (scaling.type == "yarn") {
    writer.set(key("rope.scaling.yarn_beta_fast"), static_cast<float>(scaling.beta_fast));
    writer.set(key("rope.scaling.yarn_beta_slow"), static_cast<float>(scaling.beta_slow));
  }
}

}  // namespace

Status check_gguf_positions(const ModelConfig& config) {
  const std::string& type = config.scaling.type;
  if (type != "none" && type != "linear" && type != "yarn" && type != "longrope" && !is_by_list(config.scaling))
    return fail(ErrorKind::unsupported,
                "[gguf] scaling '{}': cannot be written, expected none, linear, yarn or longrope", type);
  // Readers look for the lists of divisors in llama models alone.
  if (type == "longrope" && config.family != Family::llama)
    return fail(ErrorKind::unsupported, "[gguf] scaling longrope of a {} model: readers know it for llama alone",
                family_name(config.family));
  return {};
}

bool is_gguf(const ModelFile& model) {
  return !model.mapped.empty() && model.mapped[0]->bytes().size() >= 4 &&
         std::memcmp(model.mapped[0]->bytes().data(), "GGUF", 4) == 0;
}

Status write_gguf_model(const std::string& path, const ModelFile& model) {
  if (!is_gguf(model))
    return fail(ErrorKind::usage, "[gguf] {}: not a GGUF file: only what came from one can be written as one",
                model.path);
  TOME_TRY(check_gguf_positions(model.config));
  std::vector<GgufFile> parts;
  for (const auto& mapped : model.mapped) {
    TOME_ASSIGN(GgufFile part, parse_gguf(mapped->bytes(), mapped->path()));
    parts.push_back(std::move(part));
  }
  GgufWriter writer;
  const std::string prefix = std::string(family_name(model.config.family)) + ".rope.scal";  // .scaling.*, .scale_linear
  for (const auto& [key, value] : parts[0].metadata)
    if (!key.starts_with("split.") && !key.starts_with(prefix)) writer.set(key, value);
  set_positions(writer, model.config);
  std::map<std::string, TensorView> own;
  for (const auto& [key, view] : model.tensors) own[gguf_tensor_name(key.first, key.second)] = view;
  for (const GgufFile& part : parts)
    for (const GgufTensor& tensor : part.tensors) {
      const std::string name(tensor.name);
      if (name.starts_with("rope_factors_")) continue;  // written anew, where they are declared
      std::vector<std::uint64_t> shape(tensor.dimensions.rbegin(), tensor.dimensions.rend());
      if (const auto found = own.find(name); found != own.end()) {
        const TensorView& view = found->second;
        TOME_TRY(writer.add_tensor(name, view.type, view.shape, {view.data, static_cast<std::size_t>(view.bytes())}));
      } else {
        TOME_TRY(writer.add_tensor(name, tensor.type, shape, tensor.data));
      }
    }
  const DeclaredScaling& scaling = model.config.scaling;
  if (scaling.type == "longrope")
    for (const auto& [name, list] :
         {std::pair<const char*, const std::vector<float>*>{"rope_factors_short.weight", &scaling.short_factors},
          {"rope_factors_long.weight", &scaling.long_factors}}) {
      const std::uint64_t shape[] = {list->size()};
      TOME_TRY(writer.add_tensor(name, DType::f32, shape, std::as_bytes(std::span(*list))));
    }
  return writer.write(path);
}

}  // namespace tome
