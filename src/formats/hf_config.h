#pragma once
// The meaning of Hugging Face's config.json and generation_config.json, and of the tensor names beside them. Pure
// functions, any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/json_fields.h"
#include "formats/model_file.h"

namespace tome {

struct HfConfig {
  ModelConfig config;
  std::int64_t bos = -1, pad = -1;
  std::vector<std::int64_t> end_tokens;  ///< eos_token_id, a number or a list
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Everything but config.name. `name` is the path, for messages. Errors: format, unsupported.
Result<HfConfig> parse_hf_config(std::string_view text, const std::string& name);

/// eos_token_id of generation_config.json: a number or a list. Errors: format.
Result<std::vector<std::int64_t>> parse_hf_generation_config(std::string_view text, const std::string& name);

/// rope_scaling or rope_parameters (nested by layer type or not), rope_theta, rope_local_base_freq.
Status read_hf_rope(const JsonFields& fields, ModelConfig& config);

/// Hugging Face's name of a tensor below the model's prefix: "layers.3.self_attn.q_proj.weight".
std::string hf_tensor_name(Family family, Role role, int layer);

}  // namespace tome
