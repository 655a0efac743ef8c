#pragma once
// What this machine can do at most with the threads at hand: the yardstick that benchmarks print beside their figures.
#include <cstdint>

#include "base/huge_memory.h"

namespace tome::kernels {

/// Operations and bytes a second, all threads together, the best of a few short runs; 0: no such instruction.
struct MachinePeak {
  double f32 = 0, bf16 = 0, int8 = 0;
  double read = 0;  ///< of memory that no cache holds, on 2 MiB pages
};

/// Takes about two seconds and 256 MiB.
MachinePeak measure_peak();

/// Operations a second of one run of `burn` (KernelTable::burn_…) with `rounds` of it on every thread; 0 for nullptr.
double operation_rate(std::uint64_t (*burn)(std::uint64_t), std::uint64_t rounds);

/// The read bandwidth alone, again and again: on a shared machine it changes within a minute, by half.
class ReadBandwidth {
 public:
  ReadBandwidth();  ///< takes 256 MiB
  /// Bytes a second of reading all of it once, with all threads: some milliseconds.
  double measure() const;

 private:
  HugeBuffer buffer_;
};

}  // namespace tome::kernels
