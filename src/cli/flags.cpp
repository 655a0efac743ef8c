#include "cli/flags.h"

#include <charconv>
#include <cmath>

#include "base/json.h"
#include "base/mapped_file.h"
#include "cli/console.h"
#include "hub/hub.h"

namespace tome::cli {
namespace {

Result<double> finite_number(const std::string& flag, const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return fail(ErrorKind::usage, "{} {}: expected a number", flag, text);
  return value;
}

}  // namespace

Result<std::uint64_t> token_count(const std::string& flag, const std::string& text) {
  std::string digits = text;
  std::uint64_t unit = 1;
  if (!digits.empty()) {
    const char last = digits.back();
    if (last == 'k' || last == 'K') unit = 1024;
    if (last == 'm' || last == 'M') unit = 1024 * 1024;
    if (unit > 1) digits.pop_back();
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value > (std::uint64_t{1} << 40))
    return fail(ErrorKind::usage, "{} {}: expected a number of tokens such as 4096 or 32k", flag, text);
  return value * unit;
}

std::vector<std::string> list_of(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

Result<std::vector<std::uint64_t>> token_counts(const std::string& flag, const std::string& text) {
  std::vector<std::uint64_t> counts;
  for (const std::string& part : list_of(text)) {
    TOME_ASSIGN(const std::uint64_t count, token_count(flag, part));
    counts.push_back(count);
  }
  return counts;
}

Result<std::vector<TokenId>> read_token_ids(const std::string& path, std::size_t vocabulary) {
  TOME_ASSIGN(const std::string text, read_file(path, std::uint64_t{1} << 30));
  TOME_ASSIGN(const Json json, parse_json(text, path));
  if (!json.is_array()) return fail(ErrorKind::format, "[tokens] {}: expected a JSON array of token ids", path);
  std::vector<TokenId> ids;
  for (const Json& entry : json) {
    if (!entry.is_number_unsigned() || entry.get<std::uint64_t>() >= vocabulary)
      return fail(ErrorKind::format, "[tokens] {}: entry {} is {}, expected an id below {}", path, ids.size(),
                  one_line(entry.dump(), 40), vocabulary);
    ids.push_back(entry.get<TokenId>());
  }
  return ids;
}

void add_position_flags(CLI::App& app, PositionFlags& flags) {
  const std::string group = "Positions past the trained window";
  app.add_option("--rope-scaling", flags.scaling,
                 "auto, none, linear, ntk, dynamic-ntk, ntk-by-parts, yarn, yarn-paper, longrope, llama3, self-extend, "
                 "dual-chunk, article-yarn")
      ->group(group)
      ->capture_default_str();
  app.add_option("--rope-factor", flags.factor, "how many times the window (default: from the text's length)")
      ->group(group);
  app.add_option("--rope-theta", flags.theta, "replaces the model's RoPE base")->group(group);
  app.add_option("--yarn-orig-ctx", flags.original_context, "trained window in the formulas")->group(group);
  app.add_option("--yarn-beta-fast", flags.beta_fast, "rotations above which a frequency is kept (32)")->group(group);
  app.add_option("--yarn-beta-slow", flags.beta_slow, "rotations below which a frequency is divided (1)")->group(group);
  app.add_option("--yarn-attn-factor", flags.attention_factor, "replaces the magnitude m")->group(group);
  app.add_option("--ntk-alpha", flags.ntk_alpha, "exponent of the factor on the base (d/(d-2))")->group(group);
  app.add_option("--self-extend-group", flags.group, "self-extend's group (8)")->group(group);
  app.add_option("--self-extend-window", flags.neighbour_window, "self-extend's neighbour window (1024)")->group(group);
  app.add_option("--attention-temperature", flags.temperature, "method, paper, article, none, or a number")
      ->group(group);
}

Result<PositionChoice> position_choice(const PositionFlags& flags) {
  PositionChoice choice;
  PositionOptions& options = choice.options;
  choice.automatic = flags.scaling == "auto";
  if (!choice.automatic) {
    TOME_ASSIGN(options.method, scaling_method_from_name(flags.scaling));
  } else if (flags.factor) {
    return fail(ErrorKind::usage, "--rope-factor {:g}: say --rope-scaling METHOD with it", *flags.factor);
  }
  if (options.method == ScalingMethod::none && !choice.automatic && flags.factor)
    return fail(ErrorKind::usage, "--rope-factor {:g}: --rope-scaling none uses no factor", *flags.factor);
  options.factor = flags.factor;
  options.theta = flags.theta;
  options.ntk_alpha = flags.ntk_alpha;
  options.attention_factor = flags.attention_factor;
  if (flags.beta_fast) options.beta_fast = *flags.beta_fast;
  if (flags.beta_slow) options.beta_slow = *flags.beta_slow;
  if (flags.group) options.group = *flags.group;
  if (flags.neighbour_window) options.neighbour_window = *flags.neighbour_window;
  if (!flags.original_context.empty()) {
    TOME_ASSIGN(options.original_context, token_count("--yarn-orig-ctx", flags.original_context));
  }
  if (flags.temperature == "paper") {
    options.temperature = Temperature::paper;
  } else if (flags.temperature == "article") {
    options.temperature = Temperature::article;
  } else if (flags.temperature == "none") {
    options.temperature = Temperature::none;
  } else if (!flags.temperature.empty() && flags.temperature != "method") {
    options.temperature = Temperature::value;
    TOME_ASSIGN(options.temperature_value, finite_number("--attention-temperature", flags.temperature));
  }
  return choice;
}

void add_model_flag(CLI::App& app, std::string& model) {
  app.add_option("-m,--model", model, "a .gguf file, a Hugging Face folder, or a name that `tome pull` knows")
      ->capture_default_str();
}

void add_model_flags(CLI::App& app, ModelFlags& flags) {
  add_model_flag(app, flags.model);
  app.add_option("--adapter,--lora", flags.adapter, "a folder of a low-rank adapter (tome extend, PEFT)");
  const std::string group = "How it runs";
  app.add_option("-t,--threads", flags.threads, "threads (default: the machine's)")
      ->check(CLI::Range(0, 1024))
      ->group(group);
  app.add_option("--ubatch-size,--chunk", flags.chunk, "tokens a forward pass takes while reading (also: -ub)")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str()
      ->group(group);
  app.add_option("--attention", flags.attention,
                 "what the full-attention layers see: full (default), window:N, streaming:sinks=S,window=N, "
                 "duo:sinks=S,window=N, "
                 "longformer:window=N,globals=G, bigbird:window=B,random=R,seed=S, window_v3:c=C, page_top_k:pages=K; "
                 "or some of them: 0-4,7=window:N (may be repeated)")
      ->allow_extra_args(false)
      ->group(group);
  app.add_option("--kv-type,--kv", flags.kv_type, "keys and values as bf16, f16, q8_0, q4_0 or f32 (default bf16)")
      ->check(CLI::IsMember({"bf16", "f16", "q8_0", "q4_0", "f32"}))
      ->group(group);
  app.add_option("--attention-precision", flags.attention_precision,
                 "scores from bf16, or from int8: faster, not exact, needs --kv-type q8_0")
      ->check(CLI::IsMember({"bf16", "int8"}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--precision", flags.precision, "native, or fp32: the reference path")
      ->check(CLI::IsMember({"native", "fp32"}))
      ->capture_default_str()
      ->group(group);
  app.add_flag("--mmap", flags.mmap, "leave the weights in the mapped file: shared between processes, slower to read")
      ->group(group);
  add_position_flags(app, flags.positions);
}

Result<EngineOptions> engine_options(const ModelFlags& flags) {
  EngineOptions options;
  TOME_ASSIGN(PositionChoice choice, position_choice(flags.positions));
  options.positions = std::move(choice.options);
  options.automatic_positions = choice.automatic;
  TOME_ASSIGN(options.model, resolve_model(flags.model));
  options.adapter = flags.adapter;
  options.threads = flags.threads;
  options.chunk = flags.chunk;
  for (const std::string& text : flags.attention) {
    TOME_ASSIGN(LayerPattern pattern, parse_layer_pattern(text));
    options.attention.push_back(std::move(pattern));
  }
  options.attention_precision =
      flags.attention_precision == "int8" ? AttentionPrecision::int8 : AttentionPrecision::bf16;
  options.map_weights = flags.mmap;
  options.precision = flags.precision == "fp32" ? Precision::fp32 : Precision::native;
  const std::string kv_default = options.precision == Precision::fp32 ? "f32" : "bf16";
  options.kv_type = *dtype_from_name(flags.kv_type.empty() ? kv_default : flags.kv_type);
  return options;
}

void add_sampling_flags(CLI::App& app, SamplingFlags& flags) {
  const std::string group = "Sampling";
  SamplingOptions& options = flags.options;
  app.add_option("--temp", options.temperature, "temperature; 0 is greedy")->capture_default_str()->group(group);
  app.add_option("--top-k", options.top_k, "0: off")->capture_default_str()->group(group);
  app.add_option("--top-p", options.top_p, "1: off")->capture_default_str()->group(group);
  app.add_option("--min-p", options.min_p, "0: off")->capture_default_str()->group(group);
  app.add_option("-s,--seed", options.seed, "the same seed gives the same text")->capture_default_str()->group(group);
  app.add_option("--repeat-penalty", options.repetition_penalty, "1: off")->capture_default_str()->group(group);
  app.add_option("--repeat-last-n", options.repetition_window, "tokens the penalty looks at; -1: all")
      ->capture_default_str()
      ->group(group);
  app.add_option("--stop", flags.stop, "text at which the answer ends (may be given several times)")
      ->allow_extra_args(false)  // one value a flag: the words after it are not its own
      ->group(group);
}

}  // namespace tome::cli
