#include "training/retrieval_exercises.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace tome {
namespace {

constexpr std::uint64_t kTokensAFact = 48;  ///< about, of statement, question and answer
constexpr std::uint64_t kCue = 8;           ///< tokens of a passage that is begun again

/// {0}: a made-up name, {1}: a made-up value, which ends the first and follows `cue` and `begun`.
struct Wording {
  std::string_view statement, question, cue, begun;
};
constexpr std::array kWordings = {
    Wording{"{0} can be reached by telephone under {1}.", "Under which number can {0} be reached by telephone?",
            "Under", "{0} can be reached by telephone under"},
    Wording{"The chest in the house of {0} was marked {1}.", "How was the chest in the house of {0} marked?",
            "It was marked", "The chest in the house of {0} was marked"},
    Wording{"In the register {0} stands beside {1}.", "Beside what does {0} stand in the register?", "Beside",
            "In the register {0} stands beside"},
    Wording{"The ship {0} left the harbour with cargo {1}.", "With which cargo did the ship {0} leave the harbour?",
            "Cargo", "The ship {0} left the harbour with cargo"},
    Wording{"At the gate {0} gave the word {1}.", "Which word did {0} give at the gate?", "The word",
            "At the gate {0} gave the word"},
    Wording{"The ticket of {0} bears the letters {1}.", "Which letters does the ticket of {0} bear?", "The letters",
            "The ticket of {0} bears the letters"},
};

char one_of(std::string_view letters, Rng& rng) { return letters[rng.below(letters.size())]; }

/// "Talbemor": syllables of a consonant and a vowel, some with one more consonant.
std::string made_up_name(Rng& rng) {
  std::string name;
  const std::uint64_t syllables = 2 + rng.below(2);
  for (std::uint64_t i = 0; i < syllables; ++i) {
    name += one_of("bcdfghjklmnprstvwz", rng);
    name += one_of("aeiou", rng);
    if (rng.below(2) == 0) name += one_of("lmnrst", rng);
  }
  name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}

std::string digits(std::uint64_t count, Rng& rng) {
  std::string text;
  for (std::uint64_t i = 0; i < count; ++i) text += one_of(i == 0 ? "123456789" : "0123456789", rng);
  return text;
}

std::string made_up_value(Rng& rng) {
  switch (rng.below(4)) {
    case 0:
      return made_up_name(rng);
    case 1: {  // letters and digits
      std::string text;
      for (int i = 0; i < 8; ++i) text += one_of("0123456789ABCDEFGHKLMNPRSTVWXZ", rng);
      return text;
    }
    default:
      return digits(4 + rng.below(6), rng);
  }
}

std::string filled(std::string_view wording, const std::string& name, const std::string& value) {
  return fmt::format(fmt::runtime(wording), name, value);
}

}  // namespace

RetrievalExercises::RetrievalExercises(std::shared_ptr<const Tokenizer> tokenizer, ChatTurns turns)
    : tokenizer_(std::move(tokenizer)), turns_(std::move(turns)), ends_sentence_(tokenizer_->vocabulary(), false) {
  for (std::size_t id = 0; id < ends_sentence_.size(); ++id) {
    const std::string bytes = tokenizer_->token_bytes(static_cast<TokenId>(id));
    ends_sentence_[id] = !bytes.empty() && std::string_view(".!?\n").find(bytes.back()) != std::string_view::npos;
  }
}

std::vector<TokenId> RetrievalExercises::encode(const std::string& text) const {
  return tokenizer_->encode(text, AddSpecial::no, ParseSpecial::no);
}

RetrievalExercises::Fact RetrievalExercises::fact(Rng& rng) const {
  const Wording& wording = kWordings[rng.below(kWordings.size())];
  const std::string name = made_up_name(rng) + " " + made_up_name(rng), value = made_up_value(rng);
  const std::string asked = filled(wording.question, name, value);
  const std::string going_on = rng.below(2) == 0 ? asked + " " + std::string(wording.cue)  //
                                                 : filled(wording.begun, name, value);
  return {.statement = " " + filled(wording.statement, name, value),
          .question = "\n" + going_on,
          .answer = " " + value + ".",
          .asked = asked,
          .value = value};
}

RetrievalExercises::Fact RetrievalExercises::line(Rng& rng) const {
  const std::string name = made_up_name(rng) + digits(2, rng), value = made_up_value(rng);
  return {.statement = "\n" + name + " = " + value + "\n",
          .question = "\n" + name + " =",
          .answer = " " + value,
          .asked = name + " = ?",
          .value = value};
}

RetrievalExercise RetrievalExercises::ask(const Fact& fact) const {
  const std::vector<TokenId> question = encode(fact.question), both = encode(fact.question + fact.answer);
  const auto same = static_cast<std::size_t>(
      std::mismatch(question.begin(), question.end(), both.begin(), both.end()).first - question.begin());
  RetrievalExercise asked;
  for (std::size_t i = 0; i < both.size(); ++i) asked.add(both[i], i >= same);
  return asked;
}

