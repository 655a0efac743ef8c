#include "runtime/generation.h"

#include <chrono>

#include "base/cancel.h"
#include "runtime/generation_stop.h"

namespace tome {
namespace {

/// Text on its way out: whole characters, leading space, stop strings, in that order.
class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, const GenerationOptions& options)
      : options_(options), decoder_(tokenizer), stops_(options.stop), at_start_(options.skip_leading_space) {}

  void push(TokenId id) { pass(decoder_.push(id)); }
  void finish() {
    if (!stops_.stopped()) pass(decoder_.finish());
    emit(stops_.finish());
  }
  const StopStrings& stops() const { return stops_; }
  std::string& text() { return text_; }

 private:
  void pass(std::string piece) {
    if (at_start_) {
      const std::size_t first = piece.find_first_not_of(" \t\r\n");
      if (first == std::string::npos) return;
      piece.erase(0, first);
      at_start_ = false;
    }
    emit(stops_.push(piece));
  }
  void emit(const std::string& piece) {
    if (piece.empty()) return;
    text_ += piece;
    if (options_.on_text) options_.on_text(piece);
  }

  const GenerationOptions& options_;
  StreamingDecoder decoder_;
  StopStrings stops_;
  std::string text_;
  bool at_start_;
};

}  // namespace

std::string_view stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::end_token:
      return "end_token";
    case StopReason::stop_string:
      return "stop_string";
    case StopReason::length:
      return "length";
    case StopReason::cancelled:
      return "cancelled";
  }
  return "";
}

Result<GenerationResult> generate_from(const GenerationSource& source, const Tokenizer& tokenizer,
                                       const GenerationOptions& options) {
  TOME_TRY(validate(options.sampling));
  const auto begin = std::chrono::steady_clock::now();
  Sampler sampler(options.sampling);
  TextStream stream(tokenizer, options);
  GenerationResult result;
  while (result.tokens.size() < options.max_tokens) {
    if (cancel_requested()) {
      result.reason = StopReason::cancelled;
      break;
    }
    const std::span<const float> logits = source.logits();
    if (logits.empty()) return fail(ErrorKind::usage, "[generation] the prompt is empty: nothing to continue");
    GeneratedToken token;
    token.id = sampler.sample(logits, source.tokens());
    if (options.log_probabilities) token.log_probability = log_probability(logits, token.id);
    if (options.top_log_probabilities > 0) token.top = top_log_probabilities(logits, options.top_log_probabilities);
    const TokenId id = token.id;
    result.tokens.push_back(std::move(token));
    if (!options.ignore_end_tokens && tokenizer.is_end(id)) {
      result.reason = StopReason::end_token;
      break;
    }
    stream.push(id);
    if (stream.stops().stopped()) break;
    if (result.tokens.size() == options.max_tokens) break;
    if (Status fed = source.feed(id); !fed) {
      if (fed.error().kind != ErrorKind::cancelled) return tl::unexpected(std::move(fed).error());
      result.reason = StopReason::cancelled;
      break;
    }
  }
  stream.finish();
  if (stream.stops().stopped()) {
    result.reason = StopReason::stop_string;
    result.stop = stream.stops().found();
  }
  result.text = std::move(stream.text());
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

Result<GenerationResult> generate(Session& session, const Tokenizer& tokenizer, const GenerationOptions& options) {
  return generate_from({.logits = [&] { return session.logits(); },
                        .tokens = [&]() -> const std::vector<TokenId>& { return session.tokens(); },
                        .feed = [&](TokenId id) { return session.prefill(std::span<const TokenId>(&id, 1)); }},
                       tokenizer, options);
}

}  // namespace tome
