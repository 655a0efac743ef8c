#pragma once
// A Hugging Face folder as a model: config.json, generation_config.json, tokenizer.json, tokenizer_config.json,
// chat_template.jinja and safetensors.
#include <string>

#include "base/result.h"
#include "formats/model_file.h"

namespace tome {

/// Errors: io, format, unsupported.
Result<ModelFile> open_hf_folder(const std::string& folder);

}  // namespace tome
