#pragma once
// CHECK is for programmer mistakes that no input can reach: it prints the place and aborts, in every build.
namespace tome::internal {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace tome::internal

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::tome::internal::check_failed(#condition, __FILE__, __LINE__))
