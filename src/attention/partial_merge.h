#pragma once
// The one merge of partial attention results: ring, split-KV, parts of a position plan and several devices all end
// here.
//   o ← o − σ(lse_b − lse)(o − o_b);  lse ← lse − log σ(lse − lse_b)
// A side with lse = −∞ saw no key and contributes nothing. LSE is natural-logarithmic, fp32.
#include <cstddef>

namespace tome {

/// output, other: [columns]. Any thread; stateless.
void merge_partial(float* output, float& lse, const float* other, float other_lse, std::size_t columns);

/// The same of `count` parts at once, by one exponential each: part i at outputs + i · stride, lses + i · lse_stride.
/// output may be the first part's.
void merge_partials(float* output, float& lse, const float* outputs, std::size_t stride, const float* lses,
                    std::size_t lse_stride, std::size_t count, std::size_t columns);

}  // namespace tome
