#pragma once
// CHECK is for programmer mistakes that no input can reach: it prints the place and aborts, in every build.
namespace tome::internal {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace tome::internal

// glog, which libtorch's headers bring along, has one of the same name.
#ifdef CHECK
#undef CHECK
#endif
#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::tome::internal::check_failed(#condition, __FILE__, __LINE__))
