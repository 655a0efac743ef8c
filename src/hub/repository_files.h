#pragma once
// Which files of a model repository make a model. Pure functions over names.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tome {

struct ChosenFiles {
  std::vector<std::string> files;  ///< in download order
  std::string entry;               ///< what to open: a .gguf file, or empty for the folder
};

/// config.json, tokenizer files and the safetensors; or the only .gguf (all parts of a split one).
/// Errors: usage with the names of the .gguf files when there are several; unsupported when there is no model.
Result<ChosenFiles> choose_files(const std::vector<std::string>& names);
/// The parts of "x-00001-of-00003.gguf", or the name alone.
std::vector<std::string> split_parts(const std::string& name);

}  // namespace tome
