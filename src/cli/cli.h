#pragma once
// The command line: parses, calls the runtime, renders. Together with the server the only room that prints or exits.
namespace tome::cli {

/// Runs `tome` with the process's arguments; returns the exit code (0 done, 1 failure, 2 usage, 130 interrupted).
int run(int argc, char** argv);

}  // namespace tome::cli
