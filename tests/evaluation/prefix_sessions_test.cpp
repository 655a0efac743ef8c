// Reading a shared beginning once changes nothing but the time: the same bits, fewer tokens.
#include "evaluation/prefix_sessions.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace tome {
namespace {

std::shared_ptr<Engine> open(const char* name, ScalingMethod method = ScalingMethod::none) {
  EngineOptions options;
  options.model = std::string(TOME_TEST_DATA) + "/models/" + name;
  options.chunk = 32;
  options.automatic_positions = false;
  options.positions = {.method = method, .allow_no_op = true};
  auto engine = Engine::create(options);
  EXPECT_TRUE(engine) << (engine ? "" : engine.error().message);
  return *engine;
}

std::vector<TokenId> some_tokens(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(rng.below(99));
  return tokens;
}

/// A grid's prompts: one haystack of 200 tokens, another needle at each place.
std::vector<std::vector<TokenId>> grid() {
  const auto hay = some_tokens(200, 1);
  std::vector<std::vector<TokenId>> prompts;
  for (const std::size_t at : {0u, 40u, 97u, 128u, 199u, 200u}) {
    auto prompt = hay;
    const auto needle = some_tokens(11, 50 + at);
    prompt.insert(prompt.begin() + static_cast<std::ptrdiff_t>(at), needle.begin(), needle.end());
    prompts.push_back(prompt);
  }
  return prompts;
}

struct Read {
  std::vector<std::vector<float>> logits;
  std::vector<std::uint64_t> reused;
};

Read read_all(Engine& engine, const std::vector<std::vector<TokenId>>& prompts, bool reuse) {
  PrefixSessions sessions(engine, reuse);
  Read read;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto next = i + 1 < prompts.size() ? std::span<const TokenId>(prompts[i + 1]) : std::span<const TokenId>();
    const auto reading = sessions.read(prompts[i], 5, next);
    EXPECT_TRUE(reading) << (reading ? "" : reading.error().message);
    read.logits.emplace_back(reading->session->logits().begin(), reading->session->logits().end());
    read.reused.push_back(reading->reused);
    EXPECT_EQ(reading->session->tokens(), prompts[i]);
  }
  return read;
}

TEST(PrefixSessions, prompts_of_a_grid_have_the_same_bits_with_and_without_reuse) {
  for (const char* name : {"llama-untied", "mistral-window", "gemma3", "qwen3"}) {
    const auto engine = open(name);
    const Read alone = read_all(*engine, grid(), false), shared = read_all(*engine, grid(), true);
    EXPECT_EQ(alone.logits, shared.logits) << name;
    EXPECT_EQ(alone.reused, std::vector<std::uint64_t>(6, 0));
    // Of what a prompt shares with the next, whole chunks of 32: 0 of 0, 32 of 40, 96 of 97, 128 of 128 …
    EXPECT_EQ(shared.reused, (std::vector<std::uint64_t>{0, 0, 32, 96, 128, 192}));
  }
}

TEST(PrefixSessions, questions_about_one_text_read_it_once_and_equal_prompts_read_a_token_at_least) {
  const auto engine = open("llama-untied");
  const auto text = some_tokens(130, 3);
  std::vector<std::vector<TokenId>> prompts;
  for (std::uint64_t question = 0; question < 4; ++question) {
    prompts.push_back(text);
    const auto words = some_tokens(7, 60 + question);
    prompts.back().insert(prompts.back().end(), words.begin(), words.end());
  }
  prompts.push_back(some_tokens(64, 8));
  prompts.push_back(prompts.back());
  const Read alone = read_all(*engine, prompts, false), shared = read_all(*engine, prompts, true);
  EXPECT_EQ(alone.logits, shared.logits);
  EXPECT_EQ(shared.reused, (std::vector<std::uint64_t>{0, 128, 128, 128, 0, 32}));
}

TEST(PrefixSessions, a_plan_that_follows_the_length_forgets_what_was_read_under_another) {
  const auto engine = open("llama-untied", ScalingMethod::dynamic_ntk);
  const auto text = some_tokens(900, 3);
  const std::vector<std::vector<TokenId>> prompts = {text, {text.begin(), text.begin() + 700}};
  const Read alone = read_all(*engine, prompts, false), shared = read_all(*engine, prompts, true);
  EXPECT_EQ(alone.logits, shared.logits);
  EXPECT_EQ(shared.reused, (std::vector<std::uint64_t>{0, 0}));
}

}  // namespace
}  // namespace tome
