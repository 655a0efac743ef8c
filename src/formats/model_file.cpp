#include "formats/model_file.h"

#include <filesystem>

#include "formats/gguf_model.h"
#include "formats/gguf_split.h"
#include "formats/hf_model.h"

namespace tome {
namespace {

Result<std::shared_ptr<const ModelFile>> open_gguf_model(const std::string& path) {
  TOME_ASSIGN(GgufParts parts, open_gguf(path));
  TOME_ASSIGN(ModelFile model, model_from_gguf(parts.files));
  model.path = path;
  for (auto& file : parts.storage) {
    model.file_bytes += file->bytes().size();
    model.mapped.push_back(std::move(file));
  }
  return std::make_shared<const ModelFile>(std::move(model));
}

}  // namespace

std::string_view family_name(Family family) {
  constexpr std::string_view names[] = {"llama", "qwen2", "qwen3", "gemma3"};
  return names[static_cast<std::size_t>(family)];
}

bool is_norm(Role role) {
  switch (role) {
    case Role::output_norm:
    case Role::attention_norm:
    case Role::feed_forward_norm:
    case Role::query_norm:
    case Role::key_norm:
    case Role::post_attention_norm:
    case Role::post_feed_forward_norm:
      return true;
    default:
      return false;
  }
}

bool is_rotated(Role role) {
  return role == Role::query || role == Role::key || role == Role::query_bias || role == Role::key_bias ||
         role == Role::query_norm || role == Role::key_norm;
}

std::string_view role_name(Role role) {
  constexpr std::string_view names[] = {"token_embedding",
                                        "output_norm",
                                        "output",
                                        "attention_norm",
                                        "query",
                                        "key",
                                        "value",
                                        "attention_output",
                                        "query_bias",
                                        "key_bias",
                                        "value_bias",
                                        "query_norm",
                                        "key_norm",
                                        "post_attention_norm",
                                        "feed_forward_norm",
                                        "gate",
                                        "up",
                                        "down",
                                        "post_feed_forward_norm"};
  return names[static_cast<std::size_t>(role)];
}

Result<std::shared_ptr<const ModelFile>> open_model_file(const std::string& path) {
  if (path.ends_with(".safetensors"))
    return fail(ErrorKind::usage, "{}: weights without their configuration: give the folder that holds them", path);
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return open_gguf_model(path);
  TOME_ASSIGN(ModelFile model, open_hf_folder(path));
  return std::make_shared<const ModelFile>(std::move(model));
}

}  // namespace tome
