#include "formats/gguf.h"

#include <gtest/gtest.h>

#include "formats/gguf_cases.h"
#include "formats/gguf_model.h"

namespace tome {
namespace {

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

Result<ModelFile> model_of(const std::string& bytes) {
  auto file = parse_gguf(as_bytes(bytes), "tiny.gguf");
  if (!file) return tl::unexpected(file.error());
  std::vector<GgufFile> parts;
  parts.push_back(std::move(*file));
  return model_from_gguf(parts);
}

class GgufCase : public testing::TestWithParam<test::ParserCase> {};

TEST_P(GgufCase, is_told_in_one_line_or_accepted) {
  const auto model = model_of(GetParam().input);
  if (GetParam().message.empty()) {
    ASSERT_TRUE(model) << model.error().message;
    return;
  }
  ASSERT_FALSE(model) << "accepted, expected: " << GetParam().message;
  EXPECT_NE(model.error().message.find(GetParam().message), std::string::npos)
      << "said: " << model.error().message << "\nexpected: " << GetParam().message;
  EXPECT_EQ(model.error().message.find('\n'), std::string::npos);
  EXPECT_NE(model.error().message.find("tiny.gguf"), std::string::npos) << model.error().message;
  EXPECT_TRUE(model.error().kind == ErrorKind::format || model.error().kind == ErrorKind::unsupported);
}

std::string case_name(const testing::TestParamInfo<test::ParserCase>& info) {
  std::string name = info.param.name;
  for (char& character : name)
    if (!isalnum(static_cast<unsigned char>(character))) character = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Every, GgufCase, testing::ValuesIn(test::gguf_cases()), case_name);

TEST(Gguf, every_prefix_of_a_valid_file_is_refused) {
  const std::string bytes = test::tiny_model("gemma3").bytes();
  for (std::size_t length = 0; length + 32 < bytes.size(); ++length) {
    const std::string prefix = bytes.substr(0, length);
    ASSERT_FALSE(model_of(prefix)) << "accepted the first " << length << " of " << bytes.size() << " bytes";
  }
}

TEST(Gguf, values_of_every_type_are_read) {
  test::TinyGguf file;
  file.set("u8", test::u8(200));
  file.set("i8", test::raw(std::uint32_t{1}) + test::raw(std::int8_t{-5}));
  file.set("u16", test::raw(std::uint32_t{2}) + test::raw(std::uint16_t{60000}));
  file.set("i16", test::raw(std::uint32_t{3}) + test::raw(std::int16_t{-300}));
  file.set("u32", test::u32(4000000000u));
  file.set("i32", test::i32(-70000));
  file.set("f32", test::f32(0.5f));
  file.set("bool", test::boolean(1));
  file.set("string", test::text("hélas"));
  file.set("u64", test::u64(UINT64_MAX));
  file.set("i64", test::raw(std::uint32_t{11}) + test::raw(std::int64_t{-9}));
  file.set("f64", test::raw(std::uint32_t{12}) + test::raw(2.25));
  const std::string bytes = file.bytes();
  const auto parsed = parse_gguf(as_bytes(bytes), "values");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->find("u8")->as_unsigned(), 200u);
  EXPECT_EQ(parsed->find("i8")->as_signed(), -5);
  EXPECT_FALSE(parsed->find("i8")->as_unsigned());
  EXPECT_EQ(parsed->find("u16")->as_unsigned(), 60000u);
  EXPECT_EQ(parsed->find("i16")->as_signed(), -300);
  EXPECT_EQ(parsed->find("u32")->as_unsigned(), 4000000000u);
  EXPECT_EQ(parsed->find("i32")->as_signed(), -70000);
  EXPECT_EQ(parsed->find("f32")->as_number(), 0.5);
  EXPECT_EQ(parsed->find("bool")->as_bool(), true);
  EXPECT_EQ(parsed->find("string")->text, "hélas");
  EXPECT_EQ(parsed->find("u64")->as_unsigned(), UINT64_MAX);
  EXPECT_FALSE(parsed->find("u64")->as_signed());
  EXPECT_EQ(parsed->find("i64")->as_signed(), -9);
  EXPECT_EQ(parsed->find("f64")->as_number(), 2.25);
  EXPECT_EQ(parsed->find("missing"), nullptr);
}

}  // namespace
}  // namespace tome
