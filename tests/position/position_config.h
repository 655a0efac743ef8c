#pragma once
// Configs of the models whose published figures are the goldens.
#include <string_view>

#include "formats/model_file.h"

namespace tome {

inline ModelConfig position_config(double base, std::uint32_t dims, std::uint64_t window) {
  ModelConfig config;
  config.layers = 2;
  config.heads = 4;
  config.head_dim = dims;
  config.rope_dims = dims;
  config.rope_theta = base;
  config.rope_theta_local = base;
  config.context_length = window;
  config.local_layers = {false, false};
  return config;
}
inline DeclaredScaling declared(std::string_view type, double factor) {
  DeclaredScaling scaling;
  scaling.type = type;
  scaling.factor = factor;
  scaling.explicit_factor = true;
  return scaling;
}
inline ModelConfig llama2_7b() { return position_config(1e4, 128, 4096); }
inline ModelConfig qwen2_5() {
  ModelConfig config = position_config(1e6, 128, 32768);
  config.family = Family::qwen2;
  return config;
}
inline ModelConfig llama3_1() {
  ModelConfig config = position_config(5e5, 128, 131072);
  config.scaling = declared("llama3", 8.0);
  config.scaling.original_context_length = 8192;
  return config;
}
/// Gemma 3 270M's shape: one global layer in six.
inline ModelConfig gemma3_270m() {
  ModelConfig config = position_config(1e6, 256, 32768);
  config.family = Family::gemma3;
  config.rope_theta_local = 1e4;
  config.layers = 18;
  config.sliding_window = 512;
  config.local_layers.assign(18, true);
  for (const int layer : {5, 11, 17}) config.local_layers[layer] = false;
  return config;
}

}  // namespace tome
