#include "formats/gguf_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/mapped_file.h"
#include "formats/gguf_cases.h"
#include "formats/gguf_model.h"
#include "formats/temporary_folder.h"

namespace tome {
namespace {

using test::TemporaryFolder;

std::span<const std::byte> bytes_of(const std::vector<float>& values) { return std::as_bytes(std::span(values)); }

TEST(GgufWriter, what_is_written_is_read_back) {
  const TemporaryFolder folder;
  const std::vector<float> matrix{1, 2, 3, 4, 5, 6}, vector{7, 8, 9};
  const std::vector<std::string> words{"", "zwei", "\xE2\x96\x81trois"};
  GgufWriter writer;
  writer.set("general.architecture", "llama");
  writer.set("count", std::uint32_t{7});
  writer.set("long", std::uint64_t{1} << 40);
  writer.set("below", std::int32_t{-4});
  writer.set("epsilon", 1e-6f);
  writer.set("flag", true);
  writer.set("words", std::span<const std::string>(words));
  writer.set("scores", std::span<const float>(vector));
  writer.set("count", std::uint32_t{8});
  const std::uint64_t matrix_shape[] = {2, 3}, vector_shape[] = {3};
  ASSERT_TRUE(writer.add_tensor("matrix", DType::f32, matrix_shape, bytes_of(matrix)));
  ASSERT_TRUE(writer.add_tensor("vector", DType::f32, vector_shape, bytes_of(vector)));
  const std::string path = folder.path("written.gguf");
  ASSERT_TRUE(writer.write(path));

  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file);
  const auto parsed = parse_gguf((*file)->bytes(), path);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->version, 3u);
  ASSERT_EQ(parsed->metadata.size(), 8u);
  EXPECT_EQ(parsed->metadata[1].first, "count");
  EXPECT_EQ(parsed->find("count")->as_unsigned(), 8u);
  EXPECT_EQ(parsed->find("long")->as_unsigned(), std::uint64_t{1} << 40);
  EXPECT_EQ(parsed->find("below")->as_signed(), -4);
  EXPECT_EQ(parsed->find("flag")->as_bool(), true);
  EXPECT_EQ(parsed->find("words")->strings, (std::vector<std::string_view>{"", "zwei", "\xE2\x96\x81trois"}));
  EXPECT_EQ(parsed->find("scores")->scalar(2).as_number(), 9.0);
  ASSERT_EQ(parsed->tensors.size(), 2u);
  EXPECT_EQ(parsed->tensors[0].dimensions, (std::vector<std::uint64_t>{3, 2}));
  EXPECT_EQ(std::memcmp(parsed->tensors[0].data.data(), matrix.data(), 24), 0);
  EXPECT_EQ(std::memcmp(parsed->tensors[1].data.data(), vector.data(), 12), 0);
}

TEST(GgufWriter, a_file_that_was_read_is_written_byte_for_byte_the_same) {
  const TemporaryFolder folder;
  for (const test::ParserCase& entry : test::gguf_cases()) {
    if (!entry.message.empty() || entry.name == "valid_version_2") continue;
    const auto parsed = parse_gguf(std::as_bytes(std::span(entry.input)), entry.name);
    ASSERT_TRUE(parsed);
    GgufWriter writer;
    for (const auto& [key, value] : parsed->metadata) writer.set(key, value);
    for (const GgufTensor& tensor : parsed->tensors) {
      const std::vector<std::uint64_t> shape(tensor.dimensions.rbegin(), tensor.dimensions.rend());
      ASSERT_TRUE(writer.add_tensor(tensor.name, tensor.type, shape, tensor.data));
    }
    const std::string path = folder.path(entry.name);
    ASSERT_TRUE(writer.write(path));
    EXPECT_EQ(*read_file(path, 1 << 20), entry.input) << entry.name;
  }
}

TEST(GgufWriter, what_no_reader_would_take_is_refused) {
  GgufWriter writer;
  const std::vector<float> values(32, 1.0f);
  const auto add = [&](std::string_view name, DType type, std::vector<std::uint64_t> shape, std::size_t count) {
    return writer.add_tensor(name, type, shape, bytes_of(values).first(count));
  };
  EXPECT_FALSE(add("", DType::f32, {2}, 8));
  EXPECT_FALSE(add(std::string(64, 'n'), DType::f32, {2}, 8));
  EXPECT_FALSE(add("scalar", DType::f32, {}, 4));
  EXPECT_FALSE(add("five", DType::f32, {1, 1, 1, 1, 2}, 8));
  EXPECT_FALSE(add("zero", DType::f32, {0, 2}, 0));
  EXPECT_FALSE(add("short", DType::f32, {3}, 8));
  EXPECT_FALSE(add("huge", DType::f32, {std::uint64_t{1} << 40, std::uint64_t{1} << 40}, 8));
  EXPECT_FALSE(add("block", DType::q8_0, {16}, 17));
  ASSERT_TRUE(add("twice", DType::f32, {2}, 8));
  EXPECT_FALSE(add("twice", DType::f32, {2}, 8));
}

TEST(GgufWriter, a_target_that_cannot_be_written_leaves_nothing_behind) {
  const TemporaryFolder folder;
  GgufWriter writer;
  writer.set("general.architecture", "llama");
  const Status missing = writer.write(folder.path("no/such/folder.gguf"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::io);
  // The target is a folder: the rename fails after the bytes were written.
  std::filesystem::create_directory(folder.path("taken"));
  std::filesystem::create_directory(folder.path("taken/inside"));
  ASSERT_FALSE(writer.write(folder.path("taken")));
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path(""))) ++entries;
  EXPECT_EQ(entries, 1u);
}

TEST(GgufWriter, a_full_disk_is_an_error) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const TemporaryFolder folder;
  const std::vector<float> values(1 << 16, 1.0f);
  GgufWriter writer;
  const std::uint64_t shape[] = {values.size()};
  ASSERT_TRUE(writer.add_tensor("values", DType::f32, shape, bytes_of(values)));
  // The file beside the target is where the bytes go: put the full device there.
  const std::string path = folder.path("model.gguf");
  std::filesystem::create_symlink("/dev/full", path + ".part" + std::to_string(::getpid()));
  const Status written = writer.write(path);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("No space left"), std::string::npos) << written.error().message;
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace tome
