#pragma once
// What each layer remembers of one sequence. Today a layer remembers keys and values (all of them, or a window's);
// convolution and scan states or an encoder's cross keys are further alternatives of LayerState. A SequenceState can be
// forked (pages are shared until one side writes) and saved (snapshot.h). Not thread-safe; one owner.
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "cache/page_bounds.h"
#include "cache/paged_kv.h"

namespace tome {

using LayerState = std::variant<PagedKv>;

class SequenceState {
 public:
  explicit SequenceState(std::vector<LayerState> layers) : layers_(std::move(layers)), bounds_(layers_.size()) {}

  std::size_t layer_count() const { return layers_.size(); }
  PagedKv& kv(std::size_t layer) { return std::get<PagedKv>(layers_[layer]); }
  const PagedKv& kv(std::size_t layer) const { return std::get<PagedKv>(layers_[layer]); }
  /// The bounds of a layer's pages, up to date; made when they are first asked for. Not kept in snapshots.
  const PageBounds& bounds(std::size_t layer);
  /// Tokens that every layer has taken in.
  std::uint64_t length() const { return length_; }
  void set_length(std::uint64_t length) { length_ = length; }
  /// Shares all pages with the copy.
  SequenceState fork() const { return *this; }
  /// Errors: unsupported where a window has dropped what would be needed; then nothing has changed.
  Status rewind(std::uint64_t length);
  std::uint64_t bytes() const;

 private:
  std::vector<LayerState> layers_;
  std::vector<std::optional<PageBounds>> bounds_;
  std::uint64_t length_ = 0;
};

}  // namespace tome
