#include "training/training_texts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "formats/model_file.h"

namespace tome {
namespace {

namespace fs = std::filesystem;

struct TrainingTextsTest : ::testing::Test {
  void SetUp() override {
    folder = fs::temp_directory_path() / ("tome_texts_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder / "sub");
    auto file = open_model_file(std::string(TOME_TEST_DATA) + "/models/qwen3");
    ASSERT_TRUE(file);
    tokenizer = *Tokenizer::create((*file)->tokenizer);
  }
  void TearDown() override { fs::remove_all(folder); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder / name) << text; }
  Result<TrainingTexts> read(double held_out, std::uint64_t seed = 1) const {
    return read_training_texts({folder.string()}, *tokenizer, held_out, seed);
  }
  fs::path folder;
  std::shared_ptr<const Tokenizer> tokenizer;
};

TEST_F(TrainingTextsTest, copies_and_what_is_no_text_are_left_out_and_told) {
  write("b.txt", "the second text");
  write("a.txt", "the first text");
  write("sub/c.txt", "the second text");
  write("d.bin", std::string("\xff\xfe\x00", 3));
  write("empty.txt", "");
  const auto texts = read(0.0);
  ASSERT_TRUE(texts) << texts.error().message;
  ASSERT_EQ(texts->train.size(), 2u);
  EXPECT_TRUE(texts->train[0].path.ends_with("a.txt"));
  EXPECT_EQ(texts->train[1].tokens, tokenizer->encode("the second text", AddSpecial::no, ParseSpecial::no));
  EXPECT_EQ(texts->notes,
            (std::vector<std::string>{"1 copies of other documents left out", "1 files that are not UTF-8 left out"}));
  const auto named = read_training_texts({(folder / "d.bin").string()}, *tokenizer, 0.0, 1);
  ASSERT_FALSE(named);
  EXPECT_NE(named.error().message.find("d.bin: not UTF-8"), std::string::npos);
}

TEST_F(TrainingTextsTest, whole_documents_are_held_out_where_there_are_enough) {
  for (int i = 0; i < 20; ++i) write("t" + std::to_string(i) + ".txt", std::string(200, 'a') + std::to_string(10 + i));
  const auto texts = read(0.2), again = read(0.2), other = read(0.2, 2);
  ASSERT_TRUE(texts);
  EXPECT_EQ(texts->train.size() + texts->held_out.size(), 20u);
  EXPECT_EQ(texts->held_out.size(), 4u);
  const auto paths = [](const TrainingTexts& t) {
    std::vector<std::string> all;
    for (const auto& document : t.held_out) all.push_back(document.path);
    return all;
  };
  EXPECT_EQ(paths(*texts), paths(*again));
  EXPECT_NE(paths(*texts), paths(*other));
}

TEST_F(TrainingTextsTest, the_ends_of_a_few_documents_are_held_out) {
  write("a.txt", "one two three four five six seven eight nine ten");
  const auto texts = read(0.25);
  ASSERT_TRUE(texts);
  ASSERT_EQ(texts->held_out.size(), 1u);
  std::vector<std::int32_t> whole = texts->train[0].tokens;
  EXPECT_NEAR(static_cast<double>(texts->held_out[0].tokens.size()),
              0.25 * static_cast<double>(whole.size() + texts->held_out[0].tokens.size()), 1.0);
  whole.insert(whole.end(), texts->held_out[0].tokens.begin(), texts->held_out[0].tokens.end());
  EXPECT_EQ(whole,
            tokenizer->encode("one two three four five six seven eight nine ten", AddSpecial::no, ParseSpecial::no));
}

TEST_F(TrainingTextsTest, nothing_to_train_on_is_refused) {
  const auto texts = read(0.0);
  ASSERT_FALSE(texts);
  EXPECT_EQ(texts.error().kind, ErrorKind::usage);
  EXPECT_FALSE(read_training_texts({(folder / "missing").string()}, *tokenizer, 0.0, 1));
}

}  // namespace
}  // namespace tome
