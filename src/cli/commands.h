#pragma once
// One add_<verb> per command: it declares the command's flags on the program and returns what to run when the user
// chose it. A command prints its results on standard output and everything else on standard error; failures come back
// as values and are printed, one line, by run() alone.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>

#include "base/result.h"

namespace tome::cli {

struct Command {
  CLI::App* app = nullptr;
  std::function<Status()> run;
};

Command add_ask(CLI::App& program);
Command add_chat(CLI::App& program);
Command add_generate(CLI::App& program);
Command add_info(CLI::App& program);
Command add_tokenize(CLI::App& program);
Command add_score(CLI::App& program);
Command add_bench(CLI::App& program);
Command add_pull(CLI::App& program);
Command add_calibrate(CLI::App& program);
Command add_eval(CLI::App& program);
Command add_encode(CLI::App& program);
Command add_extend(CLI::App& program);
/// `tome extend …` in place of this program; returns only where that cannot be, with the exit code.
int start_extend(int argc, char** argv);

}  // namespace tome::cli
