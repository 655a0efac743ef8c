#include "base/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdlib>
#include <optional>

namespace tome {
namespace {

constexpr std::string_view names[] = {"scalar", "avx2", "avx512", "avx512bf16"};

std::optional<Isa> parse(std::string_view name) {
  for (int index = 0; index < 4; ++index)
    if (names[index] == name) return static_cast<Isa>(index);
  return std::nullopt;
}

Isa& current() {
  static Isa isa = [] {
    const char* wanted = std::getenv("TOME_ISA");
    const auto parsed = wanted != nullptr ? parse(wanted) : std::nullopt;
    return parsed && *parsed <= best_isa() ? *parsed : best_isa();
  }();
  return isa;
}

}  // namespace

Isa best_isa() {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni") &&
                    __builtin_cpu_supports("avx512vbmi");
  return bf16 ? Isa::avx512bf16 : avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::scalar;
}

bool asks_second_cache() {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) == 0 || ecx != signature_AMD_ecx) return false;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (eax >> 8 & 15) + (eax >> 20 & 255) == 25;  // family
#else
  return false;
#endif
}

Isa active_isa() { return current(); }
void set_isa(Isa isa) { current() = isa; }
std::string_view isa_name(Isa isa) { return names[static_cast<int>(isa)]; }

Status check_isa_environment() {
  const char* wanted = std::getenv("TOME_ISA");
  if (wanted == nullptr) return {};
  const auto parsed = parse(wanted);
  if (!parsed)
    return fail(ErrorKind::usage, "TOME_ISA: found '{}', expected scalar, avx2, avx512 or avx512bf16", wanted);
  if (*parsed > best_isa())
    return fail(ErrorKind::usage, "TOME_ISA: '{}' asked for, this machine has {}", wanted, isa_name(best_isa()));
  return {};
}

}  // namespace tome
