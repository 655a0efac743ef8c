#pragma once
// What this machine can do at most with the threads at hand: the yardstick that benchmarks print beside their figures.
#include <cstdint>

namespace tome::kernels {

/// Operations and bytes a second, all threads together, the best of a few short runs; 0: no such instruction.
struct MachinePeak {
  double f32 = 0, bf16 = 0, int8 = 0;
  double read = 0;  ///< of memory that no cache holds, on 2 MiB pages
};

/// Takes about two seconds and 256 MiB.
MachinePeak measure_peak();
/// The read bandwidth alone.
double measure_read_bandwidth();

}  // namespace tome::kernels
