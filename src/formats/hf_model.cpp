#include "formats/hf_model.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "formats/hf_config.h"
#include "formats/hf_tokenizer.h"
#include "formats/model_checks.h"
#include "formats/printable.h"
#include "formats/safetensors.h"
#include "formats/tensor_layout.h"
#include "tensor/aligned_buffer.h"

namespace tome {
namespace {

constexpr std::uint64_t max_config_bytes = 16 << 20, max_tokenizer_bytes = 512 << 20;

/// Empty when the file is not there.
Result<std::string> read_optional(const std::string& path, std::uint64_t limit) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::string();
  return read_file(path, limit);
}

Result<TokenizerSpec> read_tokenizer(const std::string& folder, const HfConfig& config) {
  TOME_ASSIGN(const std::string tokenizer, read_file(folder + "/tokenizer.json", max_tokenizer_bytes));
  TOME_ASSIGN(const std::string tokenizer_config, read_optional(folder + "/tokenizer_config.json", max_config_bytes));
  TOME_ASSIGN(const std::string chat_template, read_optional(folder + "/chat_template.jinja", max_config_bytes));
  TOME_ASSIGN(const std::string generation, read_optional(folder + "/generation_config.json", max_config_bytes));
  HfTokenizerContext context{.vocabulary = config.config.vocabulary, .ends = {}, .bos = config.bos, .pad = config.pad};
  if (!generation.empty()) {
    TOME_ASSIGN(context.ends, parse_hf_generation_config(generation, folder + "/generation_config.json"));
  }
  for (const std::int64_t id : config.end_tokens)
    if (std::find(context.ends.begin(), context.ends.end(), id) == context.ends.end()) context.ends.push_back(id);
  return parse_hf_tokenizer({folder, tokenizer, tokenizer_config, chat_template}, context);
}

/// The language model's own prefix; what stands under other ones (vision) is no part of it.
std::string language_prefix(const std::vector<SafeTensor>& tensors) {
  for (const char* prefix : {"model.language_model.", "language_model.model.", "model."})
    for (const SafeTensor& tensor : tensors)
      if (tensor.name == std::string(prefix) + "embed_tokens.weight") return prefix;
  return "";
}

/// Weights at odd addresses (headers of old writers are not padded) are copied, so that kernels may read them as
/// floats.
const std::byte* aligned_data(const SafeTensor& tensor, ModelFile& model) {
  const std::size_t alignment = dtype_info(*tensor.type)->block_bytes;
  if (reinterpret_cast<std::uintptr_t>(tensor.data.data()) % alignment == 0) return tensor.data.data();
  report_fallback("safetensors", "tensors at unaligned offsets are copied into memory");
  auto copy = std::make_shared<AlignedBuffer<std::byte>>(tensor.data.size());
  std::memcpy(copy->data(), tensor.data.data(), tensor.data.size());
  model.storage.push_back(copy);
  return copy->data();
}

bool carries_nothing(std::string_view name, bool tied) {
  if (tied && name.ends_with("lm_head.weight")) return true;
  if (name.ends_with(".rotary_emb.inv_freq")) return true;
  constexpr std::array<std::string_view, 6> vision = {"vision_tower.",       "multi_modal_projector.",
                                                      "model.vision_tower.", "model.multi_modal_projector.",
                                                      "vision_model.",       "model.vision_model."};
  return std::any_of(vision.begin(), vision.end(), [&](std::string_view prefix) { return name.starts_with(prefix); });
}

Status attach_weights(ModelFile& model, const SafetensorsFolder& folder) {
  const std::string where = "[safetensors] " + model.path;
  const std::string prefix = language_prefix(folder.tensors);
  const bool tied = model.config.tied_embeddings;
  std::vector<NamedTensor> named;
  for (const SafeTensor& tensor : folder.tensors) {
    if (carries_nothing(tensor.name, tied)) continue;
    if (!tensor.type)
      return fail(ErrorKind::unsupported, "{}: tensor '{}': type {} is not supported", where, printable(tensor.name),
                  tensor.type_name);
    if (tensor.data.empty()) return fail(ErrorKind::format, "{}: tensor '{}' is empty", where, printable(tensor.name));
    TensorView view;
    view.type = *tensor.type;
    view.shape = tensor.shape;
    view.data = aligned_data(tensor, model);
    named.push_back({tensor.name, std::move(view)});
  }
  const auto name_of = [&](Role role, int layer) {
    const std::string name = hf_tensor_name(model.config.family, role, layer);
    if (role != Role::output) return prefix + name;
    return prefix == "language_model.model." ? "language_model." + name : name;
  };
  return attach_tensors(model, named, where, name_of, [](std::string_view) { return false; });
}

}  // namespace

Result<ModelFile> open_hf_folder(const std::string& folder) {
  ModelFile model;
  model.path = folder;
  TOME_ASSIGN(const std::string text, read_file(folder + "/config.json", max_config_bytes));
  TOME_ASSIGN(HfConfig config, parse_hf_config(text, folder + "/config.json"));
  TOME_ASSIGN(model.tokenizer, read_tokenizer(folder, config));
  model.config = std::move(config.config);
  model.config.name = std::filesystem::path(folder).lexically_normal().filename().string();
  if (model.config.name.empty())
    model.config.name = std::filesystem::path(folder).lexically_normal().parent_path().filename().string();
  model.metadata = std::move(config.metadata);
  TOME_ASSIGN(SafetensorsFolder weights, open_safetensors_folder(folder));
  TOME_TRY(attach_weights(model, weights));
  for (auto& file : weights.storage) {
    model.file_bytes += file->bytes().size();
    model.mapped.push_back(std::move(file));
  }
  model.fingerprint = model_fingerprint(model);
  return model;
}

}  // namespace tome
