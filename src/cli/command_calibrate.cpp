// `tome calibrate heads`: find a model's retrieval heads (runtime/calibration.h) and keep them beside it.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "runtime/calibration.h"

namespace tome::cli {
namespace {

struct CalibrateFlags {
  ModelFlags model;
  std::string what, settings = "2k,8k,8kx4", output, progress = "auto";
  std::size_t documents = 2, questions = 24, max_heads = 4;
  std::uint32_t passage_length = 64;
  std::uint64_t seed = 1;
  bool dry_run = false, json = false;
};

/// "8k" native, "8kx4" YaRN × 4.
Result<std::vector<CalibrationSetting>> read_settings(const std::string& text) {
  std::vector<CalibrationSetting> settings;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string entry = text.substr(at, comma - at);
    const std::size_t cross = entry.find('x');
    CalibrationSetting setting;
    TOME_ASSIGN(setting.tokens, token_count("--lengths", entry.substr(0, cross)));
    if (cross != std::string::npos) {
      TOME_ASSIGN(const std::uint64_t factor, token_count("--lengths", entry.substr(cross + 1)));
      setting.factor = static_cast<double>(factor);
    }
    if (setting.tokens < 512 || setting.factor < 1)
      return fail(ErrorKind::usage, "--lengths {}: expected at least 512 tokens and a factor of at least 1", entry);
    settings.push_back(setting);
    at = comma + 1;
  }
  return settings;
}

Status run_calibrate(const CalibrateFlags& flags) {
  if (flags.what != "heads")
    return fail(ErrorKind::usage, "[calibrate] '{}': expected `tome calibrate heads`", flags.what);
  CalibrationOptions options;
  TOME_ASSIGN(options.settings, read_settings(flags.settings));
  TOME_ASSIGN(options.engine, engine_options(flags.model));
  TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
  options.documents = flags.documents;
  options.questions = flags.questions;
  options.max_heads = flags.max_heads;
  options.passage_length = flags.passage_length;
  options.seed = flags.seed;
  options.progress = make_progress(style, "questions");
  TOME_ASSIGN(const CalibrationResult result, calibrate_heads(options));
  clear_progress();
  TOME_ASSIGN(const auto model, open_model_file(options.engine.model));
  const std::string path = flags.output.empty() ? heads_file_path(options.engine.model) : flags.output;
  if (!flags.dry_run) TOME_TRY(save_evidence_heads(path, *model, result.heads));
  Json ranking = Json::array();
  std::string text = "layer  head  reciprocal rank  held out\n";
  for (std::size_t place = 0; place < result.ranking.size(); ++place) {
    const CalibratedHead& head = result.ranking[place];
    ranking.push_back({{"layer", head.head.layer},
                       {"head", head.head.head},
                       {"reciprocal_rank", head.reciprocal_rank},
                       {"held_out", head.held_out_reciprocal_rank}});
    if (place < 10)
      text += fmt::format("{:>5}  {:>4}  {:>15.3f}  {:>8.3f}\n", head.head.layer, head.head.head, head.reciprocal_rank,
                          head.held_out_reciprocal_rank);
  }
  if (flags.json) {
    Json heads = Json::array();
    for (const HeadId& head : result.heads.heads)
      heads.push_back({{"layer", head.layer}, {"head", head.head}, {"weight", head.weight}});
    return print(json_text({{"heads", std::move(heads)},
                            {"held_out", result.held_out_reciprocal_rank},
                            {"bm25", result.lexical_reciprocal_rank},
                            {"questions", result.questions},
                            {"ranking", std::move(ranking)},
                            {"file", flags.dry_run ? Json() : Json(path)}}));
  }
  text += fmt::format("kept: {}\nheld out together {:.3f}, BM25 {:.3f}, {} questions\n", describe_heads(result.heads),
                      result.held_out_reciprocal_rank, result.lexical_reciprocal_rank, result.questions);
  return print(text + (flags.dry_run ? "" : "written: " + path + "\n"));
}

}  // namespace

Command add_calibrate(CLI::App& program) {
  const auto flags = std::make_shared<CalibrateFlags>();
  CLI::App* app = program.add_subcommand("calibrate", "find the heads that point at evidence");
  app->add_option("WHAT", flags->what, "heads")->required();
  add_model_flags(*app, flags->model);
  app->add_option("--lengths", flags->settings, "lengths of the generated documents; x4: with YaRN scaled positions")
      ->capture_default_str();
  app->add_option("--documents", flags->documents, "documents a length")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--questions", flags->questions, "questions a document")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  app->add_option("--max-heads", flags->max_heads, "heads to keep at most")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app->add_option("--passage-length", flags->passage_length, "tokens a passage")
      ->check(CLI::Range(8, 4096))
      ->capture_default_str();
  app->add_option("--seed", flags->seed, "of the generated documents")->capture_default_str();
  app->add_option("-o,--out", flags->output, "file to write (default: MODEL.heads.json beside the model)");
  app->add_flag("--dry-run", flags->dry_run, "write nothing");
  app->add_option("--progress", flags->progress, "auto (on a terminal), always or never")->capture_default_str();
  app->add_flag("--json", flags->json, "every head's figures");
  app->footer("Example:\n  tome calibrate heads -m smollm2-135m");
  return {app, [flags] { return run_calibrate(*flags); }};
}

}  // namespace tome::cli
