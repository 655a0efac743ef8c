// The attention steps of vector_kernels_avx512bf16.cpp once more, for machines whose first cache has few requests under
// way at a time: lines to come are asked for into the second.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/simd/simd_tables.h"

namespace tome::kernels {
namespace avx512bf16_far {

#include "kernels/simd/lanes.inl"
// (which they need)
#include "kernels/simd/coded_input_avx512.inl"

/// Zen 4, two cores, one query over 32K keys, of what they read (31 GB/s): bf16, head dims 64, 128, 256, from 66, 66
/// and 71 % to 92, 87 and 91; q8_0 from 57, 45 and 62 to 85, 82 and 84. A little ahead is best: more is lost.
/// Sapphire Rapids loses by this (bf16 of head dim 64 from 76 to 65 %).
constexpr auto kBringHint = _MM_HINT_T1;
constexpr int kPairsAhead = 8, kPairsInSoftmax = 8;
#include "kernels/simd/attention_step.inl"

}  // namespace avx512bf16_far

/// Of the products with few rows of inputs. Zen 4, one core, which reads 25 to 29 GB/s: 18 to 21 with 4096, 15 (q4_1,
/// q5_0) and 25 to 29 (q8_0) with 2048, 24 to 29 with 0 to 1536: requests that are lost cost more than they give.
/// Sapphire Rapids, two cores, which read 24: 19 to 20 with 4096, 16 to 17 with 1024.
constexpr int kAskedAheadHere = 1024;

KernelTable with_far_requests(KernelTable table) {
  table.asked_ahead = kAskedAheadHere;
  avx512bf16_far::fill_attention_steps(table);
  return table;
}

}  // namespace tome::kernels
#endif