RetrievalExercise RetrievalExercises::ask_in_chat(const Fact& fact) const {
  RetrievalExercise asked;
  for (const TokenId token : encode(fact.asked)) asked.add(token, false);
  for (const TokenId token : turns_.before_reply) asked.add(token, false);
  for (const TokenId token : encode(fact.value)) asked.add(token, true);
  for (std::size_t i = 0; i < turns_.after_reply.size(); ++i) asked.add(turns_.after_reply[i], i == 0);
  return asked;
}

RetrievalExercise RetrievalExercises::with_facts(std::span<const TokenId> filler, std::uint64_t length,
                                                 const std::vector<Fact>& facts, bool in_chat, Rng& rng) const {
  std::vector<RetrievalExercise> asked;  // question and answer of each
  std::vector<std::vector<TokenId>> statements;
  std::uint64_t used = 0;
  for (const Fact& fact : facts) {
    std::vector<TokenId> statement = encode(fact.statement);
    RetrievalExercise question = in_chat ? ask_in_chat(fact) : ask(fact);
    const std::uint64_t more = statement.size() + question.tokens.size();
    if (!asked.empty() && used + more > length / 4 * 3) break;  // the text keeps a quarter
    used += more;
    statements.push_back(std::move(statement));
    asked.push_back(std::move(question));
  }
  shuffle(asked, rng);
  RetrievalExercise exercise, questions;
  if (in_chat)
    for (const TokenId token : turns_.head) exercise.add(token, false);
  for (const TokenId token : encode(in_chat ? "\n\n" : "\n")) questions.add(token, false);
  used += exercise.tokens.size() + questions.tokens.size();
  for (const RetrievalExercise& one : asked) questions.add(one);
  while (!questions.is_answer.back()) questions.drop_last();  // the turn after the last reply
  CHECK(used < length);
  const std::uint64_t kept = std::min<std::uint64_t>(length - used, filler.size());
  std::vector<std::uint64_t> places;
  for (std::size_t i = 0; i < statements.size(); ++i) places.push_back(rng.below(kept + 1));
  std::sort(places.begin(), places.end());
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::uint64_t place = places[i];  // back to the end of a sentence
    while (place > done && !ends_sentence_[static_cast<std::size_t>(filler[place - 1])]) --place;
    exercise.tokens.insert(exercise.tokens.end(), filler.begin() + static_cast<std::ptrdiff_t>(done),
                           filler.begin() + static_cast<std::ptrdiff_t>(place));
    exercise.tokens.insert(exercise.tokens.end(), statements[i].begin(), statements[i].end());
    done = place;
  }
  exercise.tokens.insert(exercise.tokens.end(), filler.begin() + static_cast<std::ptrdiff_t>(done),
                         filler.begin() + static_cast<std::ptrdiff_t>(kept));
  exercise.is_answer.resize(exercise.tokens.size(), false);
  exercise.add(questions);
  return exercise;
}

RetrievalExercise RetrievalExercises::copy(std::span<const TokenId> filler, std::uint64_t length, Rng& rng) const {
  constexpr std::uint64_t cue = kCue, most = 48;
  const std::vector<TokenId> turn = encode("\n\n");
  const std::uint64_t kept = std::min<std::uint64_t>(length - most - turn.size(), filler.size());
  const std::uint64_t passage = std::min<std::uint64_t>(cue + 8 + rng.below(most - cue - 7), kept);
  const std::uint64_t start = rng.below(kept - passage + 1);
  RetrievalExercise exercise;
  exercise.tokens.assign(filler.begin(), filler.begin() + static_cast<std::ptrdiff_t>(kept));
  exercise.tokens.insert(exercise.tokens.end(), turn.begin(), turn.end());
  exercise.is_answer.assign(exercise.tokens.size(), false);
  for (std::uint64_t i = 0; i < passage; ++i) {
    exercise.tokens.push_back(filler[start + i]);
    exercise.is_answer.push_back(i >= cue);
  }
  return exercise;
}

RetrievalExercise RetrievalExercises::make(Kind kind, std::span<const TokenId> filler, std::uint64_t length,
                                           Rng& rng) const {
  CHECK(length >= shortest);
  if (kind == Kind::copy && filler.size() >= 2 * kCue) return copy(filler, length, rng);
  std::vector<Fact> facts;
  // Few as well as many: many answers teach more a sample, few leave more text to look through.
  const std::uint64_t count = 1 + rng.below(length / kTokensAFact);
  for (std::uint64_t i = 0; i < count; ++i) facts.push_back(kind == Kind::list ? line(rng) : fact(rng));
  // A template of many words would leave no room for the text.
  const std::size_t of_template = turns_.head.size() + turns_.before_reply.size() + turns_.after_reply.size();
  const bool in_chat = !turns_.before_reply.empty() && of_template <= length / 4 && rng.below(2) == 0;
  return with_facts(filler, length, facts, in_chat, rng);
}

}  // namespace tome
