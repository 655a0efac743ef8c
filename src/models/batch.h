#pragma once
// A forward pass takes a ragged batch: runs of tokens, each of one sequence, in order. Chunked prefill, many sessions
// and decode steps are all this one form.
#include <cstdint>
#include <span>
#include <vector>

#include "cache/layer_state.h"

namespace tome {

struct BatchToken {
  std::int32_t token = 0;
  std::uint64_t position = 0;  ///< its place in the sequence: the state's length + its offset within the run
  SequenceState* sequence = nullptr;
  bool wants_logits = false;
};

using Batch = std::vector<BatchToken>;

/// The attention probabilities of one head, summed over tokens [first, last) of a batch, by key position.
struct HeadProbe {
  std::uint32_t layer = 0, head = 0;
  std::size_t first = 0, last = 0;   ///< indices into the batch, all of one run
  std::vector<float> probabilities;  ///< filled: [sequence length after the pass]
};

}  // namespace tome
