#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/reference/reference_kernels.h"
#include "kernels/simd/simd_tables.h"

namespace tome::kernels {
namespace avx512 {

#define TOME_COLUMN_VECTORS 4
#include "kernels/simd/vector_kernels.inl"

}  // namespace avx512

KernelTable avx512_table(KernelTable lower) {
  KernelTable table = lower;
  table.isa = Isa::avx512;
  avx512::fill(table);
  return table;
}

}  // namespace tome::kernels
#endif
