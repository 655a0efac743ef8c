// Exercises in finding things: what counts as an answer stands in the text before, and nothing else counts.
#include "training/retrieval_exercises.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "formats/model_file.h"
#include "training/sample_maker.h"

namespace tome {
namespace {

using Kind = RetrievalExercises::Kind;

std::shared_ptr<const Tokenizer> small_tokenizer() {
  auto file = open_model_file(std::string(TOME_TEST_DATA) + "/models/qwen3");
  EXPECT_TRUE(file);
  return *Tokenizer::create((*file)->tokenizer);
}

std::string story() {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "The wind of day " + std::to_string(i) + " came over the water. ";
  return text;
}

struct RetrievalExercisesTest : ::testing::Test {
  std::shared_ptr<const Tokenizer> tokenizer = small_tokenizer();
  RetrievalExercises exercises{tokenizer};
  std::vector<TokenId> filler = tokenizer->encode(story(), AddSpecial::no, ParseSpecial::no);
  RetrievalExercise make(Kind kind, std::uint64_t length, std::uint64_t seed) const {
    Rng rng(seed);
    return exercises.make(kind, filler, length, rng);
  }
};

/// First and end of each stretch that counts.
std::vector<std::pair<std::size_t, std::size_t>> answers_of(const RetrievalExercise& exercise) {
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (std::size_t i = 0; i < exercise.tokens.size(); ++i) {
    if (!exercise.is_answer[i]) continue;
    if (found.empty() || found.back().second != i) found.emplace_back(i, i);
    found.back().second = i + 1;
  }
  return found;
}

TEST_F(RetrievalExercisesTest, each_answer_stands_in_the_text_before_its_question) {
  std::set<std::size_t> counts;
  for (const Kind kind : {Kind::facts, Kind::list})
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const std::uint64_t length = 400 + 40 * seed;
      const RetrievalExercise made = make(kind, length, seed);
      ASSERT_EQ(made.tokens.size(), made.is_answer.size());
      EXPECT_EQ(made.tokens.size(), length);
      const auto answers = answers_of(made);
      ASSERT_FALSE(answers.empty());
      counts.insert(answers.size());
      if (made.tokens.size() > 300) {  // a fact alone may be longer than its share
        std::size_t of_text = 0;       // the story's own tokens, which come in the story's order
        for (std::size_t i = 0; i < answers[0].first; ++i)
          of_text += of_text < filler.size() && made.tokens[i] == filler[of_text] ? 1 : 0;
        EXPECT_GE(of_text, length / 4 - 8) << length;
      }
      const std::string text = tokenizer->decode(std::span(made.tokens).first(answers[0].first));
      for (const auto& [first, end] : answers) {
        std::string value = tokenizer->decode(std::span(made.tokens).subspan(first, end - first));
        value = value.substr(value.find_first_not_of(" \n"));
        while (!value.empty() && (value.back() == '.' || value.back() == '\n')) value.pop_back();
        ASSERT_GE(value.size(), 4u) << value;
        EXPECT_NE(text.find(value), std::string::npos) << value << " in " << text;
        EXPECT_EQ(story().find(value), std::string::npos) << value;
      }
      EXPECT_EQ(answers.back().second, made.tokens.size());
    }
  EXPECT_GE(counts.size(), 5u);
}

TEST_F(RetrievalExercisesTest, statements_stand_between_sentences) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::string text = tokenizer->decode(make(Kind::list, 2000, seed).tokens);
    for (std::size_t at = text.find(" = "); at != std::string::npos; at = text.find(" = ", at + 1)) {
      const std::size_t start = text.rfind('\n', at);
      ASSERT_NE(start, std::string::npos);
      if (start == 0) continue;
      EXPECT_TRUE(text[start - 1] == '.' || text[start - 1] == '\n') << text.substr(start - 20, 60);
      break;  // the first statement; questions follow each other
    }
  }
}

TEST_F(RetrievalExercisesTest, a_passage_is_begun_again_and_goes_on_as_before) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const RetrievalExercise made = make(Kind::copy, 700, seed);
    EXPECT_LE(made.tokens.size(), 700u);
    const auto answers = answers_of(made);
    ASSERT_EQ(answers.size(), 1u);
    const auto [first, end] = answers[0];
    EXPECT_EQ(end, made.tokens.size());
    const auto again = made.tokens.begin() + static_cast<std::ptrdiff_t>(first) - 8;
    EXPECT_NE(std::search(made.tokens.begin(), again, again, made.tokens.end()), again);
  }
}

