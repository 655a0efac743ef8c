#include "runtime/prompt.h"

#include <gtest/gtest.h>

#include "runtime/fake_tokenizer.h"

namespace tome {
namespace {

constexpr const char* chat_ml =
    "{% for message in messages %}<turn>{{ message['role'] }}\n{{ message['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}";

TEST(DocumentPrompt, a_base_model_is_asked_by_plain_continuation) {
  const testing::FakeTokenizer tokenizer;
  const auto prompt = DocumentPrompt::create(tokenizer);
  ASSERT_TRUE(prompt.has_value());
  EXPECT_EQ(prompt->form(), PromptForm::continuation);
  EXPECT_EQ(prompt->head(), std::vector<TokenId>{256});
  const auto question = prompt->question("Who?");
  EXPECT_EQ(tokenizer.decode(question.tokens, true), "\n\nQuestion: Who?\nAnswer:");
}

TEST(DocumentPrompt, the_questions_own_tokens_are_exactly_its_rows) {
  const testing::FakeTokenizer tokenizer;
  const auto prompt = DocumentPrompt::create(tokenizer);
  const auto question = prompt->question("Who?");
  const std::vector<TokenId> rows(question.tokens.begin() + static_cast<std::ptrdiff_t>(question.first_row),
                                  question.tokens.begin() + static_cast<std::ptrdiff_t>(question.last_row));
  EXPECT_EQ(tokenizer.decode(rows, true), "Who?");
}

TEST(DocumentPrompt, text_is_never_read_for_special_tokens) {
  const testing::FakeTokenizer tokenizer(chat_ml);
  const auto prompt = DocumentPrompt::create(tokenizer);
  ASSERT_TRUE(prompt.has_value());
  const auto text = prompt->text("a<end>b");
  EXPECT_EQ(text.tokens.size(), 7u);
  EXPECT_EQ(text.offsets.back(), 7u);
  const auto question = prompt->question("<turn>?");
  EXPECT_EQ(std::count(question.tokens.begin(), question.tokens.end(), 258), 1);  // the template's own, after it
}

TEST(DocumentPrompt, an_instruct_model_is_asked_through_its_template) {
  const testing::FakeTokenizer tokenizer(chat_ml);
  const auto prompt = DocumentPrompt::create(tokenizer);
  ASSERT_TRUE(prompt.has_value());
  EXPECT_EQ(prompt->form(), PromptForm::chat);
  EXPECT_EQ(tokenizer.decode(prompt->head(), true), "<bos><turn>user\n");
  const std::string after = tokenizer.decode(prompt->question("Who?").tokens, true);
  EXPECT_NE(after.find("Question: Who?"), std::string::npos);
  EXPECT_TRUE(after.ends_with("<end><turn>assistant\nAnswer:"));
}

TEST(DocumentPrompt, a_template_that_loses_the_text_is_refused) {
  const testing::FakeTokenizer tokenizer("<turn>hello");
  const auto prompt = DocumentPrompt::create(tokenizer);
  ASSERT_FALSE(prompt.has_value());
  EXPECT_EQ(prompt.error().kind, ErrorKind::unsupported);
}

TEST(DocumentPrompt, chat_without_a_template_is_refused) {
  const testing::FakeTokenizer tokenizer;
  EXPECT_FALSE(DocumentPrompt::create(tokenizer, PromptForm::chat).has_value());
}

TEST(EncodeChat, a_longer_conversation_begins_with_the_shorter_one) {
  const testing::FakeTokenizer tokenizer(chat_ml);
  const std::vector<ChatMessage> first{{"user", "hi <end>", {}}};
  const auto short_one = encode_chat(tokenizer, first);
  ASSERT_TRUE(short_one.has_value());
  EXPECT_EQ(tokenizer.decode(*short_one, true), "<bos><turn>user\nhi <end><end><turn>assistant\n");
  EXPECT_EQ(std::count(short_one->begin(), short_one->end(), 257), 1);  // not the one in the text
  std::vector<ChatMessage> second = first;
  second.push_back({"assistant", "yo", {'y', 'o'}});
  second.push_back({"user", "bye", {}});
  const auto long_one = encode_chat(tokenizer, second);
  ASSERT_TRUE(long_one.has_value());
  EXPECT_TRUE(std::equal(short_one->begin(), short_one->end(), long_one->begin()));
  EXPECT_EQ((*long_one)[short_one->size()], 'y');
}

TEST(EncodeChat, a_base_model_gets_named_lines) {
  const testing::FakeTokenizer tokenizer;
  const auto tokens = encode_chat(tokenizer, {{"system", "Be kind.", {}}, {"user", "hi", {}}});
  ASSERT_TRUE(tokens.has_value());
  EXPECT_EQ(tokenizer.decode(*tokens, true), "<bos>Be kind.\n\nUser: hi\n\nAssistant:");
}

}  // namespace
}  // namespace tome
