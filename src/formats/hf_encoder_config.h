#pragma once
// The meaning of Hugging Face's config.json for encoders, and of the tensor names beside it. Pure functions, any
// thread.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/encoder_file.h"

namespace tome {

struct HfEncoderConfig {
  EncoderConfig config;
  bool names_head = false;  ///< the architecture is one with a head that fills masks
};

/// Whether Tome reads this architecture (or model type) as an encoder.
bool is_hf_encoder(std::string_view architecture);

/// Everything but config.name. `name` is the path, for messages. Errors: format, unsupported.
Result<HfEncoderConfig> parse_hf_encoder_config(std::string_view text, const std::string& name);

/// Names below the model's prefix, the most usual one first: "encoder.layer.3.attention.self.query.weight".
std::vector<std::string> hf_encoder_tensor_names(EncoderFamily family, EncoderRole role, int layer);
/// What a checkpoint with a head puts before the encoder's own tensors.
std::string_view hf_encoder_prefix(EncoderFamily family);

}  // namespace tome
