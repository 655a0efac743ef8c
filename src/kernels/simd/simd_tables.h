#pragma once
// One table per instruction set; each starts from the next lower one and replaces what it does better.
#include "kernels/kernel_table.h"

namespace tome::kernels {

KernelTable avx2_table(KernelTable lower);
KernelTable avx512_table(KernelTable lower);
KernelTable avx512bf16_table(KernelTable lower);

}  // namespace tome::kernels
