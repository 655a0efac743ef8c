#pragma once
// What every Hugging Face folder has, whichever model it holds: its texts, its tokenizer's files and its tensors as
// views. Pure functions over the disk, any thread.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/hf_tokenizer.h"
#include "formats/safetensors.h"
#include "formats/tensor_layout.h"

namespace tome {

inline constexpr std::uint64_t max_config_bytes = 16 << 20, max_tokenizer_bytes = 512 << 20;

/// The last part of the folder's path.
std::string folder_name(const std::string& folder);

/// Empty when the file is not there. Errors: io; format when longer than `limit`.
Result<std::string> read_optional_file(const std::string& path, std::uint64_t limit);

/// tokenizer.json, tokenizer_config.json, chat_template.jinja, and the end tokens of generation_config.json before
/// those of `context`. Errors: io, format, unsupported.
Result<TokenizerSpec> read_folder_tokenizer(const std::string& folder, HfTokenizerContext context);

/// Views of the folder's tensors, but those that carry nothing. Weights at odd addresses (headers of old writers are
/// not padded) are copied into `storage`, so that kernels may read them as floats. `where` opens every message. Errors:
/// format for an empty tensor, unsupported for a type that Tome does not compute with.
Result<std::vector<NamedTensor>> name_tensors(const SafetensorsFolder& folder, std::string_view where,
                                              const std::function<bool(std::string_view)>& carries_nothing,
                                              std::vector<std::shared_ptr<const void>>& storage);

}  // namespace tome
