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
/// Whether software asks for what comes later best into the second cache: AMD's Zen 4, whose first one has few requests
/// under way at a time. Zen 5 and Intel's Sapphire Rapids take them into the first.
bool asks_second_cache();
/// Errors: usage when TOME_ISA names an unknown set or one that this machine lacks.
Status check_isa_environment();

}  // namespace tome
