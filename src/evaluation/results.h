#pragma once
// A run on disk: DIR/run.json (the settings), DIR/results.jsonl (one line a sample, in the source's order, the same
// bytes from run to run), DIR/timings.jsonl (seconds, which differ). A run that was killed goes on where its last whole
// line ends; one with other settings is refused.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "evaluation/sample.h"

namespace tome {

/// Negative log-likelihood of tokens at positions [first, last) of a context.
struct NllBucket {
  std::uint64_t first = 0, last = 0;
  std::uint64_t tokens = 0;
  double sum = 0;            ///< nats
  std::uint64_t blocks = 0;  ///< of 32 tokens: neighbours are not independent
  double block_mean_sum = 0, block_mean_square_sum = 0;
};

struct SampleResult {
  std::string id, task, cluster;
  std::uint64_t length = 0;
  std::optional<double> depth;
  Condition condition = Condition::full;
  Json recipe;
  std::uint64_t prompt_tokens = 0, new_tokens = 0;
  std::string prediction, stop;  ///< stop: why the answer ended
  std::vector<std::string> answers;
  double score = 0, chance = 0, bits = 0;
  std::string positions;  ///< fingerprint of the position plan and the attention in force
  std::vector<NllBucket> nll;
};

Json to_json(const SampleResult& result);
/// Errors: format, naming `where` (file and line) and the field.
Result<SampleResult> sample_result_from_json(const Json& json, const std::string& where);

struct StoredRun {
  std::string folder = {};
  Json settings = {};
  std::vector<SampleResult> results = {};
};
/// For summaries and comparisons. Errors: io; format, naming file and line.
Result<StoredRun> read_run(const std::string& folder);

/// The file being written. One owner.
class RunFolder {
 public:
  /// Makes the folder, or goes on in it. Errors: io; usage, naming the first setting that differs from run.json.
  static Result<RunFolder> open(const std::string& path, const Json& settings);

  const std::vector<SampleResult>& finished() const { return finished_; }
  /// One line each, handed to the system before it returns.
  Status append(const SampleResult& result, const Json& timing);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::vector<SampleResult> finished_;
  std::unique_ptr<std::FILE, Close> results_, timings_;
};

}  // namespace tome
