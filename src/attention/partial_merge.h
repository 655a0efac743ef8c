#pragma once
// The one merge of partial attention results: ring, split-KV, parts of a position plan and several devices all end
// here.
//   o ← o − σ(lse_b − lse)(o − o_b);  lse ← lse − log σ(lse − lse_b)
// A side with lse = −∞ saw no key and contributes nothing. LSE is natural-logarithmic, fp32.
#include <cstddef>

namespace tome {

/// output, other: [columns]. Any thread; stateless.
void merge_partial(float* output, float& lse, const float* other, float other_lse, std::size_t columns);

}  // namespace tome
