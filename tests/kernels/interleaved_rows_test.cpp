// Interleaved rows: where their bytes lie, and their products against those of the same rows one after the other.
#include "tensor/interleaved_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "kernels/matmul.h"
#include "kernels/reference/reference_kernels.h"
#include "kernels/twins.h"

namespace tome::kernels {
namespace {

constexpr DType kTypes[] = {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                            DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k};

/// The fewest columns of whole blocks that are at least these.
template <class Count>
Count whole_blocks(DType type, Count columns) {
  const auto size = static_cast<Count>(dtype_info(type)->block_size);
  return (columns + size - 1) / size * size;
}

/// The same matrix both ways.
struct BothWays {
  BothWays(DType type, std::uint64_t rows, std::uint64_t columns)
      : stride(row_bytes(type, columns)), apart(rows * stride), interleaved(rows * stride) {
    Rng rng(7 + columns);
    for (std::uint64_t row = 0; row < rows; ++row)
      std::memcpy(apart.data() + row * stride, random_row(rng, type, columns).data(), stride);
    for (std::uint64_t row = 0; row + 16 <= rows; row += 16)
      interleave_rows(type, apart.data() + row * stride, columns, interleaved.data() + row * stride);
    plain = {type, {rows, columns}, apart.data()};
    view = {type, {rows, columns}, interleaved.data()};
    view.interleaved = true;
  }
  std::size_t stride;
  std::vector<std::byte> apart, interleaved;
  TensorView plain, view;
};

/// The three kernels: as plain loops, and of each set that has them.
struct Form {
  std::string name;
  void (*code_input)(const float*, int, int, int, std::byte*);
  void (*dots)(const InterleavedDots&);
  void (*pack)(DType, const std::byte*, int, int, std::uint16_t*);
  void (*pack_rows)(DType, const std::byte*, std::size_t, int, int, std::uint16_t*);
};
std::vector<Form> forms() {
  std::vector<Form> result{{"plain loops", reference::code_input, reference::interleaved_dots,
                            reference::pack_interleaved_bf16, reference::pack_panel_bf16}};
  for (const Isa isa : sets())
    if (const KernelTable& table = kernel_table(isa); table.interleaved_dots != nullptr)
      result.push_back({std::string(isa_name(isa)), table.code_input, table.interleaved_dots,
                        table.pack_interleaved_bf16, table.pack_panel_bf16});
  return result;
}

std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  std::vector<float> values(count);
  Rng rng(seed);
  fill(rng, values.data(), count);
  return values;
}

/// [inputs, rows]: what inputs of 16 bits may change: half a step of each block of 32 times its weights.
std::vector<double> rounding_of(const BothWays& both, const std::vector<float>& x) {
  const std::size_t k = both.plain.columns(), rows = both.plain.rows(), inputs = x.size() / k;
  std::vector<double> rounding(inputs * rows, 0.0);
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<float> weights(k);
    reference::dequantize_row(both.plain.type, both.plain.row(row), k, weights.data());
    for (std::size_t input = 0; input < inputs; ++input)
      rounding[input * rows + row] = largest_times_weights(x.data() + input * k, weights.data(), k) / 65024;
  }
  return rounding;
}

