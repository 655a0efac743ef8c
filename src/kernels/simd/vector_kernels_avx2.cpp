#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/reference/reference_kernels.h"
#include "kernels/simd/simd_tables.h"

namespace tome::kernels {
namespace avx2 {

#define TOME_COLUMN_VECTORS 1
#include "kernels/simd/bf16_in_f32.inl"
#include "kernels/simd/bf16_panels_avx2.inl"
#include "kernels/simd/vector_kernels.inl"

}  // namespace avx2

KernelTable avx2_table(KernelTable lower) {
  KernelTable table = lower;
  table.isa = Isa::avx2;
  avx2::fill(table);
  avx2::fill_bf16(table);
  table.pack_panel_bf16 = avx2::pack_panel_bf16;
  table.f16_to_bf16 = avx2::f16_to_bf16;
  table.unpack_q8_keys = avx2::unpack_q8_keys;
  table.unpack_q8_values = avx2::unpack_q8_values;
  return table;
}

}  // namespace tome::kernels
#endif
