#include "cache/layer_state.h"

namespace tome {

Status SequenceState::rewind(std::uint64_t length) {
  std::vector<LayerState> changed = layers_;
  for (LayerState& layer : changed) TOME_TRY(std::get<PagedKv>(layer).rewind(length));
  layers_ = std::move(changed);
  length_ = length;
  return {};
}

std::uint64_t SequenceState::bytes() const {
  std::uint64_t total = 0;
  for (const LayerState& layer : layers_) total += std::get<PagedKv>(layer).bytes();
  return total;
}

}  // namespace tome
