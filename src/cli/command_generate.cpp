// `tome generate`: continue a prompt.
#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "runtime/generation.h"

namespace tome::cli {
namespace {

struct GenerateFlags {
  ModelFlags model;
  SamplingFlags sampling;
  std::string prompt, prompt_word, file, context, progress = "auto";
  std::uint64_t tokens = 128;
  std::size_t log_probabilities = 0;
  bool ignore_end = false, special = false, json = false, quiet = false, no_prompt = false;
};

Result<std::string> read_prompt(const GenerateFlags& flags) {
  const int given = (flags.prompt.empty() ? 0 : 1) + (flags.prompt_word.empty() ? 0 : 1) + (flags.file.empty() ? 0 : 1);
  if (given != 1) return fail(ErrorKind::usage, "[generate] expected one prompt: PROMPT, -p PROMPT or -f FILE");
  if (!flags.file.empty()) return read_file(flags.file, std::uint64_t{1} << 30);
  return flags.prompt.empty() ? flags.prompt_word : flags.prompt;
}

Json result_json(const Engine& engine, const GenerationResult& result, std::size_t prompt_tokens, double prompt_seconds,
                 std::size_t top) {
  Json tokens = Json::array();
  for (const GeneratedToken& token : result.tokens) {
    Json entry = {{"id", token.id}, {"text", engine.tokenizer().token_bytes(token.id, true)}};
    if (top > 0) {
      entry["log_probability"] = token.log_probability;
      Json best = Json::array();
      for (const TokenLogProbability& candidate : token.top)
        best.push_back(Json::array({candidate.token, candidate.log_probability}));
      entry["top"] = std::move(best);
    }
    tokens.push_back(std::move(entry));
  }
  return {{"text", result.text},
          {"stop", stop_reason_name(result.reason)},
          {"prompt_tokens", prompt_tokens},
          {"prompt_seconds", prompt_seconds},
          {"seconds", result.seconds},
          {"tokens", std::move(tokens)}};
}

Status run_generate(const GenerateFlags& flags) {
  TOME_TRY(validate(flags.sampling.options));
  TOME_ASSIGN(const std::string prompt, read_prompt(flags));
  TOME_ASSIGN(const EngineOptions options, engine_options(flags.model));
  TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
  TOME_ASSIGN(const auto engine, Engine::create(options));
  const std::vector<TokenId> tokens =
      engine->tokenizer().encode(prompt, AddSpecial::yes, flags.special ? ParseSpecial::yes : ParseSpecial::no);
  if (tokens.empty()) return fail(ErrorKind::usage, "[generate] the prompt is empty");
  std::uint64_t room = tokens.size() + flags.tokens;
  if (!flags.context.empty()) {
    TOME_ASSIGN(const std::uint64_t limit, token_count("-c", flags.context));
    if (room > limit)
      return fail(ErrorKind::usage, "[generate] prompt and answer need {} tokens, -c allows {}", room, limit);
    room = limit;
  }
  TOME_TRY(engine->fit(room, tokens));
  TOME_ASSIGN(const auto session, engine->new_session(room));
  const auto begin = std::chrono::steady_clock::now();
  TOME_TRY(session->prefill(tokens, flags.quiet ? ProgressFunction{} : make_progress(style, "tokens")));
  const double prompt_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  clear_progress();
  GenerationOptions generation{.max_tokens = flags.tokens,
                               .sampling = flags.sampling.options,
                               .stop = flags.sampling.stop,
                               .ignore_end_tokens = flags.ignore_end,
                               .top_log_probabilities = flags.log_probabilities,
                               .log_probabilities = flags.log_probabilities > 0,
                               .on_text = {}};
  if (!flags.json) {
    if (!flags.no_prompt) TOME_TRY(print(prompt));
    generation.on_text = [](std::string_view piece) { static_cast<void>(print(piece)); };
  }
  TOME_ASSIGN(const GenerationResult result, generate(*session, engine->tokenizer(), generation));
  if (flags.json)
    TOME_TRY(print(json_text(result_json(*engine, result, tokens.size(), prompt_seconds, flags.log_probabilities))));
  else
    TOME_TRY(print("\n"));
  if (result.reason == StopReason::cancelled) return fail(ErrorKind::cancelled, "interrupted");
  if (!flags.quiet && !flags.json)
    std::fprintf(stderr, "tome: prompt %zu tokens, %.1f tokens/s; generated %zu tokens, %.1f tokens/s (%s)\n",
                 tokens.size(), static_cast<double>(tokens.size()) / std::max(prompt_seconds, 1e-9),
                 result.tokens.size(), static_cast<double>(result.tokens.size()) / std::max(result.seconds, 1e-9),
                 std::string(stop_reason_name(result.reason)).c_str());
  return {};
}

}  // namespace

Command add_generate(CLI::App& program) {
  const auto flags = std::make_shared<GenerateFlags>();
  CLI::App* app = program.add_subcommand("generate", "continue a prompt");
  app->add_option("PROMPT", flags->prompt_word, "text to continue");
  app->add_option("-p,--prompt", flags->prompt, "the same, as a flag");
  app->add_option("-f,--file", flags->file, "a file with the prompt (- is standard input)");
  app->add_option("-n,--predict", flags->tokens, "tokens to generate at most")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  app->add_option("-c,--ctx-size", flags->context, "room for prompt and answer (default: as needed)");
  add_model_flags(*app, flags->model);
  add_sampling_flags(*app, flags->sampling);
  app->add_flag("--ignore-eos", flags->ignore_end, "go on after an end token");
  app->add_flag("--special", flags->special, "read \"<|im_start|>\" and the like in the prompt as control tokens");
  app->add_flag("--no-display-prompt", flags->no_prompt, "print the continuation only");
  app->add_option("--log-probs", flags->log_probabilities,
                  "with --json: log-probabilities and the N most likely tokens")
      ->check(CLI::Range(0, 1000));
  app->add_option("--progress", flags->progress, "auto (on a terminal), always or never")->capture_default_str();
  app->add_flag("-q,--quiet", flags->quiet, "nothing on standard error");
  app->add_flag("--json", flags->json, "text, tokens and timing as JSON");
  app->footer("Example:\n  tome generate \"The capital of France is\" -n 16");
  return {app, [flags] { return run_generate(*flags); }};
}

}  // namespace tome::cli
