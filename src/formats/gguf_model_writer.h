#pragma once
// Writes a model that came from a GGUF file as one again, with other weights and positions: what llama.cpp reads too.
#include <string>

#include "base/result.h"
#include "formats/model_file.h"

namespace tome {

/// Whether the model came from a GGUF file.
bool is_gguf(const ModelFile& model);

/// Whether GGUF can declare the positions of `config`. Errors: unsupported.
Status check_gguf_positions(const ModelConfig& config);

/// Metadata as in the file that the model came from (the first, where it was split), but context length, RoPE base and
/// scaling as `model.config` says; tensors as `model.tensors` says, the others (rope_freqs.weight …) as they are.
/// Errors: usage for a model that came from elsewhere; unsupported for a scaling that GGUF cannot express; io.
Status write_gguf_model(const std::string& path, const ModelFile& model);

}  // namespace tome
