#pragma once
// The generation loop: sample, detokenise, look for a stop, feed the token back, until an end. It works on a session
// that has taken a prompt in (its logits are those of the prompt's last token) and leaves the session after the last
// token that was fed back; the token that ended the answer is not. The caller owns the session; one thread.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/engine.h"
#include "runtime/sampler.h"

namespace tome {

enum class StopReason { end_token, stop_string, length, cancelled };
std::string_view stop_reason_name(StopReason reason);  ///< "end_token", "stop_string", "length", "cancelled"

struct GenerationOptions {
  std::uint64_t max_tokens = 128;
  SamplingOptions sampling = {};
  std::vector<std::string> stop = {};     ///< text at which the answer ends; not part of it
  bool ignore_end_tokens = false;         ///< go on to max_tokens
  bool skip_leading_space = false;        ///< white space before the first word is dropped, stops in it too
  std::size_t top_log_probabilities = 0;  ///< per token, the n most likely; 0: none are kept
  bool log_probabilities = false;         ///< of the chosen tokens
  std::function<void(std::string_view)> on_text = {};  ///< whole UTF-8 characters, as soon as they are certain
};

struct GeneratedToken {
  TokenId id = 0;
  double log_probability = 0;  ///< under the raw logits, when asked for
  std::vector<TokenLogProbability> top = {};
};

struct GenerationResult {
  std::string text;
  std::vector<GeneratedToken> tokens;  ///< with the end token, when one ended the answer
  StopReason reason = StopReason::length;
  std::string stop;  ///< the stop string found
  double seconds = 0;
};

/// Errors: usage (sampling options; a session that has taken nothing in), and those of Session::prefill. Ctrl-C
/// (base/cancel.h) is no error here: the text so far is returned with StopReason::cancelled.
Result<GenerationResult> generate(Session& session, const Tokenizer& tokenizer, const GenerationOptions& options);

/// The loop without a model: `logits` of the sequence so far, `feed` takes a token in and makes the next ones.
struct GenerationSource {
  std::function<std::span<const float>()> logits;
  std::function<const std::vector<TokenId>&()> tokens;
  std::function<Status(TokenId)> feed;
};
Result<GenerationResult> generate_from(const GenerationSource& source, const Tokenizer& tokenizer,
                                       const GenerationOptions& options);

}  // namespace tome
