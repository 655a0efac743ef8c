#pragma once
// Runs a program without a shell (posix_spawn, arguments as they are), polls it, and stops it when Ctrl-C asks. One
// thread.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tome {

struct ChildResult {
  int exit_code = 0;
  std::string errors;  ///< the last 64 KiB of what it wrote to standard output and standard error
};

/// `environment` is added to this process's. `poll` is called about ten times a second.
/// Errors: io when the program cannot be started; cancelled (the child is terminated and waited for).
Result<ChildResult> run_child(const std::vector<std::string>& arguments,
                              const std::vector<std::pair<std::string, std::string>>& environment,
                              const std::function<void()>& poll);

}  // namespace tome
