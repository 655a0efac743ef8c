#pragma once
// LongRoPE's evolutionary search of rotary divisors λ (arXiv 2402.13753, section 3.3 and its algorithm 1): the best of
// a generation stay, others come from mutating one and from crossing two, and λ never falls from one dimension to the
// next. Ours: a mutated divisor is drawn between its neighbours, so that no candidate has to be thrown away, and a
// crossing that falls is raised to what stands before it. The paper's count of first tokens without interpolation (n̂)
// is left out: no model file can declare it.
#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"

namespace tome {

/// λᵢ in hundredths (the paper's step), rope_dims / 2 of them, ascending or level, from 100.
using Divisors = std::vector<std::uint32_t>;

struct DivisorSearch {
  std::uint32_t population = 16;  ///< of a generation
  std::uint32_t parents = 4;      ///< that stay
  std::uint32_t generations = 6;
  double mutation = 0.3;  ///< chance of each divisor of a mutant
  double largest = 1.0;   ///< divisor that may be drawn: the paper's 1.25 · s
  std::uint64_t seed = 1;
};

struct FoundDivisors {
  Divisors divisors;
  double loss = 0.0;
  std::uint64_t candidates = 0;  ///< that were looked at, each once
};

/// loss: less is better; called once for each candidate, in an order that the arguments alone decide. generation_done:
/// after each, from 0 (`start` itself), with the best so far. start: the first generation, filled up with mutants of
/// it; not empty. Errors: those of the two functions.
Result<FoundDivisors> search_divisors(
    const std::vector<Divisors>& start, const DivisorSearch& options,
    const std::function<Result<double>(const Divisors&)>& loss,
    const std::function<Status(std::uint32_t generation, const Divisors& best, double loss)>& generation_done);

}  // namespace tome
