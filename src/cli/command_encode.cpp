// `tome encode`: what an encoder (Longformer, BigBird) makes of a text: hidden states, and words for its masks.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>

#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/flags.h"
#include "formats/encoder_file.h"
#include "hub/hub.h"
#include "models/encoder.h"
#include "runtime/sampler.h"
#include "tokenizer/tokenizer.h"

namespace tome::cli {
namespace {

struct EncodeFlags {
  std::string model, text, file, tokens, globals, states, precision = "fp32";
  std::size_t top = 5;
  int threads = 0;
  bool json = false;
};

/// What a mask may be filled with.
struct Filling {
  std::size_t position;
  std::vector<TokenLogProbability> best;
};

/// "0,17".
Result<std::vector<std::uint64_t>> positions_of(const std::string& text) {
  std::vector<std::uint64_t> positions;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + comma, value);
    if (error != std::errc() || end != text.data() + comma)
      return fail(ErrorKind::usage, "--global {}: expected positions such as 0,17", text);
    positions.push_back(value);
    at = comma + 1;
  }
  return positions;
}

Result<std::shared_ptr<const Tokenizer>> tokenizer_of(const EncoderFile& model) {
  if (!model.tokenizer) return fail(ErrorKind::unsupported, "{}: give --tokens", model.tokenizer.error().message);
  return Tokenizer::create(*model.tokenizer);
}

/// Special tokens in the text are read as such, as the reference tokenizers do: a mask is written into the text.
Result<std::vector<TokenId>> read_tokens(const EncodeFlags& flags, const EncoderFile& model) {
  if (!flags.tokens.empty()) return read_token_ids(flags.tokens, model.config.vocabulary);
  std::string text = flags.text;
  if (!flags.file.empty()) {
    TOME_ASSIGN(text, read_file(flags.file, std::uint64_t{1} << 30));
  }
  TOME_ASSIGN(const auto tokenizer, tokenizer_of(model));
  return tokenizer->encode(text, AddSpecial::yes, ParseSpecial::yes);
}

std::vector<Filling> fill_masks(Encoder& encoder, const std::vector<TokenId>& tokens, const EncodedText& text,
                                std::int64_t mask, std::size_t top) {
  const std::size_t width = encoder.config().hidden;
  std::vector<Filling> fillings;
  std::vector<float> rows;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] != mask) continue;
    fillings.push_back({i, {}});
    const auto state = text.states.begin() + static_cast<std::ptrdiff_t>(i * width);
    rows.insert(rows.end(), state, state + static_cast<std::ptrdiff_t>(width));
  }
  encoder.fill(rows, [&](std::size_t row, std::span<const float> logits) {
    fillings[row].best = top_log_probabilities(logits, top);
  });
  return fillings;
}

/// The mean of the tokens' states.
std::vector<double> mean_state(const EncodedText& text, std::size_t width) {
  std::vector<double> mean(width, 0.0);
  const std::size_t tokens = text.states.size() / width;
  for (std::size_t i = 0; i < text.states.size(); ++i) mean[i % width] += static_cast<double>(text.states[i]);
  for (double& value : mean) value /= static_cast<double>(tokens);
  return mean;
}

/// The shortest text that reads back as the same float.
std::string list_of(std::span<const float> values) {
  std::string list;
  for (const float value : values)
    list += (list.empty() ? "" : ",") + (std::isfinite(value) ? fmt::format("{}", value) : std::string("null"));
  return "[" + list + "]";
}

