#include "tokenizer/sentence_starts.h"

#include <gtest/gtest.h>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/utf8.h"

namespace tome {
namespace {

/// A token a byte, and these.
std::shared_ptr<const Tokenizer> tokenizer_with(const std::vector<std::pair<std::string, std::string>>& merges) {
  TokenizerSpec spec;
  spec.pre = PreTokenizer::gpt2;
  const auto piece = [](std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) append_utf8(text, byte_alphabet()[static_cast<unsigned char>(byte)]);
    return text;
  };
  for (int byte = 0; byte < 256; ++byte) spec.tokens.push_back(piece(std::string(1, static_cast<char>(byte))));
  for (const auto& [left, right] : merges) {
    spec.tokens.push_back(piece(left + right));
    spec.merges.emplace_back(piece(left), piece(right));
  }
  spec.types.assign(spec.tokens.size(), TokenType::normal);
  return Tokenizer::create(spec).value();
}

/// The text from each start to the next.
std::vector<std::string> sentences(const std::string& text,
                                   const std::vector<std::pair<std::string, std::string>>& merges = {{"z", "z"}}) {
  const auto tokenizer = tokenizer_with(merges);
  const std::vector<TokenId> tokens = tokenizer->encode(text, AddSpecial::no, ParseSpecial::no);
  std::vector<std::uint64_t> starts = SentenceStarts(*tokenizer).find(tokens);
  std::vector<std::string> parts;
  starts.push_back(tokens.size());
  for (std::size_t i = 0; i + 1 < starts.size(); ++i)
    parts.push_back(tokenizer->decode(std::span(tokens).subspan(starts[i], starts[i + 1] - starts[i])));
  return parts;
}

using Parts = std::vector<std::string>;

TEST(SentenceStarts, follow_full_stops_marks_and_empty_lines) {
  EXPECT_EQ(sentences("One. Two! Three? \"Four.\" five\nsix\n\nseven"),
            (Parts{"One. ", "Two! ", "Three? ", "\"Four.", "\" five\nsix\n\n", "seven"}));
  EXPECT_EQ(sentences("\n\n  Indented.\n \nNext"), (Parts{"Indented.\n \n", "Next"}));
  EXPECT_EQ(sentences(""), Parts{});
  EXPECT_EQ(sentences(" \n\n "), Parts{});
}

TEST(SentenceStarts, a_quote_in_the_token_of_the_full_stop_belongs_to_it) {
  EXPECT_EQ(sentences("\"Four.\" five", {{".", "\""}}), (Parts{"\"Four.\" ", "five"}));
}

TEST(SentenceStarts, an_empty_line_may_be_one_token_or_several) {
  const auto merged = tokenizer_with({{"\n", "\n"}});
  ASSERT_EQ(merged->encode("a\n\n b", AddSpecial::no, ParseSpecial::no).size(), 4u) << "two newlines are one token";
  EXPECT_EQ(sentences("a\n\n b", {{"\n", "\n"}}), (Parts{"a\n\n ", "b"}));
  EXPECT_EQ(sentences("a\n\nb"), (Parts{"a\n\n", "b"}));
  EXPECT_EQ(sentences("a\nb"), Parts{"a\nb"});
}

}  // namespace
}  // namespace tome
