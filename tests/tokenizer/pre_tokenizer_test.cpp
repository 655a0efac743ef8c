#include "tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

namespace tome {
namespace {

std::string words(PreTokenizer kind, std::string_view text) {
  std::string cut;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = end_of_word(kind, text, begin);
    cut += std::string(cut.empty() ? "" : "|") + std::string(text.substr(begin, end - begin));
    begin = end;
  }
  return cut;
}

TEST(PreTokenizer, gpt2_keeps_one_space_with_the_word_and_the_rest_apart) {
  EXPECT_EQ(words(PreTokenizer::gpt2, "Hello   world  "), "Hello|  | world|  ");
  EXPECT_EQ(words(PreTokenizer::gpt2, "it's we'll I'VE x'y"), "it|'s| we|'ll| I|'|VE| x|'|y");
  EXPECT_EQ(words(PreTokenizer::gpt2, "a 123.45!?\n\nb"), "a| 123|.|45|!?|\n|\n|b");
  EXPECT_EQ(words(PreTokenizer::gpt2, "\u00e9t\u00e9\u3000\u65e5\u672c"), "\u00e9t\u00e9|\u3000|\u65e5\u672c");
}

TEST(PreTokenizer, smollm_takes_every_number_alone_and_starts_afresh_after_it) {
  EXPECT_EQ(words(PreTokenizer::smollm, "a 123  4\u00bd"), "a| |1|2|3|  |4|\u00bd");
  EXPECT_EQ(words(PreTokenizer::smollm, "x  y"), "x| | y");
}

TEST(PreTokenizer, llama_bpe_takes_three_numbers_and_qwen2_one) {
  EXPECT_EQ(words(PreTokenizer::llama_bpe, "1234567 89"), "123|456|7| |89");
  EXPECT_EQ(words(PreTokenizer::qwen2, "123 4"), "1|2|3| |4");
}

TEST(PreTokenizer, llama_bpe_puts_any_one_character_before_letters_and_newlines_after_signs) {
  EXPECT_EQ(words(PreTokenizer::llama_bpe, "(foo) \tbar=x\n\ny"), "(foo|)| |\tbar|=x|\n\n|y");
  EXPECT_EQ(words(PreTokenizer::llama_bpe, "a !!\n\n b"), "a| !!\n\n| b");
  EXPECT_EQ(words(PreTokenizer::llama_bpe, "a \n \n  b"), "a| \n \n| | b");
  EXPECT_EQ(words(PreTokenizer::llama_bpe, "I'LL don'\u017f"), "I|'LL| don|'\u017f");
}

}  // namespace
}  // namespace tome
