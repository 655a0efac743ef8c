#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/reference/reference_kernels.h"
#include "kernels/simd/simd_tables.h"

namespace tome::kernels {
namespace avx2 {

#define TOME_COLUMN_VECTORS 1
#include "kernels/simd/vector_kernels.inl"

}  // namespace avx2

KernelTable avx2_table(KernelTable lower) {
  KernelTable table = lower;
  table.isa = Isa::avx2;
  avx2::fill(table);
  return table;
}

}  // namespace tome::kernels
#endif
