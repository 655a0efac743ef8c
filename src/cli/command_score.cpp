// `tome score`: log-probabilities and perplexity of a text under a model.
#include <cmath>
#include <fstream>

#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "runtime/sampler.h"

namespace tome::cli {
namespace {

struct ScoreFlags {
  ModelFlags model;
  std::string file, word, tokens, context, logits, progress = "auto";
  std::size_t top = 0, last = 0;
  bool no_special = false, json = false;
};

Result<std::vector<TokenId>> read_tokens(const ScoreFlags& flags, const Engine& engine) {
  if (!flags.tokens.empty()) return read_token_ids(flags.tokens, engine.tokenizer().vocabulary());
  std::string text = flags.word;
  if (!flags.file.empty()) {
    TOME_ASSIGN(text, read_file(flags.file, std::uint64_t{1} << 30));
  }
  return engine.tokenizer().encode(text, flags.no_special ? AddSpecial::no : AddSpecial::yes, ParseSpecial::no);
}

Status run_score(const ScoreFlags& flags) {
  const int given = (flags.file.empty() ? 0 : 1) + (flags.word.empty() ? 0 : 1) + (flags.tokens.empty() ? 0 : 1);
  if (given != 1) return fail(ErrorKind::usage, "[score] expected one of FILE, -f FILE, --tokens FILE");
  TOME_ASSIGN(const EngineOptions options, engine_options(flags.model));
  TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
  TOME_ASSIGN(const auto engine, Engine::create(options));
  ScoreFlags source = flags;
  if (!flags.word.empty()) source.file = flags.word;
  TOME_ASSIGN(const std::vector<TokenId> tokens, read_tokens(source, *engine));
  if (tokens.size() < 2) return fail(ErrorKind::usage, "[score] {} tokens, expected at least 2", tokens.size());
  if (!flags.context.empty()) {
    TOME_ASSIGN(const std::uint64_t limit, token_count("-c", flags.context));
    if (tokens.size() > limit) return fail(ErrorKind::usage, "[score] {} tokens, -c allows {}", tokens.size(), limit);
  }
  if (flags.last > tokens.size() - 1)
    return fail(ErrorKind::usage, "[score] --last {}: {} tokens follow another, expected at most so many", flags.last,
                tokens.size() - 1);
  TOME_TRY(engine->fit(tokens.size(), tokens));
  TOME_ASSIGN(const auto session, engine->new_session(tokens.size()));
  std::ofstream logits_file;
  if (!flags.logits.empty()) {
    logits_file.open(flags.logits, std::ios::binary | std::ios::trunc);
    if (!logits_file) return fail(ErrorKind::io, "[score] {}: cannot be written", flags.logits);
  }
  const std::uint64_t first_row = flags.last == 0 ? 0 : tokens.size() - 1 - flags.last;
  double total = 0;
  std::string rows;  // JSON, written as it comes: a tree of all rows would be many times larger
  const auto take_row = [&](std::uint64_t row, std::span<const float> logits) {
    const std::uint64_t token = first_row + row;
    const bool last = token + 1 == tokens.size();
    const double next = last ? 0.0 : log_probability(logits, tokens[token + 1]);
    total += next;
    if (logits_file.is_open())
      logits_file.write(reinterpret_cast<const char*>(logits.data()),
                        static_cast<std::streamsize>(logits.size_bytes()));
    if (!flags.json) return;
    Json top = Json::array();
    for (const TokenLogProbability& candidate : top_log_probabilities(logits, flags.top))
      top.push_back(Json::array({candidate.token, candidate.log_probability}));
    rows += (rows.empty() ? "" : ",") + Json{{"next", last ? Json() : Json(next)}, {"top", std::move(top)}}.dump();
  };
  const auto begin = std::chrono::steady_clock::now();
  const auto context = std::span(tokens).first(first_row);
  if (!context.empty()) TOME_TRY(session->prefill(context, make_progress(style, "tokens before the scored ones")));
  TOME_TRY(
      session->prefill_with_logits(std::span(tokens).subspan(first_row), take_row, make_progress(style, "tokens")));
  clear_progress();
  if (logits_file.is_open()) {
    logits_file.close();
    if (!logits_file) return fail(ErrorKind::io, "[score] {}: could not be written in full", flags.logits);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double mean_nll = -total / static_cast<double>(tokens.size() - 1 - first_row);
  if (flags.json)
    return print(fmt::format("{{\"tokens\":{},{}\"rows\":[{}],\"mean_nll\":{}}}\n", Json(tokens).dump(),
                             flags.last == 0 ? "" : fmt::format("\"first_row\":{},", first_row), rows,
                             Json(mean_nll).dump()));
  const std::string scored = flags.last == 0 ? "" : fmt::format(", the last {} of them scored", flags.last);
  return print(
      fmt::format("tokens {}{}\nmean negative log-likelihood {:.6f} nats\nperplexity {:.4f}\n{:.1f} tokens/s\n",
                  tokens.size(), scored, mean_nll, std::exp(mean_nll), static_cast<double>(tokens.size()) / seconds));
}

}  // namespace

Command add_score(CLI::App& program) {
  const auto flags = std::make_shared<ScoreFlags>();
  CLI::App* app = program.add_subcommand("score", "log-probabilities and perplexity of a text");
  app->add_option("FILE", flags->word, "a file with the text (- is standard input)");
  app->add_option("-f,--file", flags->file, "the same, as a flag");
  app->add_option("--tokens", flags->tokens, "ready token ids: a file with a JSON array");
  app->add_option("--top", flags->top, "with --json: the N most likely tokens of each row")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app->add_option("--last", flags->last,
                  "score the last N tokens alone, given all that stand before them (default: all)")
      ->check(CLI::Range(1, 1000000000));
  app->add_option("--logits", flags->logits,
                  "also write every row's logits here: float32, little endian, [rows, vocabulary]");
  app->add_flag("--no-special", flags->no_special, "no BOS before the text");
  app->add_option("-c,--ctx-size", flags->context, "refuse a text of more tokens; the whole text is one context");
  add_model_flags(*app, flags->model);
  app->add_option("--progress", flags->progress, "auto (on a terminal), always or never")->capture_default_str();
  app->add_flag("--json", flags->json,
                "{\"tokens\":[…],\"rows\":[{\"next\":…,\"top\":[[id,logprob]…]}…],\"mean_nll\":…}");
  app->footer(
      "Example:\n  tome score chapter.txt\n  tome score --tokens ids.json --json --top 5\n  tome score --last 2048 "
      "book.txt");
  return {app, [flags] { return run_score(*flags); }};
}

}  // namespace tome::cli
