#pragma once
// Exact attention of an encoder in fp32, block by block with online softmax: a tile of queries reads the pages that its
// pattern names and no others, so that the cost grows with what is seen. Parallel over heads × query tiles; a result
// does not depend on the thread count.
#include <cstdint>

#include "attention/packed_keys.h"
#include "attention/two_sided_pattern.h"

namespace tome {

struct TwoSidedRequest {
  const float* queries = nullptr;  ///< [count, heads · head_dim]; query i stands at position i
  std::uint64_t count = 0;
  float score_scale = 1.0f;                  ///< multiplies q · k
  const PackedKeys* keys = nullptr;          ///< of the text
  const TwoSidedPattern* pattern = nullptr;  ///< which of them; nullptr: all
  const PackedKeys* seen_by_all = nullptr;   ///< further keys, seen by every query
  float* output = nullptr;                   ///< [count, heads · head_dim]; zeros where a query sees no key
};

void two_sided_attention(const TwoSidedRequest& request);

}  // namespace tome
