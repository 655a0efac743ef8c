#include "runtime/evidence_heads.h"

#include <cmath>
#include <filesystem>

#include "base/json.h"
#include "base/mapped_file.h"

namespace tome {
namespace {

constexpr std::uint64_t file_limit = 1 << 20;
constexpr int file_version = 1;

/// A packaged model by its shape: the same weights in another quantisation have the same heads.
struct ShippedHeads {
  Family family;
  std::uint32_t layers, heads, hidden, vocabulary;
  EvidenceHeads result;
};

const std::vector<ShippedHeads>& shipped() {
  static const std::vector<ShippedHeads> table = {
      // gemma3-270m: `tome calibrate heads --lengths 2k,8k,8kx4`; the next best are layer 5 head 2 and layer 11 head 2.
      {Family::gemma3,
       18,
       4,
       640,
       262144,
       {.heads = {{.layer = 5, .head = 1, .weight = 1.0}},
        .passage_length = 64,
        .method =
            "mean reciprocal rank over 144 generated questions (2048 tokens × 1, 8192 tokens × 1, 8192 tokens × 4; "
            "factor 1 native, others YaRN), seed 1; held-out 0.677, BM25 0.654",
        .origin = "shipped with Tome"}},
      // smollm2-135m: `tome calibrate heads --lengths 1k,2k,4k`: what it retrieves from is about 2K tokens.
      {Family::llama,
       30,
       9,
       576,
       49152,
       {.heads = {{.layer = 17, .head = 4, .weight = 1.0}},
        .passage_length = 64,
        .method =
            "mean reciprocal rank over 144 generated questions (1024 tokens × 1, 2048 tokens × 1, 4096 tokens × 1; "
            "factor 1 native, others YaRN), seed 1; held-out 0.863, BM25 0.838",
        .origin = "shipped with Tome"}},
  };
  return table;
}

Status check_heads(const std::string& path, const ModelConfig& config, const EvidenceHeads& heads) {
  if (heads.heads.empty()) return fail(ErrorKind::format, "[heads] {}: 'heads' is empty, expected at least one", path);
  if (heads.passage_length < 8 || heads.passage_length > 4096)
    return fail(ErrorKind::format, "[heads] {}: 'passage_length' {}, expected 8 to 4096", path, heads.passage_length);
  for (const HeadId& head : heads.heads) {
    if (head.layer >= config.layers || head.head >= config.heads)
      return fail(ErrorKind::format, "[heads] {}: layer {} head {}, the model has {} layers of {} heads", path,
                  head.layer, head.head, config.layers, config.heads);
    if (!std::isfinite(head.weight))
      return fail(ErrorKind::format, "[heads] {}: a weight is not a finite number", path);
  }
  return {};
}

}  // namespace

std::string describe_heads(const EvidenceHeads& heads) {
  std::string text;
  for (const HeadId& head : heads.heads) {
    if (!text.empty()) text += ", ";
    text += fmt::format("layer {} head {}", head.layer, head.head);
    if (heads.heads.size() > 1) text += fmt::format(" (weight {:.3g})", head.weight);
  }
  return text;
}

std::string heads_file_path(const std::string& model_path) {
  std::filesystem::path path(model_path);
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  return path.string() + ".heads.json";
}

std::optional<EvidenceHeads> shipped_evidence_heads(const ModelConfig& config) {
  for (const ShippedHeads& entry : shipped())
    if (entry.family == config.family && entry.layers == config.layers && entry.heads == config.heads &&
        entry.hidden == config.hidden && entry.vocabulary == config.vocabulary)
      return entry.result;
  return std::nullopt;
}

Result<std::optional<EvidenceHeads>> find_evidence_heads(const ModelFile& model) {
  const std::string path = heads_file_path(model.path);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return shipped_evidence_heads(model.config);
  TOME_ASSIGN(EvidenceHeads heads, load_evidence_heads(path, model));
  return std::optional(std::move(heads));
}

Result<EvidenceHeads> load_evidence_heads(const std::string& path, const ModelFile& model) {
  TOME_ASSIGN(const std::string text, read_file(path, file_limit));
  TOME_ASSIGN(const Json json, parse_json(text, path));
  const auto broken = [&](std::string_view what) {
    return fail(ErrorKind::format, "[heads] {}: {} (made by `tome calibrate heads`)", path, what);
  };
  if (!json.is_object() || json.value("tome_heads", Json()) != Json(file_version))
    return broken(fmt::format("expected an object with \"tome_heads\": {}", file_version));
  if (!json.contains("model_fingerprint") || !json["model_fingerprint"].is_string())
    return broken("'model_fingerprint' is missing");
  // Heads keep their work under an adapter's small changes: its base model's serve.
  const auto made_for = json["model_fingerprint"].get<std::string>();
  if (made_for != model.fingerprint && (model.base_fingerprint.empty() || made_for != model.base_fingerprint))
    return broken(fmt::format("model fingerprint {}, this model's is {}", made_for, model.fingerprint));
  EvidenceHeads heads{.heads = {}, .passage_length = 0, .method = "", .origin = path};
  if (!json.contains("passage_length") || !json["passage_length"].is_number_unsigned())
    return broken("'passage_length' is missing or no whole number");
  heads.passage_length = json["passage_length"].get<std::uint32_t>();
  if (json.contains("method") && json["method"].is_string()) heads.method = json["method"].get<std::string>();
  if (!json.contains("heads") || !json["heads"].is_array()) return broken("'heads' is missing or no list");
  for (const Json& entry : json["heads"]) {
    if (!entry.is_object() || !entry.value("layer", Json()).is_number_unsigned() ||
        !entry.value("head", Json()).is_number_unsigned() || !entry.value("weight", Json()).is_number())
      return broken("an entry of 'heads' is not {layer, head, weight}");
    heads.heads.push_back(
        {entry["layer"].get<std::uint32_t>(), entry["head"].get<std::uint32_t>(), entry["weight"].get<double>()});
  }
  TOME_TRY(check_heads(path, model.config, heads));
  return heads;
}

Status save_evidence_heads(const std::string& path, const ModelFile& model, const EvidenceHeads& heads) {
  Json list = Json::array();
  for (const HeadId& head : heads.heads)
    list.push_back({{"layer", head.layer}, {"head", head.head}, {"weight", head.weight}});
  const Json json = {{"tome_heads", file_version},
                     {"model_fingerprint", model.fingerprint},
                     {"heads", std::move(list)},
                     {"passage_length", heads.passage_length},
                     {"method", heads.method}};
  return write_file_atomically(path, json.dump(2) + "\n");
}

}  // namespace tome
