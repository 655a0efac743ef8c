#include "runtime/document.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace tome {
namespace {

Document make(std::vector<std::pair<std::string, std::string>> texts) {
  auto document = Document::from_texts(std::move(texts));
  EXPECT_TRUE(document.has_value());
  return std::move(*document);
}

TEST(Document, one_file_is_its_text_and_nothing_else) {
  const Document document = make({{"a.txt", "one\ntwo\n"}});
  EXPECT_EQ(document.text(), "one\ntwo\n");
}

TEST(Document, several_files_stand_in_order_under_their_names) {
  const Document document = make({{"b.txt", "beta\n"}, {"a.txt", "alpha"}});
  EXPECT_EQ(document.text(), "File: b.txt\n\nbeta\n\nFile: a.txt\n\nalpha");
  EXPECT_EQ(document.text().substr(document.parts()[1].begin, 5), "alpha");
}

TEST(Document, bytes_lead_back_to_file_and_line) {
  const Document document = make({{"b.txt", "l1\nl2\nl3\n"}, {"a.txt", "m1\nm2"}});
  const auto place = [&](std::string_view word) { return document.place(document.text().find(word)); };
  EXPECT_EQ(place("l1").line, 1u);
  EXPECT_EQ(place("l3").line, 3u);
  EXPECT_EQ(place("l3").part, 0u);
  EXPECT_EQ(place("m2").line, 2u);
  EXPECT_EQ(place("m2").part, 1u);
  const std::uint64_t l2 = document.text().find("l2");
  EXPECT_EQ(document.describe(l2, l2 + 5), "b.txt:2–3");
  EXPECT_EQ(document.describe(l2, l2 + 2), "b.txt:2");
}

TEST(Document, a_byte_that_is_not_utf8_is_named_with_file_and_offset) {
  const auto document = Document::from_texts({{"good.txt", "fine"}, {"bad.txt", "caf\xe9 au lait"}});
  ASSERT_FALSE(document.has_value());
  EXPECT_EQ(document.error().kind, ErrorKind::format);
  EXPECT_EQ(document.error().message, "[document] bad.txt: byte 3 (0xe9) is not UTF-8");
}

TEST(Document, every_kind_of_ill_formed_utf8_is_found) {
  EXPECT_EQ(find_invalid_utf8("ok \u00e9 \u20ac \U0001f600"), std::string::npos);
  EXPECT_EQ(find_invalid_utf8("\x80"), 0u);
  EXPECT_EQ(find_invalid_utf8("a\xc0\xaf"), 1u);         // overlong
  EXPECT_EQ(find_invalid_utf8("a\xe0\x80\x80"), 1u);     // overlong
  EXPECT_EQ(find_invalid_utf8("\xed\xa0\x80"), 0u);      // surrogate
  EXPECT_EQ(find_invalid_utf8("\xf4\x90\x80\x80"), 0u);  // past U+10FFFF
  EXPECT_EQ(find_invalid_utf8("abc\xe2\x82"), 3u);       // cut off
}

TEST(Document, an_empty_or_blank_document_is_refused) {
  for (const char* text : {"", " \n\t\n"}) {
    const auto document = Document::from_texts({{"empty.txt", text}});
    ASSERT_FALSE(document.has_value());
    EXPECT_EQ(document.error().message, "[document] empty.txt: empty, expected text");
  }
}

TEST(Document, a_byte_order_mark_is_no_text) { EXPECT_EQ(make({{"a", "\xef\xbb\xbfhi"}}).text(), "hi"); }

TEST(Document, standard_input_can_be_given_once_only) {
  const auto document = Document::load({"-", "-"});
  ASSERT_FALSE(document.has_value());
  EXPECT_EQ(document.error().kind, ErrorKind::usage);
}

TEST(Document, a_missing_file_is_named) {
  const auto document = Document::load({"/nonexistent/chapter.txt"});
  ASSERT_FALSE(document.has_value());
  EXPECT_EQ(document.error().kind, ErrorKind::io);
  EXPECT_NE(document.error().message.find("/nonexistent/chapter.txt"), std::string::npos);
}

}  // namespace
}  // namespace tome
