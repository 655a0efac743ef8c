#pragma once
// Which samples a training run sees, one after the other: a function of the texts, the options and the sample's number
// alone, so that a resumed run goes on with what an undisturbed one would have seen.
#include <cstdint>
#include <memory>
#include <vector>

#include "training/decoder_gradient.h"
#include "training/retrieval_exercises.h"
#include "training/training_texts.h"

namespace tome {

enum class LongSamples {
  plain,      ///< as long as the target
  skip_wise,  ///< short, with positions that skip (PoSE), and text that skips with them as far as its document
              ///< reaches; sliding-window layers keep their positions and see their own chunk alone
  shifted,    ///< as long as the target, full layers in shifted groups of a quarter (S²); exercises see everything
};

struct TrainingSampleOptions {
  LongSamples kind = LongSamples::skip_wise;
  std::uint64_t target = 0;       ///< tokens that the model is to read
  std::uint64_t length = 2048;    ///< tokens of a skip-wise or short sample
  std::uint64_t skip_chunks = 2;  ///< of a skip-wise sample
  double short_share = 0.1;       ///< of the samples: `length` tokens at plain positions
  double retrieval_share = 0.0;   ///< of the samples: exercises as long as the long ones, at such positions
  std::uint64_t seed = 1;
};

/// Tokens are taken in windows of a sample's length from each document, from a new random start each time round;
/// documents shorter than that are packed side by side and do not see each other. Every window once a round, in the
/// order of a draw (of a skip-wise one its first chunk; the others come from further on). Immutable after construction;
/// any thread.
class SampleMaker {
 public:
  /// Raised whenever the same texts, options and number make another sample, exercises included: run.json and
  /// search.json hold it, so that nothing goes on with samples of another kind.
  static constexpr int recipe = 3;
  /// The texts must outlive this. exercises: where retrieval_share > 0. Errors: usage where no window can be made, or
  /// shares that are more than 1 together.
  static Result<SampleMaker> create(const TrainingTexts& texts, const TrainingSampleOptions& options,
                                    std::shared_ptr<const RetrievalExercises> exercises = nullptr);
  TrainingSample sample(std::uint64_t number) const;
  /// Windows of the long samples' length in one round.
  std::uint64_t windows() const { return windows_; }
  /// Tokens of the longest sample that can come.
  std::uint64_t longest() const { return longest_; }

 private:
  SampleMaker(const TrainingTexts& texts, const TrainingSampleOptions& options) : texts_(&texts), options_(options) {}
  std::uint64_t long_length() const {
    return options_.kind == LongSamples::skip_wise ? options_.length : options_.target;
  }
  /// Tokens [first, first + count) of a document.
  struct Segment {
    std::size_t document;
    std::uint64_t first, count;
  };
  using Window = std::vector<Segment>;
  std::vector<Window> windows_of(std::uint64_t length, std::uint64_t round) const;
  TrainingSample sample_of(const Window& window) const;
  TrainingSample exercise_of(const Window& window, std::uint64_t number) const;
  void spread(const Segment& segment, Rng& rng, TrainingSample& sample) const;

  enum class Kind { plain_short, retrieval, long_text };
  Kind kind_of(std::uint64_t number) const;

  const TrainingTexts* texts_;
  TrainingSampleOptions options_;
  std::shared_ptr<const RetrievalExercises> exercises_;
  std::uint64_t windows_ = 0, longest_ = 0;
};

}  // namespace tome
