#include "formats/encoder_file.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "formats/encoder_layout.h"
#include "formats/hf_encoder_config.h"
#include "formats/hf_folder.h"
#include "formats/json_fields.h"
#include "formats/printable.h"

namespace tome {
namespace {

/// Buffers of positions and types that old files hold, and the head that tells whether two texts follow each other.
bool carries_nothing(std::string_view name) {
  return name.ends_with("embeddings.position_ids") || name.ends_with("embeddings.token_type_ids") ||
         name.starts_with("cls.seq_relationship.");
}

/// The tensors of a folder by name, from which an encoder takes its own.
class Shelf {
 public:
  Shelf(const std::vector<NamedTensor>& tensors, EncoderFamily family, std::string where)
      : family_(family), where_(std::move(where)) {
    for (const NamedTensor& tensor : tensors) left_.emplace(tensor.name, &tensor.view);
    const std::string prefix(hf_encoder_prefix(family));
    if (left_.contains(prefix + hf_encoder_tensor_names(family, EncoderRole::word_embedding, -1)[0])) prefix_ = prefix;
  }

  bool holds(EncoderRole role, EncoderPart part) const { return !name_of(role, -1, part).second.empty(); }

  Result<TensorView> take(const EncoderNeed& need) {
    const auto [usual, found] = name_of(need.role, need.layer, need.part);
    if (found.empty()) return fail(ErrorKind::format, "{}: tensor '{}' is missing", where_, usual);
    const TensorView view = *left_.at(found);
    TOME_TRY(check_tensor(view, need.shape, found, where_));
    drop(need.role, need.layer, need.part);
    return view;
  }

  /// What the reference library ties to something else.
  void drop(EncoderRole role, int layer, EncoderPart part) {
    for (const std::string& name : hf_encoder_tensor_names(family_, role, layer)) left_.erase(full(name, part));
  }

  Status expect_empty() const {
    if (left_.empty()) return {};
    return fail(ErrorKind::unsupported, "{}: tensor '{}' is not part of the {} family as Tome computes it", where_,
                printable(left_.begin()->first), encoder_family_name(family_));
  }

 private:
  std::string full(const std::string& name, EncoderPart part) const {
    return part == EncoderPart::head ? name : prefix_ + name;
  }
  /// The usual name, and the one that the folder has (empty: none).
  std::pair<std::string, std::string> name_of(EncoderRole role, int layer, EncoderPart part) const {
    const std::vector<std::string> names = hf_encoder_tensor_names(family_, role, layer);
    for (const std::string& name : names)
      if (left_.contains(full(name, part))) return {full(names[0], part), full(name, part)};
    return {full(names[0], part), ""};
  }

  EncoderFamily family_;
  std::string where_, prefix_;
  std::map<std::string, const TensorView*> left_;
};

Status attach_weights(EncoderFile& file, const SafetensorsFolder& folder, bool names_head) {
  const std::string where = "[safetensors] " + file.path;
  TOME_ASSIGN(const std::vector<NamedTensor> named, name_tensors(folder, where, carries_nothing, file.storage));
  Shelf shelf(named, file.config.family, where);
  file.has_pooler = shelf.holds(EncoderRole::pooler, EncoderPart::pooler);
  file.has_head = names_head || shelf.holds(EncoderRole::head, EncoderPart::head);
  for (const EncoderNeed& need : encoder_layout(file.config)) {
    if (need.part == EncoderPart::pooler && !file.has_pooler) continue;
    if (need.part == EncoderPart::head && !file.has_head) continue;
    TOME_ASSIGN(TensorView view, shelf.take(need));
    file.tensors.emplace(std::pair(need.role, need.layer), std::move(view));
  }
  if (file.has_head && file.config.tied_embeddings) {
    shelf.drop(EncoderRole::head_output, -1, EncoderPart::head);
    file.tensors.emplace(std::pair(EncoderRole::head_output, -1), *file.find(EncoderRole::word_embedding));
  }
  return shelf.expect_empty();
}

/// The added token that tokenizer_config.json calls the mask, "<mask>" or "[MASK]" where it does not say. The rest of
/// the tokenizer may be of a kind that Tome does not know.
std::int64_t find_mask(const std::string& folder, std::uint32_t vocabulary) {
  const auto json_of = [&](const char* name, std::uint64_t limit) {
    const auto text = read_optional_file(folder + name, limit);
    const auto json = text && !text->empty() ? parse_json(*text, name) : Json::object();
    return json && json->is_object() ? *json : Json::object();
  };
  const Json config = json_of("/tokenizer_config.json", max_config_bytes);
  const Json tokenizer = json_of("/tokenizer.json", max_tokenizer_bytes);
  std::vector<std::string> names{"<mask>", "[MASK]"};
  if (const auto named = config.find("mask_token"); named != config.end()) {
    const Json text = named->is_object() ? named->value("content", Json()) : *named;
    if (text.is_string()) names = {text.get<std::string>()};
  }
  const auto added = tokenizer.find("added_tokens");
  if (added == tokenizer.end() || !added->is_array()) return -1;
  for (const Json& entry : *added) {
    if (!entry.is_object() || !entry.contains("content") || !entry.contains("id")) continue;
    const Json &text = entry["content"], &id = entry["id"];
    if (text.is_string() && id.is_number_unsigned() && id.get<std::uint64_t>() < vocabulary &&
        std::find(names.begin(), names.end(), text.get<std::string>()) != names.end())
      return id.get<std::int64_t>();
  }
  return -1;
}

}  // namespace

std::string_view encoder_family_name(EncoderFamily family) {
  return family == EncoderFamily::longformer ? "longformer" : "bigbird";
}

Result<std::shared_ptr<const EncoderFile>> open_encoder_folder(const std::string& folder) {
  EncoderFile file;
  file.path = folder;
  TOME_ASSIGN(const std::string text, read_file(folder + "/config.json", max_config_bytes));
  TOME_ASSIGN(HfEncoderConfig config, parse_hf_encoder_config(text, folder + "/config.json"));
  file.config = std::move(config.config);
  file.config.name = folder_name(folder);
  file.tokenizer = read_folder_tokenizer(folder, {.vocabulary = file.config.vocabulary, .ends = {}});
  file.mask = find_mask(folder, file.config.vocabulary);
  TOME_ASSIGN(SafetensorsFolder weights, open_safetensors_folder(folder));
  TOME_TRY(attach_weights(file, weights, config.names_head));
  for (auto& mapped : weights.storage) {
    file.file_bytes += mapped->bytes().size();
    file.mapped.push_back(std::move(mapped));
  }
  return std::make_shared<const EncoderFile>(std::move(file));
}

}  // namespace tome
