// `tome extend` is a program of its own beside this one, so that libtorch is loaded by those alone who train.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "cli/commands.h"
#include "cli/program.h"

namespace tome::cli {
namespace {

/// Three teams of threads take turns in a training step: torch's (OpenMP), its matrix library's and ours. Each would
/// turn in circles on the cores while another works. They read these when they are loaded; what the user set stays.
void let_threads_sleep() {
  for (const auto& [name, value] : {std::pair{"OMP_WAIT_POLICY", "passive"}, {"OPENBLAS_THREAD_TIMEOUT", "4"}})
    ::setenv(name, value, 0);
}

}  // namespace

Command add_extend(CLI::App& program) {
  CLI::App* app =
      program.add_subcommand("extend", "make a model read further, by scaled positions and a little training");
  // run() has started the other program by then.
  return {app, []() -> Status { return fail(ErrorKind::unsupported, "[extend] expected as the first argument"); }};
}

int start_extend(int argc, char** argv) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string program = (self.parent_path() / "tome-extend").string();
  if (error || ::access(program.c_str(), X_OK) != 0)
    return report({ErrorKind::unsupported,
                   "[extend] this build cannot train: libtorch was not there when it was made (docs/training.md)"});
  std::vector<char*> arguments(argv + 1, argv + argc);
  arguments.push_back(nullptr);
  let_threads_sleep();
  ::execv(program.c_str(), arguments.data());
  return report({ErrorKind::io, fmt::format("[extend] {}: {}", program, std::strerror(errno))});
}

}  // namespace tome::cli