TEST(InterleavedRows, scales_then_minima_then_words_of_sixteen_rows) {
  std::vector<std::byte> rows(16 * 2 * 20), group(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::byte>(i * 37 + i / 256);
  interleave_rows(DType::q4_1, rows.data(), 64, group.data());
  for (std::size_t row = 0; row < 16; ++row)
    for (std::size_t block = 0; block < 2; ++block) {
      const std::byte *from = rows.data() + (row * 2 + block) * 20, *to = group.data() + block * 320;
      EXPECT_EQ(std::memcmp(to + row * 2, from, 2), 0);
      EXPECT_EQ(std::memcmp(to + 32 + row * 2, from + 2, 2), 0);
      for (std::size_t word = 0; word < 4; ++word)
        EXPECT_EQ(std::memcmp(to + 64 + word * 64 + row * 4, from + 4 + word * 4, 4), 0);
    }
}

TEST(InterleavedRows, super_blocks_keep_their_order_of_parts) {
  std::vector<std::byte> rows(16 * 210), group(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::byte>(i * 37 + i / 256);
  interleave_rows(DType::q6_k, rows.data(), 256, group.data());
  for (std::size_t row = 0; row < 16; ++row) {
    const std::byte* from = rows.data() + row * 210;
    for (std::size_t word = 0; word < 52; ++word)
      EXPECT_EQ(std::memcmp(group.data() + word * 64 + row * 4, from + word * 4, 4), 0);
    EXPECT_EQ(std::memcmp(group.data() + 52 * 64 + row * 2, from + 208, 2), 0);
  }
}

TEST(InterleavedRows, any_rows_come_apart_again) {
  for (const DType type : kTypes) {
    const BothWays both(type, 48, whole_blocks(type, 96));
    ASSERT_NE(both.apart, both.interleaved);
    for (const std::uint64_t first : {0u, 1u, 15u, 30u})
      for (const std::uint64_t count : {1u, 2u, 18u}) {
        std::vector<std::byte> rows(count * both.stride + 1, std::byte{0xee});
        separate_rows(both.view, first, count, rows.data());
        EXPECT_EQ(std::memcmp(rows.data(), both.apart.data() + first * both.stride, count * both.stride), 0)
            << dtype_name(type);
        EXPECT_EQ(rows.back(), std::byte{0xee});
      }
  }
}

TEST(InterleavedRows, are_made_of_whole_blocks_and_of_rows_by_sixteen) {
  for (const DType type : kWeightTypes) {
    const bool wanted = std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
    EXPECT_EQ(can_interleave({type, {32, 256}}), wanted) << dtype_name(type);
    EXPECT_FALSE(can_interleave({type, {40, 256}})) << dtype_name(type);
    EXPECT_EQ(can_interleave({type, {32, 288}}), wanted && dtype_info(type)->block_size == 32) << dtype_name(type);
  }
}

TEST(InterleavedRows, dots_agree_with_the_plain_loops_for_every_type_and_number_of_groups_and_inputs) {
  for (const DType type : kTypes)
    for (const std::size_t least : {32u, 64u, 576u, 1536u}) {
      const std::size_t k = whole_blocks(type, least);
      constexpr std::size_t most = 3, inputs = 8, stride_out = most * 16 + 1;
      const BothWays both(type, most * 16, k);
      const std::vector<float> x = random_values(inputs * k, k);
      const std::vector<double> rounding = rounding_of(both, x);
      std::vector<float> want(inputs * stride_out);
      reference::row_dot({type, both.apart.data(), both.stride, most * 16, static_cast<int>(k), x.data(), k, inputs,
                          want.data(), stride_out});
      for (const Form& form : forms()) {
        std::vector<std::byte> coded(inputs * coded_input_bytes(static_cast<int>(k)));
        for (std::size_t vector = 0; vector < inputs; ++vector)
          form.code_input(x.data() + vector * k, static_cast<int>(k), 0, static_cast<int>(k),
                          coded.data() + vector * coded_input_bytes(static_cast<int>(k)));
        for (std::size_t groups = 1; groups <= most; ++groups)
          for (std::size_t vectors = 1; vectors <= inputs; ++vectors) {
            std::vector<float> got(inputs * stride_out, NAN);
            form.dots({type, both.interleaved.data(), static_cast<int>(groups), static_cast<int>(k), coded.data(),
                       static_cast<int>(vectors), got.data(), stride_out});
            for (std::size_t i = 0; i < got.size(); ++i) {
              if (i / stride_out >= vectors || i % stride_out >= groups * 16)
                ASSERT_TRUE(std::isnan(got[i])) << "wrote past its rows";
              else
                ASSERT_NEAR(got[i], want[i],
                            1e-4 * (1 + std::fabs(want[i])) + rounding[i / stride_out * most * 16 + i % stride_out])
                    << dtype_name(type) << " " << form.name << " k " << k << " row " << i % stride_out;
            }
          }
      }
    }
}

TEST(InterleavedRows, codes_of_an_input_are_those_of_the_plain_loops) {
  constexpr int k = 160;
  std::vector<float> x = random_values(k, 5);
  std::fill_n(x.begin(), 32, 0.0f);
  x[40] = NAN;
  x[70] = -kInfinity;
  std::vector<std::byte> want(coded_input_bytes(k));
  reference::code_input(x.data(), k, 0, k, want.data());
  const auto value = [](const std::vector<std::byte>& coded, std::size_t at) {
    float result;
    std::memcpy(&result, coded.data() + at, 4);
    return result;
  };
  for (const Form& form : forms()) {
    std::vector<std::byte> got(want.size() + 1, std::byte{0xee});
    form.code_input(x.data(), k, 0, k, got.data());
    EXPECT_EQ(std::memcmp(got.data(), want.data(), 2 * k), 0) << form.name;
    EXPECT_EQ(std::memcmp(got.data() + 2 * k + k / 4, want.data() + 2 * k + k / 4, k / 4), 0) << form.name;
    for (std::size_t at = 2 * k; at < 2 * k + k / 4; at += 4) {  // scales, sums
      const float one = value(got, at), other = value(want, at);
      if (std::isnan(other) || std::isinf(other))
        EXPECT_EQ(std::isnan(one), std::isnan(other)) << form.name;
      else
        EXPECT_NEAR(one, other, 1e-5f) << form.name;
    }
    EXPECT_TRUE(std::isnan(value(got, 2 * k + 4))) << form.name;
    EXPECT_TRUE(std::isinf(value(got, 2 * k + 8))) << form.name;
    EXPECT_EQ(got.back(), std::byte{0xee});
  }
}

TEST(InterleavedRows, an_input_may_be_coded_in_parts) {
  constexpr int k = 224;
  const std::vector<float> x = random_values(k, 6);
  for (const Form& form : forms()) {
    std::vector<std::byte> whole(coded_input_bytes(k)), parts(whole.size(), std::byte{0xee});
    form.code_input(x.data(), k, 0, k, whole.data());
    for (const auto& [first, count] : {std::pair{96, 128}, {0, 32}, {32, 64}})
      form.code_input(x.data(), k, first, count, parts.data());
    EXPECT_EQ(parts, whole) << form.name;
  }
}

TEST(InterleavedRows, what_is_read_next_may_lie_anywhere_and_changes_nothing) {
  constexpr int groups = 3;
  for (const DType type : kTypes) {
    const int k = whole_blocks(type, 320);
    const BothWays both(type, 16 * groups, static_cast<std::uint64_t>(k));
    const std::vector<float> x = random_values(static_cast<std::size_t>(k), 8);
    for (const Form& form : forms()) {
      std::vector<std::byte> coded(coded_input_bytes(k));
      form.code_input(x.data(), k, 0, k, coded.data());
      const auto dots = [&](int ahead, const std::byte* after) {
        std::vector<float> out(16 * groups);
        form.dots({type, both.interleaved.data(), groups, k, coded.data(), 1, out.data(), 16 * groups, ahead, after});
        return out;
      };
      const std::vector<float> want = dots(kAskedAhead, nullptr);
      for (const int ahead : {0, 64, 1000, 1 << 20})
        for (const std::byte* after : {both.apart.data(), reinterpret_cast<const std::byte*>(64),
                                       reinterpret_cast<const std::byte*>(~std::uintptr_t{0} - 100)})
          EXPECT_EQ(dots(ahead, after), want) << form.name;
    }
  }
}

TEST(InterleavedRows, an_input_that_is_not_a_number_or_infinite_is_not_lost) {
  for (const DType type : kTypes) {
    const int k = whole_blocks(type, 96);
    const BothWays both(type, 16, static_cast<std::uint64_t>(k));
    for (const float bad : {NAN, kInfinity, -kInfinity})
      for (const int lost : {0, 31, k - 1})
        for (const Form& form : forms()) {
          std::vector<float> x(static_cast<std::size_t>(k), 1.0f), out(16, 0.0f);
          x[static_cast<std::size_t>(lost)] = bad;
          std::vector<std::byte> coded(coded_input_bytes(k));
          form.code_input(x.data(), k, 0, k, coded.data());
          form.dots({type, both.interleaved.data(), 1, k, coded.data(), 1, out.data(), 16});
          for (const float one : out) EXPECT_FALSE(std::isfinite(one)) << dtype_name(type) << " " << form.name;
        }
  }
}

TEST(InterleavedRows, panels_of_bf16_are_those_of_the_same_rows_to_the_bit) {
  for (const DType type : kTypes)
    for (const int least : {32, 96, 576})
      for (const int groups : {1, 2, 3, 4})
        for (const Form& form : forms()) {
          const int k = whole_blocks(type, least);
          const BothWays both(type, static_cast<std::uint64_t>(groups) * 16, static_cast<std::uint64_t>(k));
          std::vector<std::uint16_t> want(static_cast<std::size_t>(k) * 64, 1), got(want.size(), 2);
          form.pack_rows(type, both.apart.data(), both.stride, groups * 16, k, want.data());
          form.pack(type, both.interleaved.data(), groups, k, got.data());
          ASSERT_EQ(got, want) << dtype_name(type) << " " << form.name << " k " << k << " groups " << groups;
        }
}

TEST(InterleavedRows, products_agree_with_those_of_the_same_rows_on_every_instruction_set) {
  constexpr std::uint64_t outputs = 208;  // three panels and a quarter
  const Isa before = active_isa();
  for (const DType type : kTypes) {
    const std::uint64_t columns = whole_blocks<std::uint64_t>(type, 288);
    const BothWays both(type, outputs, columns);
    for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512bf16})
      for (const int rows : {1, 8, 9, 40})
        for (const ProductPrecision precision : {ProductPrecision::native, ProductPrecision::fp32}) {
          if (isa > best_isa()) continue;
          set_isa(isa);
          const std::vector<float> x = random_values(static_cast<std::size_t>(rows) * columns, 11);
          std::vector<float> want(static_cast<std::size_t>(rows) * outputs, NAN), got(want);
          MatmulScratch scratch;
          const MatmulWeight plain{&both.plain, want.data(), outputs}, interleaved{&both.view, got.data(), outputs};
          matmul({x.data(), rows, static_cast<int>(columns)}, {&plain, 1}, precision, scratch);
          matmul({x.data(), rows, static_cast<int>(columns)}, {&interleaved, 1}, precision, scratch);
          // Few rows, interleaved, round their inputs to 16 bits (a single one does both ways, with other sums); all
          // else is the same arithmetic.
          const bool coded = precision == ProductPrecision::native && rows <= 8 && isa == Isa::avx512bf16;
          const std::vector<double> rounding = rounding_of(both, x);
          for (std::size_t i = 0; i < got.size(); ++i)
            ASSERT_NEAR(got[i], want[i], coded ? 2 * rounding[i] + 1e-5 : 0.0)
                << dtype_name(type) << " " << isa_name(isa) << " rows " << rows;
        }
  }
  set_isa(before);
}

}  // namespace
}  // namespace tome::kernels
