#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>
#include <vector>

#include "base/cpu_features.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/program.h"

namespace tome::cli {
namespace {

constexpr int exit_usage = 2;

/// llama.cpp's two-letter short flags, which CLI11 does not know.
std::vector<std::string> spelled_out(int argc, char** argv) {
  std::vector<std::string> arguments;
  bool flags = true;
  for (int index = 1; index < argc; ++index) {
    const std::string argument = argv[index];
    if (argument == "--") flags = false;
    arguments.push_back(flags && argument == "-ub" ? "--ubatch-size" : argument);
  }
  return {arguments.rbegin(), arguments.rend()};  // CLI11 takes them last first
}

}  // namespace

int run(int argc, char** argv) {
  stop_on_interrupt();
  if (argc > 1 && std::string_view(argv[1]) == "extend") return start_extend(argc, argv);
  CLI::App program("Tome reads long documents with small open-weight models on a CPU, and shows its evidence.", "tome");
  program.require_subcommand(1);
  program.set_version_flag("--version", "tome 0.1.0");
  program.footer("Example:\n  tome pull gemma3-270m\n  tome ask manual.txt \"Where do log files belong?\"");
  program.get_formatter()->column_width(34);
  const Command commands[] = {add_ask(program),   add_chat(program),   add_generate(program),
                              add_info(program),  add_pull(program),   add_tokenize(program),
                              add_score(program), add_bench(program),  add_calibrate(program),
                              add_eval(program),  add_encode(program), add_extend(program)};
  const auto is_chosen = [&](const Command& command) { return command.app->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && std::none_of(std::begin(commands), std::end(commands), is_chosen))
    return report({ErrorKind::usage, fmt::format("unknown command '{}' (see `tome --help`)", argv[1])});
  try {
    program.parse(spelled_out(argc, argv));
  } catch (const CLI::Success& success) {
    return program.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    const auto chosen = program.get_subcommands();
    const std::string name = chosen.empty() ? "tome" : "tome " + chosen.front()->get_name();
    std::fprintf(stderr, "tome: %s (see `%s --help`)\n", one_line(error.what(), 2000).c_str(), name.c_str());
    return exit_usage;
  }
  if (const Status isa = check_isa_environment(); !isa) return report(isa.error());
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    try {
      if (const Status done = command.run(); !done) return report(done.error());
    } catch (const std::bad_alloc&) {
      return report({ErrorKind::memory, "[memory] the machine has no more memory to give"});
    }
  }
  return 0;
}

}  // namespace tome::cli
