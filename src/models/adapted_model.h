#pragma once
// A model with an adapter's changes inside its weights: what `--adapter` runs and `tome extend --merge` writes. Changed
// matrices become `type`; everything else stays the file's own. The configuration declares the positions that the
// adapter was trained with, so that whoever opens it later uses them unasked.
#include <memory>

#include "base/result.h"
#include "formats/lora_adapter.h"
#include "formats/model_file.h"

namespace tome {

/// type: f32 or bf16. Errors: usage where the adapter belongs to another model, or its positions are not what this
/// build makes of them; unsupported for a scaling that a file cannot declare.
Result<std::shared_ptr<const ModelFile>> adapted_model(const std::shared_ptr<const ModelFile>& base,
                                                       const LoraAdapter& adapter, DType type);

}  // namespace tome
