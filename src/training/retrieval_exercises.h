#pragma once
// Exercises in finding things, made from a text: facts, lines of a list, or nothing but the text itself, and at its end
// questions with their answers, or a passage begun again; half of the facts and lists in the model's chat template,
// where it has one. The answers alone count. Names and values are made up anew for each; no wording is one that
// tome/evaluation uses. Immutable after construction: any thread.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tokenizer/tokenizer.h"

namespace tome {

/// Tokens of the model's chat template around what is said; all empty: exercises are plain text.
struct ChatTurns {
  std::vector<TokenId> head;          ///< before the first user's words, without BOS
  std::vector<TokenId> before_reply;  ///< after a user's words
  std::vector<TokenId> after_reply;   ///< up to the next user's words; its first token ends the reply
};

struct RetrievalExercise {
  std::vector<TokenId> tokens;  ///< without BOS
  std::vector<bool> is_answer;  ///< [tokens]

  void add(TokenId token, bool answer) {
    tokens.push_back(token);
    is_answer.push_back(answer);
  }
  void add(const RetrievalExercise& more) {
    tokens.insert(tokens.end(), more.tokens.begin(), more.tokens.end());
    is_answer.insert(is_answer.end(), more.is_answer.begin(), more.is_answer.end());
  }
  void drop_last() {
    tokens.pop_back();
    is_answer.pop_back();
  }
};

class RetrievalExercises {
 public:
  enum class Kind { facts, list, copy };
  static constexpr std::uint64_t shortest = 256;

  explicit RetrievalExercises(std::shared_ptr<const Tokenizer> tokenizer, ChatTurns turns = {});

  /// Of at most `length` tokens (≥ `shortest`) and at most what filler and questions give; everything is drawn from
  /// `rng`. Some tokens count in each: where the filler is too short to copy from, facts are asked for.
  RetrievalExercise make(Kind kind, std::span<const TokenId> filler, std::uint64_t length, Rng& rng) const;

 private:
  struct Fact {
    std::string statement;
    std::string question, answer;  ///< as plain text goes on
    std::string asked, value;      ///< as a user asks, and the reply
  };
  Fact fact(Rng& rng) const;
  Fact line(Rng& rng) const;
  std::vector<TokenId> encode(const std::string& text) const;
  /// question and answer, tokenised as one text.
  RetrievalExercise ask(const Fact& fact) const;
  /// The same as a user's turn and the reply, up to the next user's turn.
  RetrievalExercise ask_in_chat(const Fact& fact) const;
  RetrievalExercise with_facts(std::span<const TokenId> filler, std::uint64_t length, const std::vector<Fact>& facts,
                               bool in_chat, Rng& rng) const;
  RetrievalExercise copy(std::span<const TokenId> filler, std::uint64_t length, Rng& rng) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  ChatTurns turns_;
  std::vector<bool> ends_sentence_;  // [vocabulary]
};

}  // namespace tome
