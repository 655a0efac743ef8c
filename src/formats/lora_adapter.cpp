#include "formats/lora_adapter.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "formats/hf_config.h"
#include "formats/hf_folder.h"
#include "formats/json_fields.h"
#include "formats/printable.h"
#include "formats/safetensors_writer.h"
#include "formats/tensor_layout.h"

namespace tome {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kWeight = ".weight", kA = ".lora_A.weight", kB = ".lora_B.weight";
constexpr std::string_view kConfigFile = "adapter_config.json", kTensorFile = "adapter_model.safetensors",
                           kOwnFile = "tome_adapter.json";
constexpr double kMostFactor = 65536;

/// The model's own name of a tensor, as the library has it below its prefix.
std::string full_name(Family family, Role role, int layer) {
  const std::string name = hf_tensor_name(family, role, layer);
  return std::string(kPrefix) + (role == Role::output ? name : "model." + name);
}

std::string without_end(std::string name, std::string_view end) { return name.substr(0, name.size() - end.size()); }

struct Settings {
  std::uint32_t rank = 1;
  double scale = 1.0;
};

Result<Settings> read_settings(const std::string& text, const std::string& where) {
  TOME_ASSIGN(const Json root, parse_json(text, where, {.max_depth = 16}));
  if (!root.is_object()) return fail(ErrorKind::format, "{}: {}, expected an object", where, shown(root));
  const JsonFields fields(root, where);
  TOME_ASSIGN(const auto kind, fields.text("peft_type"));
  if (!kind || *kind != "LORA")
    return fail(ErrorKind::unsupported, "{}: peft_type '{}', expected 'LORA'", where, printable(kind.value_or("")));
  for (const char* field : {"use_dora", "fan_in_fan_out", "use_qalora"}) {
    TOME_ASSIGN(const auto set, fields.boolean(field));
    if (set.value_or(false)) return fail(ErrorKind::unsupported, "{}: '{}' is true, expected false", where, field);
  }
  TOME_ASSIGN(const auto bias, fields.text("bias"));
  if (bias && *bias != "none")
    return fail(ErrorKind::unsupported, "{}: bias '{}', expected 'none'", where, printable(*bias));
  for (const char* field : {"rank_pattern", "alpha_pattern"}) {
    TOME_ASSIGN(const auto pattern, fields.object(field));
    if (pattern && !pattern->json().empty())
      return fail(ErrorKind::unsupported, "{}: '{}' is not empty: ranks that differ are not supported", where, field);
  }
  TOME_ASSIGN(const std::uint32_t rank, fields.required_count("r"));
  TOME_ASSIGN(const auto alpha, fields.number("lora_alpha"));
  TOME_ASSIGN(const auto root_scale, fields.boolean("use_rslora"));
  const double of_rank = root_scale.value_or(false) ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank);
  return Settings{rank, alpha.value_or(8.0) / of_rank};
}

Status read_own_file(const std::string& text, const std::string& where, LoraAdapter& adapter) {
  TOME_ASSIGN(const Json root, parse_json(text, where, {.max_depth = 16}));
  if (!root.is_object()) return fail(ErrorKind::format, "{}: {}, expected an object", where, shown(root));
  const JsonFields fields(root, where);
  const auto text_of = [&](const char* field, std::string& to) -> Status {
    TOME_ASSIGN(const auto value, fields.text(field));
    to = value.value_or("");
    return {};
  };
  TOME_TRY(text_of("base_model", adapter.base_model));
  TOME_TRY(text_of("base_fingerprint", adapter.base_fingerprint));
  TOME_TRY(text_of("position_fingerprint", adapter.position_fingerprint));
  TOME_TRY(text_of("rope_scaling", adapter.scaling_method));
  TOME_ASSIGN(const auto factor, fields.number("rope_factor"));
  adapter.scaling_factor = factor.value_or(1.0);
  if (!(adapter.scaling_factor >= 1.0 && adapter.scaling_factor <= kMostFactor))
    return fail(ErrorKind::format, "{}: rope_factor {}, expected 1 to {}", where, adapter.scaling_factor, kMostFactor);
  TOME_ASSIGN(const auto divisors, fields.numbers("rope_divisors"));
  adapter.divisors = divisors.value_or(std::vector<float>{});
  TOME_ASSIGN(const auto target, fields.unsigned_number("target_length", std::uint64_t{1} << 40));
  adapter.target_length = target.value_or(0);
  return {};
}

