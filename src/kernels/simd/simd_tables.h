#pragma once
// One table per instruction set; each starts from the next lower one and replaces what it does better.
#include "kernels/kernel_table.h"

namespace tome::kernels {

KernelTable avx2_table(KernelTable lower);
KernelTable avx512_table(KernelTable lower);
KernelTable avx512bf16_table(KernelTable lower);
/// avx512bf16_table() with attention steps that ask for lines to come into the second cache instead of the first, and
/// products that ask for them later. Same results.
KernelTable with_far_requests(KernelTable table);

}  // namespace tome::kernels
