#include "evaluation/prompt_template.h"

#include <gtest/gtest.h>

#include <array>

#include "formats/temporary_folder.h"

namespace tome {
namespace {

constexpr std::array<std::string_view, 2> names = {"context", "input"};

TEST(PromptTemplate, names_in_braces_are_filled_and_a_doubled_brace_is_one) {
  const auto parsed = PromptTemplate::parse("{{{context}}} and {input}{input}", "here", names);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->fill({{"input", "{context}"}, {"context", "C"}}), "{C} and {context}{context}");
}

TEST(PromptTemplate, a_name_without_a_value_becomes_nothing) {
  const auto parsed = PromptTemplate::parse("[{input}]", "here", names);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->fill({}), "[]");
}

TEST(PromptTemplate, an_unknown_name_is_told_with_the_known_ones) {
  const auto parsed = PromptTemplate::parse("{contxt}", "prompts.json: 'qasper'", names);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().kind, ErrorKind::usage);
  EXPECT_EQ(parsed.error().message, "prompts.json: 'qasper': {contxt}, expected one of {context}, {input}");
}

TEST(PromptTemplate, a_brace_that_stays_open_or_is_never_opened_is_refused) {
  EXPECT_FALSE(PromptTemplate::parse("a {context", "here", names).has_value());
  EXPECT_FALSE(PromptTemplate::parse("a } b", "here", names).has_value());
}

TEST(Wordings, the_files_template_replaces_ours_and_the_source_says_so) {
  const test::TemporaryFolder folder;
  const std::string path =
      folder.write("prompts.json", R"({"qasper": "Q {input}", "vt": {"template": "T", "answer_prefix": " A"}})");
  const auto wordings = Wordings::load(path);
  ASSERT_TRUE(wordings.has_value());
  const auto qasper = wordings->of("qasper", "ours", "Answer:", names);
  const auto vt = wordings->of("vt", "ours", "Answer:", names);
  const auto other = wordings->of("trec", "ours", "Answer:", names);
  ASSERT_TRUE(qasper && vt && other);
  EXPECT_EQ(qasper->user.fill({{"input", "why"}}), "Q why");
  EXPECT_TRUE(qasper->opening.empty());
  EXPECT_EQ(vt->opening.fill({}), " A");
  EXPECT_EQ(vt->joint, "");
  EXPECT_EQ(other->user.fill({}), "ours");
  EXPECT_EQ(other->joint, "\n");
  EXPECT_EQ(wordings->source(*other), "tome");
  EXPECT_TRUE(wordings->source(*qasper).starts_with("prompts.json sha256 "));
}

TEST(Wordings, a_template_that_is_no_text_names_its_task) {
  const test::TemporaryFolder folder;
  const auto number = Wordings::load(folder.write("a.json", R"({"qasper": 3})"));
  ASSERT_FALSE(number.has_value());
  EXPECT_NE(number.error().message.find("'qasper' is 3, expected a string or an object"), std::string::npos);
  const auto nothing = Wordings::load(folder.write("b.json", R"({"vt": {"answer_prefix": "x"}})"));
  ASSERT_FALSE(nothing.has_value());
  EXPECT_NE(nothing.error().message.find("'vt.template' is missing"), std::string::npos);
}

}  // namespace
}  // namespace tome
