#include "base/base64.h"

#include <gtest/gtest.h>

namespace tome {
namespace {

TEST(Base64, gives_the_bytes_of_rfc_4648) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zm8="), "fo");
  EXPECT_EQ(decode_base64("Zm9v"), "foo");
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64("AAECAwD/"), std::string("\0\1\2\3\0\xFF", 6));
  EXPECT_EQ(decode_base64("+/+/"), "\xFB\xFF\xBF");
}

TEST(Base64, refuses_everything_else) {
  for (const char* text : {"A", "AA", "AAA", "AA=A", "A===", "====", "Zg==Zg==", "Zm9 ", " Zm9v", "Zm9v\n",
                           "Zm9v\n\n\n\n", "Zm-v", "Zm9v----", "Zm_v", "Zm9\xC3"})
    EXPECT_FALSE(decode_base64(text)) << text;
}

}  // namespace
}  // namespace tome
