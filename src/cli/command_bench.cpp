// `tome bench`: tokens per second of reading and writing, at given lengths and depths.
#include <algorithm>
#include <chrono>

#include "base/rng.h"
#include "cli/bench_kv.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"

namespace tome::cli {
namespace {

struct BenchFlags {
  ModelFlags model;
  std::string prompt = "512", predict = "128", depth = "0";
  int repetitions = 3;
  bool json = false;
};

/// One row of the table: reading `prompt` tokens, or writing `predict` tokens, after `depth` others.
struct BenchRow {
  std::uint64_t prompt = 0, predict = 0, depth = 0;
  std::vector<double> seconds;
  std::uint64_t tokens() const { return prompt > 0 ? prompt : predict; }
  double median_seconds() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : 0.5 * (sorted[middle - 1] + sorted[middle]);
  }
  double tokens_per_second() const { return static_cast<double>(tokens()) / median_seconds(); }
  std::string name() const {
    return fmt::format("{}{}{}", prompt > 0 ? "pp" : "tg", tokens(), depth > 0 ? fmt::format(" @ d{}", depth) : "");
  }
};

/// Ids that any vocabulary has and that no control token is: speed does not depend on which.
std::vector<TokenId> random_tokens(const Engine& engine, std::uint64_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<TokenId> tokens(count);
  const auto vocabulary = static_cast<std::uint64_t>(engine.tokenizer().vocabulary());
  const std::uint64_t skip = std::min<std::uint64_t>(300, vocabulary / 2);
  for (TokenId& token : tokens) token = static_cast<TokenId>(skip + rng.below(vocabulary - skip));
  return tokens;
}

Status measure(Engine& engine, BenchRow& row, std::uint64_t seed) {
  const std::uint64_t total = row.depth + row.tokens();
  TOME_TRY(engine.fit(total));
  TOME_ASSIGN(const auto session, engine.new_session(total));
  const std::vector<TokenId> tokens = random_tokens(engine, total, seed);
  const std::span<const TokenId> all(tokens);
  if (row.depth > 0) TOME_TRY(session->prefill(all.first(row.depth)));
  const auto begin = std::chrono::steady_clock::now();
  if (row.prompt > 0) {
    TOME_TRY(session->prefill(all.subspan(row.depth)));
  } else {
    for (std::uint64_t index = row.depth; index < total; ++index) TOME_TRY(session->prefill(all.subspan(index, 1)));
  }
  row.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return {};
}

Status run_bench(const BenchFlags& flags) {
  TOME_ASSIGN(const auto prompts, token_counts("-p", flags.prompt));
  TOME_ASSIGN(const auto predicts, token_counts("-n", flags.predict));
  TOME_ASSIGN(const auto depths, token_counts("-d", flags.depth));
  std::vector<BenchRow> rows;
  for (const std::uint64_t depth : depths) {
    for (const std::uint64_t prompt : prompts)
      if (prompt > 0) rows.push_back({.prompt = prompt, .predict = 0, .depth = depth, .seconds = {}});
    for (const std::uint64_t predict : predicts)
      if (predict > 0) rows.push_back({.prompt = 0, .predict = predict, .depth = depth, .seconds = {}});
  }
  if (rows.empty()) return fail(ErrorKind::usage, "[bench] nothing to measure: give -p or -n above 0");
  TOME_ASSIGN(const EngineOptions options, engine_options(flags.model));
  TOME_ASSIGN(const auto engine, Engine::create(options));
  if (!flags.json) TOME_TRY(print(fmt::format("{:<20} {:>12} {:>10}\n", "test", "tokens/s", "seconds")));
  BenchRow warm_up{.prompt = 32, .predict = 0, .depth = 0, .seconds = {}};
  TOME_TRY(measure(*engine, warm_up, 0));
  Json list = Json::array();
  for (BenchRow& row : rows) {
    for (int repetition = 0; repetition < flags.repetitions; ++repetition)
      TOME_TRY(measure(*engine, row, static_cast<std::uint64_t>(repetition)));
    if (!flags.json)
      TOME_TRY(print(
          fmt::format("{:<20} {:>12.2f} {:>10.3f}\n", row.name(), row.tokens_per_second(), row.median_seconds())));
    list.push_back({{"test", row.name()},
                    {"n_prompt", row.prompt},
                    {"n_gen", row.predict},
                    {"n_depth", row.depth},
                    {"tokens_per_second", row.tokens_per_second()},
                    {"median_seconds", row.median_seconds()},
                    {"seconds", row.seconds}});
  }
  if (!flags.json) return {};
  return print(json_text({{"model", options.model},
                          {"model_bytes", engine->model().file_bytes},
                          {"kv_type", dtype_name(options.kv_type)},
                          {"chunk", options.chunk},
                          {"threads", options.threads},
                          {"peak_resident_bytes", peak_resident_bytes()},
                          {"rows", std::move(list)}}));
}

}  // namespace

Command add_bench(CLI::App& program) {
  const auto flags = std::make_shared<BenchFlags>();
  CLI::App* app = program.add_subcommand("bench", "measure tokens per second");
  add_model_flags(*app, flags->model);
  app->add_option("-p,--n-prompt", flags->prompt, "lengths to read: 512,4096 (0: none)")->capture_default_str();
  app->add_option("-n,--n-gen", flags->predict, "lengths to write (0: none)")->capture_default_str();
  app->add_option("-d,--n-depth", flags->depth, "tokens taken in before, not timed")->capture_default_str();
  app->add_option("-r,--repetitions", flags->repetitions, "times each; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_flag("--json", flags->json, "every time, as JSON");
  app->footer("Example:\n  tome bench -m gemma3-270m -p 512,4096 -n 64 -d 0,4096");
  const Command kv = add_bench_kv(*app);
  return {app, [flags, kv] { return kv.app->parsed() ? kv.run() : run_bench(*flags); }};
}

}  // namespace tome::cli