/// Paths need not be UTF-8.
std::string text_of(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<LoraAdapter> open_lora_adapter(const std::string& folder, const ModelConfig& base) {
  LoraAdapterBytes bytes;
  TOME_ASSIGN(bytes.config, read_file(fmt::format("{}/{}", folder, kConfigFile), max_config_bytes));
  const std::string own = fmt::format("{}/{}", folder, kOwnFile);
  if (std::error_code unknown; std::filesystem::exists(own, unknown)) {
    TOME_ASSIGN(bytes.own, read_file(own, max_config_bytes));
  }
  TOME_ASSIGN(const auto mapped, MappedFile::open(fmt::format("{}/{}", folder, kTensorFile)));
  bytes.tensors = mapped->bytes();
  TOME_ASSIGN(LoraAdapter adapter, parse_lora_adapter(bytes, folder, base));
  adapter.storage.push_back(mapped);
  return adapter;
}

Result<LoraAdapter> parse_lora_adapter(const LoraAdapterBytes& bytes, const std::string& folder,
                                       const ModelConfig& base) {
  LoraAdapter adapter;
  adapter.path = folder;
  const auto where_of = [&](std::string_view file) { return fmt::format("[adapter] {}/{}", folder, file); };
  const std::string where = where_of(kTensorFile);
  TOME_ASSIGN(const Settings settings, read_settings(bytes.config, where_of(kConfigFile)));
  if (bytes.own) TOME_TRY(read_own_file(*bytes.own, where_of(kOwnFile), adapter));
  SafetensorsFolder file;
  TOME_ASSIGN(file.tensors, parse_safetensors(bytes.tensors, fmt::format("{}/{}", folder, kTensorFile)));
  TOME_ASSIGN(const auto named, name_tensors(
                                    file, where, [](std::string_view) { return false; }, adapter.storage));
  std::map<std::string, TensorView> left;
  for (const NamedTensor& tensor : named) left.emplace(tensor.name, tensor.view);
  for (const TensorNeed& need : tensor_layout(base)) {
    const std::string name = full_name(base.family, need.role, need.layer);
    if (const auto found = left.find(name); found != left.end()) {
      TOME_TRY(check_tensor(found->second, need.shape, found->first, where));
      adapter.replaced[{need.role, need.layer}] = found->second;
      left.erase(found);
    }
    if (need.shape.size() != 2 || !name.ends_with(kWeight)) continue;
    const std::string stem = without_end(name, kWeight);
    const auto a = left.find(stem + std::string(kA)), b = left.find(stem + std::string(kB));
    if (a == left.end() && b == left.end()) continue;
    if (a == left.end() || b == left.end())
      return fail(ErrorKind::format, "{}: '{}' has lora_{} alone, expected A and B", where, printable(stem),
                  a == left.end() ? 'B' : 'A');
    TOME_TRY(check_tensor(a->second, {settings.rank, need.shape[1]}, a->first, where));
    TOME_TRY(check_tensor(b->second, {need.shape[0], settings.rank}, b->first, where));
    adapter.changes[{need.role, need.layer}] = {a->second, b->second, settings.scale};
    left.erase(a);
    left.erase(b);
  }
  if (!left.empty())
    return fail(ErrorKind::unsupported, "{}: '{}' belongs to nothing that a {} model has", where,
                printable(left.begin()->first), family_name(base.family));
  if (adapter.changes.empty() && adapter.replaced.empty() && adapter.scaling_method.empty())
    return fail(ErrorKind::format, "{}: holds no change to any weight, and {} no positions", where, kOwnFile);
  return adapter;
}

Status write_lora_adapter(const std::string& folder, const LoraAdapterToWrite& what, Family family) {
  const LoraAdapter& adapter = *what.adapter;
  std::vector<SafeTensorToWrite> tensors;
  std::set<std::string> targets, saved;
  const auto add = [&](std::string name, const TensorView& view) {
    tensors.push_back({std::move(name), view.type, view.shape, {view.data, static_cast<std::size_t>(view.bytes())}});
  };
  /// The last part of the module's name: "q_proj".
  const auto module_of = [](const std::string& stem) { return stem.substr(stem.rfind('.') + 1); };
  for (const auto& [key, change] : adapter.changes) {
    const std::string stem = without_end(full_name(family, key.first, key.second), kWeight);
    add(stem + std::string(kA), change.a);
    add(stem + std::string(kB), change.b);
    targets.insert(module_of(stem));
  }
  for (const auto& [key, view] : adapter.replaced) {
    const std::string name = full_name(family, key.first, key.second);
    add(name, view);
    saved.insert(module_of(without_end(name, kWeight)));
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorKind::io, "[adapter] {}: {}", folder, error.message());
  const nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                         {"task_type", "CAUSAL_LM"},
                                         {"base_model_name_or_path", adapter.base_model},
                                         {"r", what.rank},
                                         {"lora_alpha", what.alpha},
                                         {"lora_dropout", 0.0},
                                         {"target_modules", targets},
                                         {"modules_to_save", saved},
                                         {"bias", "none"},
                                         {"fan_in_fan_out", false},
                                         {"inference_mode", true}};
  const nlohmann::ordered_json own = {{"base_model", adapter.base_model},
                                      {"base_fingerprint", adapter.base_fingerprint},
                                      {"position_fingerprint", adapter.position_fingerprint},
                                      {"rope_scaling", adapter.scaling_method},
                                      {"rope_factor", adapter.scaling_factor},
                                      {"rope_divisors", adapter.divisors},
                                      {"target_length", adapter.target_length}};
  TOME_TRY(write_safetensors(fmt::format("{}/{}", folder, kTensorFile), tensors, {{"format", "pt"}}));
  TOME_TRY(write_file_atomically(fmt::format("{}/{}", folder, kOwnFile), text_of(own)));
  return write_file_atomically(fmt::format("{}/{}", folder, kConfigFile), text_of(config));
}

}  // namespace tome
