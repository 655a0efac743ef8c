#include "cli/program.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/cancel.h"
#include "cli/console.h"

namespace tome::cli {
namespace {

constexpr int exit_failure = 1, exit_usage = 2, exit_interrupted = 130;

void on_interrupt(int) {
  if (cancel_requested().exchange(true)) _exit(exit_interrupted);
}

int exit_code(const Error& error) {
  if (error.kind == ErrorKind::usage) return exit_usage;
  return error.kind == ErrorKind::cancelled ? exit_interrupted : exit_failure;
}

}  // namespace

void stop_on_interrupt() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

int report(const Error& error) {
  clear_progress();
  std::fprintf(stderr, "tome: %s\n", one_line(printable(error.message), 2000).c_str());
  return exit_code(error);
}

}  // namespace tome::cli
