#pragma once
// The texts of a training run: files and folders read in the order of their names, exact copies dropped, tokenised, and
// a part held out that training never sees.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace tome {

/// A file, or a part of one.
struct TrainingDocument {
  std::string path;
  std::vector<std::int32_t> tokens;  ///< without BOS
};

struct TrainingTexts {
  std::vector<TrainingDocument> train, held_out;
  std::int32_t bos = -1;           ///< what every sample begins with; −1: nothing
  std::vector<std::string> notes;  ///< a sentence each: what was dropped, what was held out and how

  std::uint64_t tokens() const;     ///< of `train`
  std::string fingerprint() const;  ///< of `train` and BOS, hex
};

/// Held out: whole documents, drawn by the seed, until they hold `held_out_share` of the tokens; where fewer than five
/// documents leave too little choice, the end of each. Errors: io; format for a file given by name that is not UTF-8
/// (inside a folder it is left out, with a note); usage where nothing is left.
Result<TrainingTexts> read_training_texts(const std::vector<std::string>& paths, const Tokenizer& tokenizer,
                                          double held_out_share, std::uint64_t seed);

}  // namespace tome