/// States are written as they come: a tree of all of them would be many times larger.
std::string json_of(const std::vector<TokenId>& tokens, const EncodedText& text, std::size_t width,
                    const std::vector<Filling>& fillings, const Tokenizer* tokenizer) {
  std::string rows;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    rows += (i == 0 ? "" : ",") + list_of(std::span(text.states).subspan(i * width, width));
  Json masks = Json::array();
  for (const Filling& filling : fillings) {
    Json top = Json::array();
    for (const TokenLogProbability& candidate : filling.best) {
      top.push_back({{"id", candidate.token}, {"log_probability", candidate.log_probability}});
      if (tokenizer != nullptr) top.back()["text"] = tokenizer->token_bytes(candidate.token, true);
    }
    masks.push_back({{"position", filling.position}, {"top", std::move(top)}});
  }
  return fmt::format("{{\"tokens\":{},\"width\":{},\"pooled\":{},\"mean\":{},\"states\":[{}],\"masks\":{}}}\n",
                     Json(tokens).dump(), width, text.pooled.empty() ? "null" : list_of(text.pooled),
                     Json(mean_state(text, width)).dump(), rows,
                     Json(masks).dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// The first numbers of a state, for a look.
template <class Values>
std::string beginning(const Values& values) {
  std::string line;
  for (std::size_t k = 0; k < std::min<std::size_t>(values.size(), 6); ++k) line += fmt::format(" {:9.5f}", values[k]);
  return line + (values.size() > 6 ? " …" : "");
}

std::string text_of(const std::vector<TokenId>& tokens, const EncodedText& text, std::size_t width,
                    const std::vector<Filling>& fillings, const Tokenizer* tokenizer) {
  std::string lines = fmt::format("tokens {}, states of {} numbers\n", tokens.size(), width);
  lines += fmt::format("mean   {}\n", beginning(mean_state(text, width)));
  if (!text.pooled.empty()) lines += fmt::format("pooled {}\n", beginning(text.pooled));
  for (const Filling& filling : fillings) {
    lines += fmt::format("mask at {}\n", filling.position);
    for (const TokenLogProbability& candidate : filling.best)
      lines +=
          fmt::format("  {:6.4f} {:>7}  {}", std::exp(candidate.log_probability), candidate.token,
                      tokenizer == nullptr ? "\n" : json_text(Json(tokenizer->token_bytes(candidate.token, true)), -1));
  }
  return lines;
}

Status write_states(const std::string& path, const std::vector<float>& states) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  if (!file) return fail(ErrorKind::io, "[encode] {}: cannot be written", path);
  file.write(reinterpret_cast<const char*>(states.data()), static_cast<std::streamsize>(states.size() * sizeof(float)));
  file.close();
  if (!file) return fail(ErrorKind::io, "[encode] {}: could not be written in full", path);
  return {};
}

Status run_encode(const EncodeFlags& flags) {
  const int given = (flags.text.empty() ? 0 : 1) + (flags.file.empty() ? 0 : 1) + (flags.tokens.empty() ? 0 : 1);
  if (given != 1) return fail(ErrorKind::usage, "[encode] expected one of TEXT, -f FILE, --tokens FILE");
  std::vector<std::uint64_t> globals;
  if (!flags.globals.empty()) {
    TOME_ASSIGN(globals, positions_of(flags.globals));
  }
  TOME_ASSIGN(const std::string path, resolve_model(flags.model));
  TOME_ASSIGN(const auto model, open_encoder_folder(path));
  TOME_ASSIGN(const std::vector<TokenId> tokens, read_tokens(flags, *model));
  set_thread_count(flags.threads);
  Encoder encoder(model, {.fp32 = flags.precision == "fp32"});
  TOME_ASSIGN(const EncodedText text, encoder.encode(tokens, globals));
  if (!flags.states.empty()) TOME_TRY(write_states(flags.states, text.states));
  std::vector<Filling> fillings;
  if (encoder.has_head() && model->mask >= 0 && flags.top > 0)
    fillings = fill_masks(encoder, tokens, text, model->mask, flags.top);
  const auto tokenizer = tokenizer_of(*model);
  const Tokenizer* known = tokenizer ? tokenizer->get() : nullptr;
  const std::size_t width = model->config.hidden;
  return print(flags.json ? json_of(tokens, text, width, fillings, known)
                          : text_of(tokens, text, width, fillings, known));
}

}  // namespace

Command add_encode(CLI::App& program) {
  const auto flags = std::make_shared<EncodeFlags>();
  CLI::App* app = program.add_subcommand("encode", "hidden states of a text by Longformer or BigBird, and its masks");
  app->add_option("-m,--model", flags->model, "a Hugging Face folder of a Longformer or BigBird")->required();
  app->add_option("TEXT", flags->text, "text to encode; <mask> in it is filled, where the model has a head for that");
  app->add_option("-f,--file", flags->file, "a file with the text (- is standard input)");
  app->add_option("--tokens", flags->tokens, "ready token ids: a file with a JSON array");
  app->add_option("--global", flags->globals, "positions of tokens with global attention: 0,17 (Longformer)");
  app->add_option("--top", flags->top, "the N most likely fillings of each mask")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app->add_option("--states", flags->states,
                  "also write every token's state here: float32, little endian, [tokens, width]");
  app->add_option("-t,--threads", flags->threads, "threads (default: the machine's)")->check(CLI::Range(0, 1024));
  app->add_option("--precision", flags->precision, "fp32, or native: faster products")
      ->check(CLI::IsMember({"native", "fp32"}))
      ->capture_default_str();
  app->add_flag("--json", flags->json,
                "{\"tokens\":[…],\"width\":…,\"pooled\":[…],\"mean\":[…],\"states\":[[…]…],\"masks\":[…]}");
  app->footer("Example:\n  tome encode -m longformer-base-4096 --global 0 \"The capital of France is <mask>.\"");
  return {app, [flags] { return run_encode(*flags); }};
}

}  // namespace tome::cli
