#include "evaluation/record_file.h"

#include <gtest/gtest.h>

#include "formats/temporary_folder.h"

namespace tome {
namespace {

TEST(RecordFile, lines_are_found_with_their_numbers_and_blank_ones_are_none) {
  const test::TemporaryFolder folder;
  const auto file = RecordFile::open(folder.write("a.jsonl", "\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"a\":2}"));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  ASSERT_EQ(file->count(), 2u);
  EXPECT_EQ(file->line(1), 4u);
  EXPECT_EQ(file->object(0)->at("a"), 1);
  EXPECT_EQ(file->object(1)->at("a"), 2);
}

TEST(RecordFile, the_elements_of_an_array_are_records_whatever_their_strings_hold) {
  const test::TemporaryFolder folder;
  const auto file = RecordFile::open(
      folder.write("a.json", "[\n {\"a\": \"],}\\\"[\", \"b\": [1, [2]]},\n\n {\"a\": \"\\\\\"}\n]\n"));
  ASSERT_TRUE(file.has_value());
  ASSERT_EQ(file->count(), 2u);
  EXPECT_EQ(file->line(0), 2u);
  EXPECT_EQ(file->line(1), 4u);
  EXPECT_EQ(file->object(0)->at("a"), "],}\"[");
  EXPECT_EQ(file->object(1)->at("a"), "\\");
}

TEST(RecordFile, a_bad_record_names_file_and_line_on_one_line_and_leaves_the_others) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("a.jsonl", "{\"a\":1}\n{\"a\":\x1b\x01\n[1,2]\n{\"a\":1,\"a\":2}\n{\"a\":3}\n");
  const auto file = RecordFile::open(path);
  ASSERT_TRUE(file.has_value());
  const std::string broken = file->object(1).error().message;
  EXPECT_TRUE(broken.starts_with("[eval] " + path + ":2: not JSON at byte")) << broken;
  EXPECT_TRUE(std::all_of(broken.begin(), broken.end(), [](char byte) { return byte >= ' '; })) << broken;
  EXPECT_EQ(file->object(2).error().message, "[eval] " + path + ":3: an array of 2, expected an object");
  EXPECT_NE(file->object(3).error().message.find("duplicate key 'a'"), std::string::npos);
  EXPECT_TRUE(file->object(4).has_value());
}

TEST(RecordFile, an_array_that_never_ends_is_told_at_its_last_record) {
  const test::TemporaryFolder folder;
  const auto file = RecordFile::open(folder.write("a.json", "[{\"a\":1},\n{\"a\": [2"));
  ASSERT_TRUE(file.has_value());
  ASSERT_EQ(file->count(), 2u);
  EXPECT_TRUE(file->object(0).has_value());
  EXPECT_NE(file->object(1).error().message.find(":2: not JSON"), std::string::npos);
}

TEST(RecordFile, files_without_records_and_gzip_data_are_refused) {
  const test::TemporaryFolder folder;
  EXPECT_NE(RecordFile::open(folder.write("a", " \n\n")).error().message.find("empty"), std::string::npos);
  EXPECT_NE(RecordFile::open(folder.write("b", "[ ]")).error().message.find("no records"), std::string::npos);
  EXPECT_NE(RecordFile::open(folder.write("c", "\x1f\x8b zip")).error().message.find("gunzip"), std::string::npos);
  EXPECT_EQ(RecordFile::open(folder.path("none")).error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace tome
