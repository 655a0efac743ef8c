#include "cache/layer_state.h"

namespace tome {

Status SequenceState::rewind(std::uint64_t length) {
  std::vector<LayerState> changed = layers_;
  for (LayerState& layer : changed) TOME_TRY(std::get<PagedKv>(layer).rewind(length));
  layers_ = std::move(changed);
  for (std::optional<PageBounds>& bounds : bounds_)
    if (bounds) bounds->rewind(length);
  length_ = length;
  return {};
}

const PageBounds& SequenceState::bounds(std::size_t layer) {
  std::optional<PageBounds>& bounds = bounds_[layer];
  if (!bounds) bounds.emplace(kv(layer).layout());
  bounds->update(kv(layer));
  return *bounds;
}

std::uint64_t SequenceState::bytes() const {
  std::uint64_t total = 0;
  for (const LayerState& layer : layers_) total += std::get<PagedKv>(layer).bytes();
  for (const std::optional<PageBounds>& bounds : bounds_)
    if (bounds) total += bounds->panels().bytes();
  return total;
}

}  // namespace tome
