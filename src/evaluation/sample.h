#pragma once
// One question of an evaluation: the prompt as tokens, what the answer should be, and where it belongs in the result.
// A source makes samples one by one, in a fixed order, the same ones from the same settings.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "evaluation/scorers.h"
#include "runtime/prompt.h"
#include "tokenizer/tokenizer.h"

namespace tome {

/// What the model is given: the whole input, only the part that holds the answer, or the question alone.
enum class Condition { full, evidence_only, no_context };
std::string_view condition_name(Condition condition);  ///< "full", "evidence_only", "no_context"

struct Sample {
  std::string id;               ///< unique in the run, "8192/0.50/full/3"
  std::string task;             ///< the benchmark's own name
  std::string cluster;          ///< the document: samples of one are not independent
  std::uint64_t length = 0;     ///< nominal, tokens; 0: as long as it is
  std::optional<double> depth;  ///< 0 … 100, where the answer lies
  Condition condition = Condition::full;
  Json recipe;  ///< with the run's settings it makes the same prompt again: seeds, places, words, indices
  std::vector<TokenId> prompt;
  std::uint64_t max_new_tokens = 0;
  bool first_line_only = false;  ///< the answer ends at its first newline (after leading ones)
  Gold gold;
  double bits = 0;  ///< of information in the answer, for CUE_rate; 0: not counted
};

class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual std::size_t count() const = 0;
  /// Errors: those of the data, naming file and line.
  virtual Result<Sample> make(std::size_t index) const = 0;
  /// Lines of the data that could not be used: each is told in notices().
  virtual std::uint64_t skipped_lines() const { return 0; }
  /// Notices for the user, once: what stood in for data that is not there, cut texts …
  virtual std::vector<std::string> notices() const { return {}; }
};

/// What a source is made from.
struct SampleOptions {
  const Tokenizer* tokenizer = nullptr;  ///< outlives the source; it sizes everything
  std::vector<std::string> data;         ///< --data: files or a folder in the benchmark's own format
  std::vector<std::string> haystack;     ///< --haystack: text files; none: generated text
  std::vector<std::string> tasks;        ///< --task; none: all
  std::vector<std::uint64_t> lengths;    ///< --lengths, tokens
  std::vector<double> depths;            ///< --depths, 0 … 100
  std::uint64_t samples = 1;  ///< a cell (niah, cue) or a task and length (ruler) or a task (the rest; 0: all)
  std::uint64_t seed = 1;
  bool baselines = true;               ///< with the conditions evidence_only and no_context, where they make sense
  std::uint64_t needles = 1;           ///< niah
  std::string needle_form = "number";  ///< number (7 digits), uuid
  std::uint64_t max_input = 0;         ///< tokens of a prompt; longer ones are cut in the middle; 0: no limit
  std::string prompts;                 ///< --prompts: a JSON file task → template, in place of our own wording
};

}  // namespace tome
