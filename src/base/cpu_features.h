#pragma once
// Which instruction set runs. TOME_ISA=scalar|avx2|avx512|avx512bf16 forces one (an impossible one is an error at
// start).
#include <string_view>

#include "base/result.h"

namespace tome {

enum class Isa { scalar, avx2, avx512, avx512bf16 };

/// The best set this machine has, lowered by TOME_ISA. Read once; set_isa overrides it (tests).
Isa active_isa();
Isa best_isa();
void set_isa(Isa isa);
std::string_view isa_name(Isa isa);
/// Whether many requests for memory can be under way for the first cache: AMD's Zen 5 and later. Elsewhere they wait
/// for each other, and software asks for what comes later into the second cache.
bool first_cache_takes_requests();
/// Errors: usage when TOME_ISA names an unknown set or one that this machine lacks.
Status check_isa_environment();

}  // namespace tome
