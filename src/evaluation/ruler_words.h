#pragma once
// Words, numbers and names that RULER's prompts are made of, from a seeded generator: the same on every machine.
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/rng.h"
#include "evaluation/ruler_tasks.h"

namespace tome {

/// Never the same twice from one object.
class RulerWords {
 public:
  explicit RulerWords(std::uint64_t seed) : rng_(seed) {}

  /// "quiet-harbour", a number of seven digits, or a UUID version 4.
  std::string next(RulerWordKind kind);
  std::string plain();                      ///< "river", as long as there are, then compounds
  std::string compound();                   ///< "riverstone": one word of two nouns
  std::string letters(std::size_t count);   ///< a … z
  std::string capitals(std::size_t count);  ///< A … Z
  std::string name();                       ///< "Velodar": of no one
  std::string digits(std::size_t count);    ///< the first is not 0
  void never(const std::string& word) { used_.insert(word); }
  Rng& rng() { return rng_; }

 private:
  template <class Make>
  std::string fresh(const Make& make);
  Rng rng_;
  std::unordered_set<std::string> used_;
};

}  // namespace tome
