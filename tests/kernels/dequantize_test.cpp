#include "kernels/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/cpu_features.h"
#include "base/rng.h"

namespace tome::kernels {
namespace {

struct GoldenRecord {
  std::vector<std::byte> bytes;
  std::vector<float> values;
};

/// tests/golden/formats/dequantize.bin; make_dequantize.py beside it says how it is laid out.
std::map<std::string, GoldenRecord> golden_records() {
  std::ifstream file(std::string(TOME_TEST_DATA) + "/formats/dequantize.bin", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::map<std::string, GoldenRecord> records;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto length = static_cast<unsigned char>(text[at]);
    const std::string name = text.substr(at + 1, length);
    at += 1u + length;
    std::uint32_t sizes[2];
    std::memcpy(sizes, text.data() + at, sizeof sizes);
    at += sizeof sizes;
    GoldenRecord record{std::vector<std::byte>(sizes[1]), std::vector<float>(sizes[0])};
    std::memcpy(record.bytes.data(), text.data() + at, sizes[1]);
    std::memcpy(record.values.data(), text.data() + at + sizes[1], sizes[0] * sizeof(float));
    at += sizes[1] + sizes[0] * sizeof(float);
    records[name] = std::move(record);
  }
  return records;
}

const char* const readable_types[] = {"f32",  "f16",  "bf16", "q4_0", "q4_1", "q5_0",   "q5_1",  "q8_0",
                                      "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs"};

/// Distance in units of the last place; ±0 are the same value.
std::int64_t ulps(float a, float b) {
  const auto ordered = [](float value) {
    const auto bits = std::bit_cast<std::int32_t>(value);
    return bits < 0 ? std::int64_t{std::numeric_limits<std::int32_t>::min()} - bits : std::int64_t{bits};
  };
  return std::llabs(ordered(a) - ordered(b));
}

TEST(Dequantize, every_type_equals_the_reference_library_bit_for_bit) {
  const auto records = golden_records();
  for (const char* name : readable_types) {
    ASSERT_TRUE(records.contains(name)) << name;
    const GoldenRecord& golden = records.at(name);
    ASSERT_GE(golden.values.size(), 64u);
    std::vector<float> values(golden.values.size());
    reference::dequantize_row(*dtype_from_name(name), golden.bytes.data(), values.size(), values.data());
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(ulps(values[i], golden.values[i]), 0)
          << name << " value " << i << ": " << values[i] << ", expected " << golden.values[i];
  }
}

TEST(Dequantize, the_dispatched_kernel_equals_its_twin_on_every_instruction_set_and_misalignment) {
  const auto records = golden_records();
  const Isa before = active_isa();
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa) {
    set_isa(static_cast<Isa>(isa));
    for (const char* name : readable_types) {
      const GoldenRecord& golden = records.at(name);
      const DType type = *dtype_from_name(name);
      const std::uint64_t block = dtype_info(type)->block_size;
      for (std::size_t misalignment = 0; misalignment < 4; ++misalignment) {
        std::vector<std::byte> moved(golden.bytes.size() + misalignment);
        std::memcpy(moved.data() + misalignment, golden.bytes.data(), golden.bytes.size());
        for (std::uint64_t count = 0; count <= golden.values.size(); count += block) {
          std::vector<float> expected(count + 1, 7.0f), values(count + 1, 7.0f);
          reference::dequantize_row(type, golden.bytes.data(), count, expected.data());
          dequantize_row(type, moved.data() + misalignment, count, values.data());
          for (std::uint64_t i = 0; i < count; ++i)
            ASSERT_LE(ulps(values[i], expected[i]), 1)
                << name << " on " << isa_name(static_cast<Isa>(isa)) << ", value " << i << " of " << count;
          ASSERT_EQ(values[count], 7.0f) << name << " wrote behind its row";
        }
      }
    }
  }
  set_isa(before);
}

TEST(Quantize, written_types_equal_the_reference_library_byte_for_byte) {
  const auto records = golden_records();
  for (const char* name : {"f32", "f16", "bf16", "q8_0", "q4_0"}) {
    const GoldenRecord& golden = records.at(std::string("write_") + name);
    std::vector<std::byte> bytes(golden.bytes.size());
    ASSERT_TRUE(quantize_row(*dtype_from_name(name), golden.values.data(), golden.values.size(), bytes.data()));
    for (std::size_t i = 0; i < bytes.size(); ++i) ASSERT_EQ(bytes[i], golden.bytes[i]) << name << " byte " << i;
  }
}

TEST(Quantize, types_that_are_only_read_are_refused) {
  const std::vector<float> values(256, 1.0f);
  std::vector<std::byte> row(1024);
  for (const char* name : {"q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs"})
    EXPECT_FALSE(quantize_row(*dtype_from_name(name), values.data(), 256, row.data())) << name;
}

TEST(Quantize, q8_0_keeps_values_within_half_a_step_and_q4_0_within_one) {
  Rng rng(3);
  std::vector<float> values(32 * 50), back(values.size());
  for (float& value : values) value = static_cast<float>(rng.uniform() * 8.0 - 4.0);
  std::vector<std::byte> row(values.size() * 4);
  for (const auto& [type, levels] : {std::pair{DType::q8_0, 127.0f}, std::pair{DType::q4_0, 8.0f}}) {
    ASSERT_TRUE(quantize_row(type, values.data(), values.size(), row.data()));
    reference::dequantize_row(type, row.data(), values.size(), back.data());
    const float step = 4.0f / levels;
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_LE(std::fabs(values[i] - back[i]), step * (type == DType::q8_0 ? 0.55f : 1.01f)) << dtype_name(type);
  }
}

TEST(Quantize, not_a_number_and_infinity_do_not_reach_an_undefined_conversion) {
  std::vector<float> values(32, 1.0f);
  values[3] = std::numeric_limits<float>::quiet_NaN();
  values[4] = std::numeric_limits<float>::infinity();
  values[5] = 1e-45f;
  std::vector<std::byte> row(64);
  EXPECT_TRUE(quantize_row(DType::q8_0, values.data(), 32, row.data()));
  EXPECT_TRUE(quantize_row(DType::q4_0, values.data(), 32, row.data()));
}

}  // namespace
}  // namespace tome::kernels
