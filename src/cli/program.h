#pragma once
// What Tome's programs share: how they stop, and what they say and return when something went wrong.
#include "base/result.h"

namespace tome::cli {

/// The first Ctrl-C (or SIGTERM) asks the work to stop cleanly, the second does not wait.
void stop_on_interrupt();

/// One line on standard error. Returns the exit code: 2 for usage, 130 for Ctrl-C, 1 otherwise.
int report(const Error& error);

}  // namespace tome::cli
