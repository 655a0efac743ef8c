#include "runtime/generation.h"

#include <gtest/gtest.h>

#include "base/cancel.h"
#include "runtime/fake_tokenizer.h"
#include "runtime/generation_stop.h"

namespace tome {
namespace {

/// A "model" that says what it is told to, one token a step, and remembers what it was fed.
class Script {
 public:
  explicit Script(std::vector<TokenId> says) : says_(std::move(says)), logits_(259, 0.0f) { aim(); }
  GenerationSource source() {
    return {.logits = [this] { return std::span<const float>(logits_); },
            .tokens = [this]() -> const std::vector<TokenId>& { return fed; },
            .feed = [this](TokenId id) -> Status {
              fed.push_back(id);
              aim();
              return {};
            }};
  }
  std::vector<TokenId> fed;

 private:
  void aim() {
    std::fill(logits_.begin(), logits_.end(), 0.0f);
    logits_[static_cast<std::size_t>(fed.size() < says_.size() ? says_[fed.size()] : 257)] = 20.0f;
  }
  std::vector<TokenId> says_;
  std::vector<float> logits_;
};

std::vector<TokenId> bytes(std::string_view text) {
  std::vector<TokenId> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

GenerationResult run(std::string_view says, GenerationOptions options, std::string* streamed = nullptr) {
  const testing::FakeTokenizer tokenizer;
  Script script(bytes(says));
  if (streamed != nullptr) options.on_text = [streamed](std::string_view piece) { *streamed += piece; };
  const auto result = generate_from(script.source(), tokenizer, options);
  EXPECT_TRUE(result.has_value());
  return *result;
}

TEST(StopStrings, a_stop_across_pieces_is_found_and_never_passed_on) {
  StopStrings stops({"Question:"});
  EXPECT_EQ(stops.push("yes Que"), "yes ");
  EXPECT_EQ(stops.push("stion"), "");
  EXPECT_EQ(stops.push(": more"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.found(), "Question:");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, what_only_looked_like_a_stop_is_passed_on_whole) {
  StopStrings stops({"abcd", "bx"});
  EXPECT_EQ(stops.push("ab"), "");
  EXPECT_EQ(stops.push("c"), "");
  EXPECT_EQ(stops.push("e"), "abce");
  EXPECT_EQ(stops.push("a"), "");
  EXPECT_EQ(stops.finish(), "a");
}

TEST(StopStrings, the_earliest_of_several_stops_wins) {
  StopStrings stops({"later", "sooner"});
  EXPECT_EQ(stops.push("x sooner later"), "x ");
  EXPECT_EQ(stops.found(), "sooner");
}

TEST(Generation, an_end_token_ends_the_answer_and_is_not_fed_back) {
  const testing::FakeTokenizer tokenizer;
  Script script(bytes("ok"));
  const auto result = generate_from(script.source(), tokenizer, {});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->text, "ok");
  EXPECT_EQ(result->reason, StopReason::end_token);
  EXPECT_EQ(result->tokens.back().id, 257);
  EXPECT_EQ(script.fed, bytes("ok"));
}

TEST(Generation, ignored_end_tokens_do_not_end_it) {
  const auto result = run("a", {.max_tokens = 5, .ignore_end_tokens = true});
  EXPECT_EQ(result.tokens.size(), 5u);
  EXPECT_EQ(result.reason, StopReason::length);
}

TEST(Generation, a_stop_string_is_neither_streamed_nor_in_the_text) {
  std::string streamed;
  const auto result = run("one\nQuestion: two", {.stop = {"\nQuestion:"}}, &streamed);
  EXPECT_EQ(result.text, "one");
  EXPECT_EQ(streamed, "one");
  EXPECT_EQ(result.reason, StopReason::stop_string);
}

TEST(Generation, leading_space_is_skipped_before_stops_are_looked_for) {
  const auto result = run("\n \nanswer\nmore", {.stop = {"\n"}, .skip_leading_space = true});
  EXPECT_EQ(result.text, "answer");
}

TEST(Generation, half_a_character_at_the_end_becomes_one_replacement) {
  std::string streamed;
  const auto result = run("h\xc3\xa9\xe2\x82", {}, &streamed);
  EXPECT_EQ(result.text, "hé\uFFFD");
  EXPECT_EQ(streamed, result.text);
}

TEST(Generation, the_length_limit_holds_and_the_last_token_is_not_fed_back) {
  const testing::FakeTokenizer tokenizer;
  Script script(bytes("abcdef"));
  const auto result = generate_from(script.source(), tokenizer, {.max_tokens = 3});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->text, "abc");
  EXPECT_EQ(script.fed, bytes("ab"));
}

TEST(Generation, log_probabilities_are_kept_when_asked_for) {
  const auto result = run("a", {.top_log_probabilities = 3, .log_probabilities = true});
  ASSERT_EQ(result.tokens.front().top.size(), 3u);
  EXPECT_EQ(result.tokens.front().top.front().token, 'a');
  EXPECT_DOUBLE_EQ(result.tokens.front().top.front().log_probability, result.tokens.front().log_probability);
  EXPECT_NEAR(result.tokens.front().log_probability, 0.0, 1e-5);
}

TEST(Generation, a_request_to_cancel_returns_the_text_so_far) {
  cancel_requested() = true;
  const auto result = run("abc", {});
  cancel_requested() = false;
  EXPECT_EQ(result.reason, StopReason::cancelled);
  EXPECT_EQ(result.text, "");
}

TEST(Generation, senseless_sampling_options_are_refused) {
  const testing::FakeTokenizer tokenizer;
  Script script(bytes("a"));
  const auto result = generate_from(script.source(), tokenizer, {.sampling = {.temperature = -1.0}});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace tome
