// `tome pull NAME`: fetch a model into the cache.
#include "cli/commands.h"
#include "cli/console.h"
#include "hub/hub.h"

namespace tome::cli {
namespace {

struct PullFlags {
  std::string name, directory, progress = "auto";
  bool list = false, json = false;
};

Status list_models(bool json) {
  Json entries = Json::array();
  std::string text;
  for (const PackagedModel& model : packaged_models()) {
    entries.push_back({{"name", model.name},
                       {"file", model.file_name},
                       {"bytes", model.bytes},
                       {"sha256", model.sha256},
                       {"licence", model.licence},
                       {"instruct", model.instruct}});
    text += fmt::format("{:<16} {:>9}  {:<9} {}\n", model.name, human_bytes(model.bytes),
                        model.instruct ? "instruct" : "base", model.licence);
  }
  return print(json ? json_text(entries) : text);
}

Status run_pull(const PullFlags& flags) {
  if (flags.list) return list_models(flags.json);
  if (flags.name.empty()) return fail(ErrorKind::usage, "[pull] expected a name (`tome pull --list` shows them)");
  TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
  TOME_ASSIGN(const PulledModel pulled,
              pull_model(flags.name, {.cache_directory = flags.directory, .progress = make_progress(style, "bytes")}));
  clear_progress();
  if (flags.json)
    return print(
        json_text({{"path", pulled.path}, {"licence", pulled.licence}, {"already_there", pulled.already_there}}));
  if (!pulled.licence.empty()) TOME_TRY(print(fmt::format("Licence: {}\n", printable(pulled.licence))));
  return print(fmt::format("{}{}\n", pulled.path, pulled.already_there ? " (already there)" : ""));
}

}  // namespace

Command add_pull(CLI::App& program) {
  const auto flags = std::make_shared<PullFlags>();
  CLI::App* app = program.add_subcommand("pull", "fetch a model (or a data set)");
  app->add_option("NAME", flags->name,
                  "gemma3-270m, smollm2-135m, hf:owner/repo[:file], or a data set, hf:datasets/owner/repo[:file]");
  app->add_option("--dir", flags->directory, "folder to keep it in (default: the user's cache)");
  app->add_flag("--list", flags->list, "the names that Tome knows");
  app->add_option("--progress", flags->progress, "auto (on a terminal), always or never")->capture_default_str();
  app->add_flag("--json", flags->json, "path and licence as JSON");
  app->footer("Example:\n  tome pull gemma3-270m\n  tome pull hf:owner/repo:model-q8_0.gguf");
  return {app, [flags] { return run_pull(*flags); }};
}

}  // namespace tome::cli