TEST_F(RetrievalExercisesTest, half_of_the_facts_are_asked_in_the_models_chat_template) {
  const auto ids = [&](std::string_view text) { return tokenizer->encode(text, AddSpecial::no, ParseSpecial::no); };
  const ChatTurns turns{
      .head = ids("<<user "), .before_reply = ids(" user>> <<model "), .after_reply = ids("#model>> <<user ")};
  const RetrievalExercises in_chat(tokenizer, turns);
  int chats = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed)
    for (const Kind kind : {Kind::facts, Kind::list}) {
      Rng rng(seed);
      const RetrievalExercise made = in_chat.make(kind, filler, 600, rng);
      EXPECT_LE(made.tokens.size(), 600u);
      const bool chat = std::equal(turns.head.begin(), turns.head.end(), made.tokens.begin());
      if (!chat) continue;
      ++chats;
      const auto answers = answers_of(made);
      ASSERT_FALSE(answers.empty());
      EXPECT_EQ(answers.back().second, made.tokens.size());
      for (const auto& [first, end] : answers) {
        const auto reply = made.tokens.begin() + static_cast<std::ptrdiff_t>(first);
        EXPECT_TRUE(std::equal(turns.before_reply.rbegin(), turns.before_reply.rend(), std::reverse_iterator(reply)));
        ASSERT_GT(end - first, 1u);
        EXPECT_EQ(made.tokens[end - 1], turns.after_reply[0]);  // it learns to stop
        const std::string value = tokenizer->decode(std::span(made.tokens).subspan(first, end - 1 - first));
        const std::string before = tokenizer->decode(std::span(made.tokens).first(answers[0].first));
        EXPECT_NE(before.find(value), std::string::npos) << value;
      }
    }
  EXPECT_GT(chats, 40);
  EXPECT_LT(chats, 80);
}

TEST_F(RetrievalExercisesTest, a_template_of_more_words_than_fit_is_left_out) {
  const RetrievalExercises in_chat(tokenizer,
                                   {.head = std::vector<TokenId>(500, 5), .before_reply = {6}, .after_reply = {7}});
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed);
    const RetrievalExercise made = in_chat.make(Kind::facts, filler, 400, rng);
    EXPECT_LE(made.tokens.size(), 400u);
    EXPECT_NE(made.tokens[0], 5);
  }
}

TEST_F(RetrievalExercisesTest, hardly_any_text_still_gives_answers_that_count) {
  for (const std::size_t tokens : {0u, 1u, 5u, 15u, 16u, 17u})
    for (const Kind kind : {Kind::facts, Kind::list, Kind::copy}) {
      Rng rng(3);
      EXPECT_FALSE(answers_of(exercises.make(kind, std::span(filler).first(tokens), 300, rng)).empty()) << tokens;
    }
}

TEST_F(RetrievalExercisesTest, the_draw_alone_decides) {
  EXPECT_EQ(make(Kind::facts, 900, 4).tokens, make(Kind::facts, 900, 4).tokens);
  EXPECT_NE(make(Kind::facts, 900, 4).tokens, make(Kind::facts, 900, 5).tokens);
}

TEST_F(RetrievalExercisesTest, a_share_of_the_samples_are_exercises_at_skipping_positions) {
  TrainingTexts texts;
  texts.bos = 1;
  texts.train.push_back({"story", filler});
  const TrainingSampleOptions options{
      .target = 8192, .length = 512, .short_share = 0.2, .retrieval_share = 0.5, .seed = 9};
  const auto maker = SampleMaker::create(texts, options, std::make_shared<RetrievalExercises>(tokenizer));
  ASSERT_TRUE(maker) << maker.error().message;
  int found = 0, skipped = 0;
  for (std::uint64_t number = 0; number < 200; ++number) {
    const TrainingSample sample = maker->sample(number);
    ASSERT_LE(sample.tokens.size(), 512u);
    EXPECT_EQ(sample.tokens[0], 1);
    EXPECT_LT(sample.positions.back(), 8192u);
    if (sample.counted() == sample.tokens.size()) continue;
    ++found;
    EXPECT_GT(sample.counted(), 0u);
    EXPECT_LT(sample.counted(), 400u);
    skipped += sample.positions.back() >= 512 ? 1 : 0;
    for (std::size_t i = 0; i + 1 < sample.tokens.size(); ++i)
      if (sample.targets[i] != TrainingSample::kNoTarget) {
        EXPECT_EQ(sample.targets[i], sample.tokens[i + 1]);
      }
  }
  EXPECT_GT(found, 70);
  EXPECT_LT(found, 130);
  EXPECT_GT(skipped, found * 3 / 4);
}

TEST_F(RetrievalExercisesTest, shares_beyond_one_and_samples_too_short_are_refused) {
  TrainingTexts texts;
  texts.train.push_back({"story", filler});
  const auto made = std::make_shared<RetrievalExercises>(tokenizer);
  EXPECT_EQ(SampleMaker::create(texts, {.target = 512, .length = 512, .short_share = 0.6, .retrieval_share = 0.5}, made)
                .error()
                .kind,
            ErrorKind::usage);
  EXPECT_EQ(SampleMaker::create(texts, {.target = 512, .length = 128, .retrieval_share = 0.5}, made).error().kind,
            ErrorKind::usage);
}

}  // namespace
}  // namespace tome
