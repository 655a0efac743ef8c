#include "hub/repository_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

namespace tome {
namespace {

bool top_level(std::string_view name) { return name.find('/') == std::string_view::npos; }

std::optional<unsigned> digits(std::string_view text) {
  unsigned value = 0;
  for (const char c : text) {
    if (!std::isdigit(static_cast<unsigned char>(c))) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

}  // namespace

std::vector<std::string> split_parts(const std::string& name) {
  constexpr std::string_view kForm = "-00001-of-00001.gguf";
  if (name.size() <= kForm.size()) return {name};
  const std::string stem = name.substr(0, name.size() - kForm.size());
  const std::string_view tail = std::string_view(name).substr(stem.size());
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !tail.ends_with(".gguf")) return {name};
  const auto part = digits(tail.substr(1, 5)), count = digits(tail.substr(10, 5));
  if (!part || !count || *count == 0 || *count > 1000 || *part == 0 || *part > *count) return {name};
  std::vector<std::string> parts;
  for (unsigned i = 1; i <= *count; ++i) parts.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", stem, i, *count));
  return parts;
}

Result<ChosenFiles> choose_files(const std::vector<std::string>& names) {
  const auto has = [&names](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  ChosenFiles chosen;
  std::vector<std::string> weights;
  for (const std::string& name : names) {
    if (top_level(name) && name.ends_with(".safetensors")) weights.push_back(name);
  }
  // Some repositories hold the weights twice: "model…" is the one that the index and the config go with.
  const auto is_model = [](const std::string& name) { return name.starts_with("model"); };
  if (std::ranges::any_of(weights, is_model)) std::erase_if(weights, [&](const auto& name) { return !is_model(name); });
  std::ranges::sort(weights);
  if (has("config.json") && !weights.empty()) {
    constexpr std::array<std::string_view, 8> kSmall{
        "config.json",           "generation_config.json",  "tokenizer.json",      "tokenizer.model",
        "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "model.safetensors.index.json"};
    for (const std::string_view name : kSmall) {
      if (has(name)) chosen.files.emplace_back(name);
    }
    chosen.files.insert(chosen.files.end(), weights.begin(), weights.end());
    return chosen;
  }
  std::vector<std::string> models;
  for (const std::string& name : names) {
    if (name.ends_with(".gguf") && split_parts(name).front() == name) models.push_back(name);
  }
  if (models.empty()) {
    return fail(ErrorKind::unsupported,
                "[pull] the repository has neither config.json with .safetensors files nor a .gguf");
  }
  if (models.size() > 1) {
    std::ranges::sort(models);
    std::string list;
    for (const std::string& name : models) list += fmt::format("{}{}", list.empty() ? "" : ", ", name);
    return fail(ErrorKind::usage, "[pull] the repository has {} .gguf files; name one, hf:owner/repository:FILE: {}",
                models.size(), list);
  }
  chosen.files = split_parts(models.front());
  chosen.entry = models.front();
  return chosen;
}

}  // namespace tome
