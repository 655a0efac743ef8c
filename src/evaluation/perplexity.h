#pragma once
// How well a model predicts a text, in four ways. Each window or target is one result line, with sums by position.
// All lengths score the same tokens, whole windows of the longest length.
//
// - disjoint: windows of `length` tokens side by side, each token predicted once, from one token of the window before
//   on (BOS before the first alone): rolling windows of context 1.
//
// - sliding: windows of `length` that move by `stride`; the last `stride` tokens of each count, of the first all.
//
// - by position: of the disjoint windows, the same sums by position within the window.
//
// - gain: the same last 512 tokens of a stretch after contexts of each length: what a longer context is worth.
#include "evaluation/results.h"
#include "evaluation/runner.h"

namespace tome {

struct PerplexityOptions {
  std::vector<std::string> files;                                    ///< joined in order
  std::vector<std::uint64_t> lengths;                                ///< of windows and contexts, tokens
  std::uint64_t stride = 0;                                          ///< of sliding windows; 0: half the length
  std::uint64_t windows = 0;                                         ///< of the longest length, at most; 0: all
  std::vector<std::string> kinds = {"disjoint", "sliding", "gain"};  ///< that are read
  ProgressFunction progress;
};

/// Errors: io, format (UTF-8); usage (an unknown kind, a text shorter than the shortest length); those of the engine
/// and the folder.
Result<RunTotals> run_perplexity(Engine& engine, RunFolder& folder, const PerplexityOptions& options);

/// Sums by position of negative log-likelihoods that come in order.
class NllSums {
 public:
  /// Buckets start at 0, `step`, 2·step …
  explicit NllSums(std::uint64_t step) : step_(step) {}
  void add(std::uint64_t position, double nll);
  std::vector<NllBucket> finish();

 private:
  void close_block();
  std::uint64_t step_, in_block_ = 0;
  double block_sum_ = 0;
  std::vector<NllBucket> buckets_;
};

}  // namespace tome
