// The grid of needles: where they lie, how long the prompts are, that the same settings make the same prompts.
#include "evaluation/niah.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "evaluation/haystack.h"
#include "runtime/fake_tokenizer.h"

namespace tome {
namespace {

using testing::FakeTokenizer;

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

SampleOptions options_of(const Tokenizer& tokenizer) {
  SampleOptions options;
  options.tokenizer = &tokenizer;
  options.lengths = {2000, 4000};
  options.depths = {0, 33, 100};
  options.samples = 2;
  return options;
}

TEST(Niah, every_needle_is_there_once_at_its_depth_behind_a_sentence_and_the_prompt_keeps_its_length) {
  const FakeTokenizer tokenizer;
  for (const char* form : {"number", "uuid"})
    for (const std::uint64_t needles : {1u, 3u}) {
      SampleOptions options = options_of(tokenizer);
      options.needle_form = form;
      options.needles = needles;
      options.lengths = {6000, 8000};
      const auto source = make_niah_source(options);
      ASSERT_TRUE(source) << source.error().message;
      ASSERT_EQ((*source)->count(), 2u * 2 * 3 * 3);
      std::set<std::string> ids;
      for (std::size_t i = 0; i < (*source)->count(); ++i) {
        const auto sample = (*source)->make(i);
        ASSERT_TRUE(sample) << sample.error().message;
        ids.insert(sample->id);
        const std::string text = tokenizer.decode(sample->prompt, false);
        ASSERT_EQ(sample->gold.answers.size(), needles);
        for (const std::string& value : sample->gold.answers)
          EXPECT_EQ(times(text, value), sample->condition == Condition::no_context ? 0u : 2u) << text;
        EXPECT_LE(sample->prompt.size() + sample->max_new_tokens, sample->length);
        if (sample->condition != Condition::full) continue;
        EXPECT_GE(sample->prompt.size() + sample->max_new_tokens + 200, sample->length);
        const std::size_t at = text.find("\n\nThe pass key of");
        ASSERT_NE(at, std::string::npos);
        if (at > 9 && *sample->depth < 100) {  // at 100 it is appended, wherever the stretch ends
          EXPECT_TRUE(text[at - 1] == '.' || text[at - 1] == ' ' || text[at - 1] == '\n') << text.substr(at - 9, 9);
        }
        if (*sample->depth < 100) {  // moved back by a sentence at most
          EXPECT_LE(at, sample->length * static_cast<std::uint64_t>(*sample->depth) / 100 + 1);
          EXPECT_GE(at + 600, sample->length * static_cast<std::uint64_t>(*sample->depth) / 100);
        }
      }
      EXPECT_EQ(ids.size(), (*source)->count());
    }
}

TEST(Niah, depths_of_a_sample_share_the_haystack_and_settings_decide_the_prompt) {
  const FakeTokenizer tokenizer;
  const auto source = *make_niah_source(options_of(tokenizer)), again = *make_niah_source(options_of(tokenizer));
  SampleOptions other = options_of(tokenizer);
  other.seed = 2;
  const auto different = *make_niah_source(other);
  for (std::size_t i = 0; i < source->count(); ++i) {
    EXPECT_EQ(source->make(i)->prompt, again->make(i)->prompt);
    EXPECT_EQ(source->make(i)->recipe, again->make(i)->recipe);
    EXPECT_NE(source->make(i)->prompt, different->make(i)->prompt);
  }
  const auto first = source->make(1)->prompt, second = source->make(2)->prompt;  // depths 33 and 100
  std::size_t shared = 0;
  while (first[shared] == second[shared]) ++shared;
  EXPECT_GE(shared, 400u);
}

TEST(Niah, says_what_it_cannot_make) {
  const FakeTokenizer tokenizer;
  const auto message = [&](auto change) {
    SampleOptions options = options_of(tokenizer);
    change(options);
    const auto source = make_niah_source(options);
    return source ? std::string() : source.error().message;
  };
  EXPECT_NE(message([](auto& o) { o.lengths = {300}; }).find("--lengths 300: 1 needles"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.needle_form = "word"; }).find("'word': expected number or uuid"),
            std::string::npos);
  EXPECT_NE(message([](auto& o) { o.needles = 99; }).find("--needles 99"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.depths = {101}; }).find("--depths 101"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.haystack = {"/nowhere/book.txt"}; }).find("/nowhere/book.txt"), std::string::npos);
  const std::string path = std::filesystem::temp_directory_path() / ("tome_hay_" + std::to_string(::getpid()));
  std::ofstream(path) << "A short text. It ends soon.";
  EXPECT_NE(message([&](auto& o) { o.haystack = {path}; }).find("28 tokens in all, the longest length needs 4000"),
            std::string::npos)
      << message([&](auto& o) { o.haystack = {path}; });
  std::filesystem::remove(path);
}

TEST(Haystack, generated_text_has_no_digits_and_never_runs_out) {
  const std::string text = generated_prose(100000, 3);
  EXPECT_GE(text.size(), 100000u);
  EXPECT_EQ(text.find_first_of("0123456789"), std::string::npos);
  EXPECT_NE(generated_prose(1000, 3), generated_prose(1000, 4));
}

}  // namespace
}  // namespace tome
