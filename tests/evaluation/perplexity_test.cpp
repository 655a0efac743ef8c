// Which tokens each kind of window scores, and with what before them, against the model asked directly.
#include "evaluation/perplexity.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/rng.h"
#include "runtime/sampler.h"

namespace tome {
namespace {

class PerplexityRun : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("tome_ppl_" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Rng rng(4);
    constexpr const char* words[] = {"stone", "river", "the", "of", "light", "a", "green", "hill"};
    std::string text;
    for (int i = 0; i < 2000; ++i) text += std::string(words[rng.below(8)]) + " ";
    std::ofstream(folder_ / "text.txt") << text;
    EngineOptions options;
    options.model = std::string(TOME_TEST_DATA) + "/models/gemma3";
    options.precision = Precision::fp32;
    options.kv_type = DType::f32;
    options.chunk = 50;
    options.automatic_positions = false;
    engine_ = *Engine::create(options);
    tokens_ = engine_->tokenizer().encode(text, AddSpecial::no, ParseSpecial::no);
    if (engine_->tokenizer().spec().add_bos) bos_ = {static_cast<TokenId>(engine_->tokenizer().spec().bos)};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// Σ −log p of tokens [first, end) of the text, the context being `before` and then tokens from `start` on.
  double direct(std::vector<TokenId> context, std::size_t start, std::size_t first, std::size_t end) const {
    const std::size_t before = context.size();
    context.insert(context.end(), tokens_.begin() + static_cast<std::ptrdiff_t>(start),
                   tokens_.begin() + static_cast<std::ptrdiff_t>(end));
    EXPECT_TRUE(engine_->fit(context.size()));
    auto session = *engine_->new_session(context.size());
    double sum = 0;
    EXPECT_TRUE(session->prefill_with_logits(context, [&](std::uint64_t row, std::span<const float> logits) {
      const std::uint64_t next = row + 1;
      if (next < context.size() && next >= before && next - before + start >= first)
        sum -= log_probability(logits, context[next]);
    }));
    return sum;
  }

  std::filesystem::path folder_;
  std::shared_ptr<Engine> engine_;
  std::vector<TokenId> tokens_, bos_;
};

TEST_F(PerplexityRun, windows_score_the_tokens_that_their_definitions_name) {
  RunFolder folder = *RunFolder::open((folder_ / "run").string(), Json::object());
  const auto totals = run_perplexity(
      *engine_, folder,
      {.files = {(folder_ / "text.txt").string()}, .lengths = {64, 600}, .stride = 40, .windows = 2, .progress = {}});
  ASSERT_TRUE(totals) << totals.error().message;
  std::uint64_t disjoint[2] = {0, 0}, checked = 0;
  const std::uint64_t unscored = bos_.empty() ? 1 : 0;  // the first token of all has nothing before it
  for (const SampleResult& result : folder.finished()) {
    double sum = 0;
    std::uint64_t count = 0;
    for (const NllBucket& bucket : result.nll) {
      sum += bucket.sum;
      count += bucket.tokens;
      EXPECT_LE(bucket.last, result.length);
    }
    const auto first = result.recipe["first"].get<std::size_t>(), end = result.recipe["end"].get<std::size_t>();
    EXPECT_EQ(end - first, result.length);
    if (result.task == "disjoint") {
      disjoint[result.length == 64 ? 0 : 1] += count;
      const auto before = first == 0 ? bos_ : std::vector<TokenId>{tokens_[first - 1]};
      EXPECT_NEAR(sum, direct(before, first, first, end), 1e-2) << result.id;
      EXPECT_LE(result.prompt_tokens, result.length);
    } else if (result.task == "sliding 40") {
      const std::size_t scored = first == 0 ? 0 : end - 40;
      EXPECT_EQ(count, end - scored - (first == 0 ? unscored : 0)) << result.id;
      EXPECT_NEAR(sum, direct(bos_, first, scored, end), 1e-2) << result.id;
    } else {
      EXPECT_EQ(result.task, "gain");
      EXPECT_EQ(count, 512u);
      EXPECT_NEAR(sum, direct(bos_, first, end - 512, end), 1e-2) << result.id;
    }
    ++checked;
  }
  EXPECT_EQ(checked, 18u + 2 + 29 + 16 + 2);
  EXPECT_EQ(disjoint[0] + 48, disjoint[1]) << "18 windows of 64 and 2 of 600 are 1152 and 1200 tokens";
}

TEST_F(PerplexityRun, a_kind_alone_gives_the_same_lines_and_shared_readings_read_less) {
  const auto run = [&](const std::string& name, std::vector<std::string> kinds) {
    RunFolder folder = *RunFolder::open((folder_ / name).string(), Json::object());
    const auto totals = run_perplexity(*engine_, folder,
                                       {.files = {(folder_ / "text.txt").string()},
                                        .lengths = {64, 600},
                                        .stride = 0,
                                        .windows = 1,
                                        .kinds = std::move(kinds),
                                        .progress = {}});
    EXPECT_TRUE(totals) << (totals ? "" : totals.error().message);
    return std::pair(*totals, folder.finished());
  };
  const auto [all, lines] = run("all", {"disjoint", "sliding", "gain"});
  // The longest window is one reading of the three, its text being one window long; of the short ones the first of both
  // kinds begin with nothing before them.
  EXPECT_EQ(all.prompt_tokens - all.read_tokens, 2 * lines.back().prompt_tokens + lines.front().prompt_tokens);
  std::size_t found = 0;
  for (const char* kind : {"disjoint", "sliding", "gain"}) {
    const auto [totals, own] = run(kind, {kind});
    EXPECT_FALSE(own.empty());
    for (const SampleResult& result : own)
      for (const SampleResult& same : lines)
        if (same.id == result.id) {
          EXPECT_EQ(to_json(same), to_json(result));
          ++found;
        }
  }
  EXPECT_EQ(found, lines.size());
  RunFolder folder = *RunFolder::open((folder_ / "unknown").string(), Json::object());
  const auto refused =
      run_perplexity(*engine_, folder,
                     {.files = {(folder_ / "text.txt").string()}, .lengths = {64}, .kinds = {"odd"}, .progress = {}});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("--kinds 'odd'"), std::string::npos);
}

TEST_F(PerplexityRun, a_text_shorter_than_the_longest_length_is_refused) {
  RunFolder folder = *RunFolder::open((folder_ / "run").string(), Json::object());
  const auto totals = run_perplexity(
      *engine_, folder,
      {.files = {(folder_ / "text.txt").string()}, .lengths = {64, 100000}, .stride = 0, .windows = 0, .progress = {}});
  ASSERT_FALSE(totals);
  EXPECT_NE(totals.error().message.find("expected at least the longest length, 100000"), std::string::npos);
}

}  // namespace
}  // namespace tome
