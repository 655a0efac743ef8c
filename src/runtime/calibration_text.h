#pragma once
// Generated documents with questions whose answers stand at a known place: the only data that head calibration uses.
// Facts (who keeps what where, which number belongs to which name …) are stated in varied sentences among filler and
// among distractors that share their words; questions are paraphrased, so that counting words does not find them all.
#include <cstdint>
#include <string>
#include <vector>

namespace tome {

struct CalibrationQuestion {
  std::string question;
  std::uint64_t begin = 0, end = 0;  ///< bytes of the sentence that answers it
  bool paraphrased = false;          ///< false: a key-value needle, or the fact's own words
};

struct CalibrationDocument {
  std::string text;
  std::vector<CalibrationQuestion> questions;
};

/// The same seed gives the same document on every machine. `bytes`: about how long; at least 2000.
CalibrationDocument make_calibration_document(std::uint64_t seed, std::uint64_t bytes, std::size_t questions);

}  // namespace tome
