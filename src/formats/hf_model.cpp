#include "formats/hf_model.h"

#include <algorithm>
#include <array>

#include "formats/hf_config.h"
#include "formats/hf_folder.h"
#include "formats/model_checks.h"
#include "formats/safetensors.h"
#include "formats/tensor_layout.h"

namespace tome {
namespace {

/// The language model's own prefix; what stands under other ones (vision) is no part of it.
std::string language_prefix(const std::vector<SafeTensor>& tensors) {
  for (const char* prefix : {"model.language_model.", "language_model.model.", "model."})
    for (const SafeTensor& tensor : tensors)
      if (tensor.name == std::string(prefix) + "embed_tokens.weight") return prefix;
  return "";
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
  TOME_ASSIGN(const std::vector<NamedTensor> named,
              name_tensors(
                  folder, where, [tied](std::string_view name) { return carries_nothing(name, tied); }, model.storage));
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
  TOME_ASSIGN(model.tokenizer, read_folder_tokenizer(folder, {.vocabulary = config.config.vocabulary,
                                                              .ends = std::move(config.end_tokens),
                                                              .bos = config.bos,
                                                              .pad = config.pad}));
  model.config = std::move(config.config);
  model.config.name = folder_name(folder);
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
