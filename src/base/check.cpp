#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tome::internal {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK(%s) failed: a mistake in Tome itself, please report it\n", file, line, condition);
  std::abort();
}

}  // namespace tome::internal
