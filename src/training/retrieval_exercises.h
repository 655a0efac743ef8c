#pragma once
// Exercises in finding things, made from a text: facts, lines of a list, or nothing but the text itself, and at its end
// questions with their answers, or a passage begun again. The answers alone count. Names and values are made up anew
// for each; no wording is one that tome/evaluation uses. Immutable after construction: any thread.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tokenizer/tokenizer.h"

namespace tome {

struct RetrievalExercise {
  std::vector<TokenId> tokens;  ///< without BOS
  std::vector<bool> is_answer;  ///< [tokens]
};

class RetrievalExercises {
 public:
  enum class Kind { facts, list, copy };
  static constexpr std::uint64_t shortest = 256;

  explicit RetrievalExercises(std::shared_ptr<const Tokenizer> tokenizer);

  /// Of at most `length` tokens (≥ `shortest`) and at most what filler and questions give; everything is drawn from
  /// `rng`. Some tokens count in each: where the filler is too short to copy from, facts are asked for.
  RetrievalExercise make(Kind kind, std::span<const TokenId> filler, std::uint64_t length, Rng& rng) const;

 private:
  struct Fact {
    std::string statement, question, answer;
  };
  Fact fact(Rng& rng) const;
  Fact line(Rng& rng) const;
  std::vector<TokenId> encode(const std::string& text) const;
  /// question and answer, tokenised as one text.
  void ask(const Fact& fact, RetrievalExercise& to) const;
  RetrievalExercise with_facts(std::span<const TokenId> filler, std::uint64_t length, const std::vector<Fact>& facts,
                               Rng& rng) const;
  RetrievalExercise copy(std::span<const TokenId> filler, std::uint64_t length, Rng& rng) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<bool> ends_sentence_;  // [vocabulary]
};

}  // namespace tome
