#include "evaluation/prompt_frame.h"

#include <gtest/gtest.h>

#include "evaluation/source_cases.h"

namespace tome {
namespace {

using testing::FakeTokenizer;

TEST(PromptFrame, a_base_model_gets_one_text_with_the_answers_beginning) {
  const FakeTokenizer tokenizer;
  const auto frame = PromptFrame::create(tokenizer);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(tokenizer.decode(frame->encode({"Ask <end>", "\n", "Answer:"}), true), "<bos>Ask <end>\nAnswer:");
  EXPECT_EQ(frame->encode({"Ask <end>", "", ""}).back(), '>');  // text, not the control token
}

TEST(PromptFrame, a_chat_template_stands_in_place_of_the_joint) {
  const FakeTokenizer tokenizer(testing::chat_ml);
  const auto frame = PromptFrame::create(tokenizer);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(tokenizer.decode(frame->encode({"Ask", "JOINT", "Answer:"}), true),
            "<bos><turn>user\nAsk<end><turn>assistant\nAnswer:");
  EXPECT_EQ(tokenizer.decode(frame->encode({"Ask", "\n", "Answer:"}, PromptFraming::plain), true), "<bos>Ask\nAnswer:");
}

TEST(PromptFrame, what_the_user_says_is_never_read_for_control_tokens) {
  const FakeTokenizer tokenizer(testing::chat_ml);
  const auto frame = PromptFrame::create(tokenizer);
  ASSERT_TRUE(frame.has_value());
  const auto tokens = frame->encode({"a<end>b", "", "<end>"});
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 257), 1);  // the template's
}

TEST(PromptFrame, the_middle_is_cut_by_tokens_of_the_text_before_the_template_with_bos_counted) {
  const FakeTokenizer tokenizer(testing::chat_ml);
  const auto frame = PromptFrame::create(tokenizer);
  std::uint64_t before = 0;
  const auto cut =
      frame->cut_middle({"0123456789", "\n", "A:"}, PromptFraming::model, 6, MiddleCut::equal_halves, before);
  EXPECT_EQ(before, 11u);
  EXPECT_EQ(cut.user, "01789");  // BOS and two, then three
  EXPECT_EQ(cut.opening, "A:");
}

TEST(PromptFrame, an_odd_limit_loses_a_token_under_one_rule_and_gives_it_to_the_end_under_the_other) {
  const FakeTokenizer tokenizer;
  const auto frame = PromptFrame::create(tokenizer);
  std::uint64_t before = 0;
  const PromptText text{"0123456789", "", ""};
  EXPECT_EQ(frame->cut_middle(text, PromptFraming::model, 7, MiddleCut::equal_halves, before).user, "01789");
  EXPECT_EQ(frame->cut_middle(text, PromptFraming::model, 7, MiddleCut::whole_limit, before).user, "016789");
}

TEST(PromptFrame, a_plain_prompt_is_cut_with_its_answers_beginning) {
  const FakeTokenizer tokenizer;
  const auto frame = PromptFrame::create(tokenizer);
  std::uint64_t before = 0;
  const auto cut =
      frame->cut_middle({"0123456789", "\n", "A:"}, PromptFraming::model, 8, MiddleCut::equal_halves, before);
  EXPECT_EQ(cut.user + cut.joint + cut.opening, "0129\nA:");
}

TEST(PromptFrame, a_text_within_the_limit_and_no_limit_leave_everything) {
  const FakeTokenizer tokenizer;
  const auto frame = PromptFrame::create(tokenizer);
  std::uint64_t before = 7;
  const PromptText text{"0123456789", "\n", "A:"};
  EXPECT_EQ(frame->cut_middle(text, PromptFraming::model, 14, MiddleCut::whole_limit, before).user, text.user);
  EXPECT_EQ(before, 14u);
  EXPECT_EQ(frame->cut_middle(text, PromptFraming::model, 0, MiddleCut::whole_limit, before).user, text.user);
}

TEST(PromptFrame, a_template_that_drops_the_user_is_refused) {
  const FakeTokenizer tokenizer("<turn>hello");
  const auto frame = PromptFrame::create(tokenizer);
  ASSERT_FALSE(frame.has_value());
  EXPECT_EQ(frame.error().kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace tome
