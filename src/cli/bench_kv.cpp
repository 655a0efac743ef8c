#include "cli/bench_kv.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/mapped_file.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "kernels/kernel_table.h"
#include "runtime/sampler.h"

namespace tome::cli {
namespace {

constexpr std::size_t kCompareChunk = 64;  ///< tokens whose logits of two engines are held at once
constexpr std::string_view kKeyDigits = "58264";

struct BenchKvFlags {
  ModelFlags model;
  std::string file, tokens = "2k", passkey = "4k", progress = "auto";
  int predict = 32;
  bool json = false;
};

struct Form {
  std::string name;
  DType type;
  AttentionPrecision precision = AttentionPrecision::bf16;
};

struct FormResult {
  std::string name;
  std::uint64_t bytes = 0;  ///< of keys and values at `tokens`
  double prefill = 0, decode = 0;
  double divergence = 0, agreement = 0;
  bool passkey = false;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::size_t most_likely(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Σ p · (log p − log q) in nats.
double divergence(std::span<const float> p, std::span<const float> q) {
  const auto log_sum = [](std::span<const float> logits) {
    const auto highest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
    return highest + std::log(sum);
  };
  const double p_sum = log_sum(p), q_sum = log_sum(q);
  double total = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - p_sum;
    total += std::exp(log_p) * (log_p - (static_cast<double>(q[i]) - q_sum));
  }
  return total;
}

/// The text as the model reads it, with the digits in the middle and the beginning of the answer at the end.
Result<std::vector<TokenId>> passkey_prompt(const Engine& engine, const std::string& text, std::uint64_t length) {
  const Tokenizer& tokenizer = engine.tokenizer();
  const auto encode = [&](const std::string& part, AddSpecial special) {
    return tokenizer.encode(part, special, ParseSpecial::no);
  };
  const std::string key(kKeyDigits);
  const std::vector<TokenId> hint =
      encode("\n\nThe pass key is " + key + ". Remember it: " + key + " is the pass key.\n\n", AddSpecial::no);
  const std::vector<TokenId> question = encode("\n\nThe pass key is", AddSpecial::no);
  const std::vector<TokenId> all = encode(text, AddSpecial::yes);
  if (length < 2 * (hint.size() + question.size()))
    return fail(ErrorKind::usage, "[bench kv] --passkey {}: expected 0 or at least {}", length,
                2 * (hint.size() + question.size()));
  if (all.size() + hint.size() + question.size() < length)
    return fail(ErrorKind::usage, "[bench kv] the text has {} tokens, --passkey wants {}", all.size(), length);
  const std::size_t filler = length - hint.size() - question.size(), middle = filler / 2;
  std::vector<TokenId> prompt(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(middle));
  prompt.insert(prompt.end(), hint.begin(), hint.end());
  prompt.insert(prompt.end(), all.begin() + static_cast<std::ptrdiff_t>(middle),
                all.begin() + static_cast<std::ptrdiff_t>(filler));
  prompt.insert(prompt.end(), question.begin(), question.end());
  return prompt;
}

Result<bool> finds_passkey(Engine& engine, const std::vector<TokenId>& prompt) {
  constexpr std::size_t answer = 10;
  TOME_TRY(engine.fit(prompt.size() + answer, prompt));
  TOME_ASSIGN(const auto session, engine.new_session(prompt.size() + answer));
  TOME_TRY(session->prefill(prompt));
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < answer; ++i) {
    tokens.push_back(static_cast<TokenId>(most_likely(session->logits())));
    TOME_TRY(session->prefill(std::span<const TokenId>(tokens).last(1)));
  }
  return engine.tokenizer().decode(tokens).find(kKeyDigits) != std::string::npos;
}

/// Mean divergence from the baseline over the text's rows, and how often the most likely token is the same.
Status compare(Engine& baseline, Engine& engine, std::span<const TokenId> tokens, FormResult& result,
               const ProgressFunction& progress) {
  TOME_TRY(baseline.fit(tokens.size(), tokens));
  TOME_TRY(engine.fit(tokens.size(), tokens));
  TOME_ASSIGN(const auto expected, baseline.new_session(tokens.size()));
  TOME_ASSIGN(const auto session, engine.new_session(tokens.size()));
  std::vector<std::vector<float>> rows(kCompareChunk);
  const auto start = std::chrono::steady_clock::now();
  double total = 0;
  std::uint64_t same = 0;
  for (std::size_t first = 0; first < tokens.size(); first += kCompareChunk) {
    const auto chunk = tokens.subspan(first, std::min(kCompareChunk, tokens.size() - first));
    TOME_TRY(expected->prefill_with_logits(chunk, [&](std::uint64_t row, std::span<const float> logits) {
      rows[row].assign(logits.begin(), logits.end());
    }));
    TOME_TRY(session->prefill_with_logits(chunk, [&](std::uint64_t row, std::span<const float> logits) {
      total += divergence(rows[row], logits);
      same += most_likely(rows[row]) == most_likely(logits) ? 1 : 0;
    }));
    const std::uint64_t done = first + chunk.size();
    const double rate = static_cast<double>(done) / seconds_since(start);
    if (progress) progress({result.name, done, tokens.size(), rate, static_cast<double>(tokens.size() - done) / rate});
  }
  result.divergence = total / static_cast<double>(tokens.size());
  result.agreement = static_cast<double>(same) / static_cast<double>(tokens.size());
  return {};
}

Status time_form(Engine& engine, std::span<const TokenId> tokens, int predict, FormResult& result) {
  const std::uint64_t room = tokens.size() + static_cast<std::uint64_t>(predict);
  TOME_TRY(engine.fit(room));
  result.bytes = engine.kv_bytes(tokens.size());
  TOME_ASSIGN(const auto warm_up, engine.new_session(32));
  TOME_TRY(warm_up->prefill(tokens.first(std::min<std::size_t>(32, tokens.size()))));
  TOME_ASSIGN(const auto session, engine.new_session(room));
  auto start = std::chrono::steady_clock::now();
  TOME_TRY(session->prefill(tokens));
  result.prefill = static_cast<double>(tokens.size()) / seconds_since(start);
  start = std::chrono::steady_clock::now();
  for (int i = 0; i < predict; ++i) TOME_TRY(session->prefill(tokens.first(1)));
  result.decode = predict / seconds_since(start);
  return {};
}

Status run_bench_kv(const BenchKvFlags& flags) {
  TOME_ASSIGN(const std::uint64_t wanted, token_count("--tokens", flags.tokens));
  TOME_ASSIGN(const std::uint64_t passkey, token_count("--passkey", flags.passkey));
  if (wanted < 2) return fail(ErrorKind::usage, "[bench kv] --tokens {}: expected at least 2", wanted);
  if (flags.model.precision != "native")
    return fail(ErrorKind::usage, "[bench kv] --precision {}: expected native (fp32 keeps all in f32)",
                flags.model.precision);
  TOME_ASSIGN(const ProgressStyle style, progress_style(flags.progress));
  TOME_ASSIGN(const std::string text, read_file(flags.file, std::uint64_t{1} << 30));
  TOME_ASSIGN(EngineOptions options, engine_options(flags.model));
  options.kv_type = DType::bf16;
  options.attention_precision = AttentionPrecision::bf16;
  TOME_ASSIGN(const auto baseline, Engine::create(options));
  std::vector<TokenId> tokens = baseline->tokenizer().encode(text, AddSpecial::yes, ParseSpecial::no);
  if (tokens.size() < wanted)
    return fail(ErrorKind::usage, "[bench kv] {}: {} tokens, --tokens wants {}", flags.file, tokens.size(), wanted);
  tokens.resize(wanted);
  std::vector<TokenId> prompt;
  if (passkey > 0) {
    TOME_ASSIGN(prompt, passkey_prompt(*baseline, text, passkey));
  }
  std::vector<Form> forms = {{"bf16", DType::bf16}, {"f16", DType::f16}};
  if (baseline->model().config.head_dim % 32 == 0) {
    forms.push_back({"q8_0", DType::q8_0});
    forms.push_back({"q4_0", DType::q4_0});
    if (kernels::kernels().int8_scores) forms.push_back({"q8_0, int8 scores", DType::q8_0, AttentionPrecision::int8});
  }
  if (!flags.json)
    TOME_TRY(print(fmt::format("{:<18} {:>12} {:>12} {:>12} {:>12} {:>8} {:>8}\n", "keys and values", "bytes/token",
                               "prefill t/s", "decode t/s", "KL to bf16", "top-1", "passkey")));
  Json list = Json::array();
  for (const Form& form : forms) {
    options.kv_type = form.type;
    options.attention_precision = form.precision;
    TOME_ASSIGN(const auto engine, Engine::create(options));
    FormResult result;
    result.name = form.name;
    TOME_TRY(time_form(*engine, tokens, flags.predict, result));
    TOME_TRY(compare(*baseline, *engine, tokens, result, make_progress(style, "tokens")));
    clear_progress();
    if (passkey > 0) {
      TOME_ASSIGN(result.passkey, finds_passkey(*engine, prompt));
    }
    const double bytes_each = static_cast<double>(result.bytes) / static_cast<double>(tokens.size());
    if (!flags.json)
      TOME_TRY(print(fmt::format("{:<18} {:>12.0f} {:>12.1f} {:>12.1f} {:>12.2e} {:>7.2f}% {:>8}\n", result.name,
                                 bytes_each, result.prefill, result.decode, result.divergence, 100 * result.agreement,
                                 passkey == 0     ? "-"
                                 : result.passkey ? "found"
                                                  : "missed")));
    list.push_back({{"form", result.name},
                    {"bytes_per_token", bytes_each},
                    {"prefill_tokens_per_second", result.prefill},
                    {"decode_tokens_per_second", result.decode},
                    {"mean_kl", result.divergence},
                    {"top1_agreement", result.agreement},
                    {"passkey", passkey == 0 ? Json() : Json(result.passkey)}});
  }
  if (!flags.json) return {};
  return print(json_text({{"model", options.model}, {"tokens", wanted}, {"passkey_tokens", passkey}, {"rows", list}}));
}

}  // namespace

Command add_bench_kv(CLI::App& bench) {
  const auto flags = std::make_shared<BenchKvFlags>();
  CLI::App* app = bench.add_subcommand("kv", "what each form of keys and values costs and loses, on a text");
  app->add_option("FILE", flags->file, "a text of at least --tokens and --passkey tokens")->required();
  add_model_flags(*app, flags->model);
  app->add_option("--tokens", flags->tokens, "of the text, to read and to compare")->capture_default_str();
  app->add_option("-n,--n-gen", flags->predict, "tokens to write")->check(CLI::Range(1, 100000))->capture_default_str();
  app->add_option("--passkey", flags->passkey, "tokens around five hidden digits (0: do not ask)")
      ->capture_default_str();
  app->add_option("--progress", flags->progress, "auto (on a terminal), always or never")->capture_default_str();
  app->add_flag("--json", flags->json, "the table as JSON");
  app->footer("Example:\n  tome bench kv --tokens 2k --passkey 8k book.txt");
  return {app, [flags] { return run_bench_kv(*flags); }};
}

}  // namespace tome::cli
