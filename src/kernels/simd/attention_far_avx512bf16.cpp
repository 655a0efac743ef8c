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
/// and 71 % to 92, 87 and 91; q8_0 from 57, 45 and 62 to 85, 82 and 84. Sapphire Rapids loses by this (bf16 of head dim
/// 64 from 76 to 65 %). Of bf16, which is read in order, memory's own looking ahead brings most lines where few
/// requests hinder it: one of four lines, 4 KB ahead, instead of all, 2 KB ahead (more was lost), SmolLM2's attention
/// after 4K tokens from 119 to 112, 107 to 108 and 124 to 119 µs a layer under one third cache, from 108 to 102, 76 to
/// 71 and 100 to 96 under two; none at all gains less. Of q8_0, which is read in halves of pages, every line must be
/// asked for: one of two, 88 to 54 % (head dim 128); so must weights: one line of five, 33.6 to 36.7 µs (q4_1 of 1.1
/// MB), of two, 52.
constexpr auto kBringHint = _MM_HINT_T1;
constexpr int kPairsAhead = 16, kPairsInSoftmax = 8, kAskedEvery = 4;
#include "kernels/simd/attention_step.inl"

}  // namespace avx512bf16_far

/// Of the products with few rows of inputs: requests that are lost cost more than they give. Zen 4, two cores under one
/// third cache and under two, µs a run at 0, 1024, 2048, 4096, 6144 and 8192 bytes (bench/asked_ahead.cpp): q4_1 of
/// 1.1 MB 33, 34, 36, 33, 32, 34 and 21, 24, 29, 26, 22, 24; of 17 MB 519, 514, 513, 517, 515 and 300, 309, 486, 427,
/// 335; q8_0 of 2 MB 57, 58, 58, 67, 62, 63 and 35, 34, 34, 53, 47. Sapphire Rapids, two cores, which read 24 GB/s: 19
/// to 20 with 4096, 16 to 17 with 1024.
constexpr AskedAhead kAskedAheadHere{.in_short_runs = 6144, .in_long_runs = 1024, .of_q8_0 = 1024};

KernelTable with_far_requests(KernelTable table) {
  table.asked_ahead = kAskedAheadHere;
  avx512bf16_far::fill_attention_steps(table);
  return table;
}

}  // namespace tome::kernels
#endif
