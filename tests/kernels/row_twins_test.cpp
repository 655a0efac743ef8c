// Unpacked weight rows and their dot products, against their plain-loop twins.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/reference/reference_kernels.h"
#include "kernels/twins.h"

namespace tome::kernels {
namespace {

TEST(RowTwins, unpacking_agrees_for_every_weight_type) {
  Rng rng(3);
  for (const DType type : kWeightTypes) {
    for (const std::uint64_t count : {256u, 768u}) {
      const auto row = random_row(rng, type, count);
      std::vector<float> want(count), got(count);
      reference::dequantize_row(type, row.data(), count, want.data());
      for (const Isa isa : sets()) {
        kernel_table(isa).dequantize_row(type, row.data(), count, got.data());
        for (std::uint64_t i = 0; i < count; ++i)
          ASSERT_NEAR(got[i], want[i], 1e-6 + 1e-6 * std::fabs(want[i]))
              << dtype_name(type) << " " << isa_name(isa) << " at " << i;
      }
    }
  }
}

/// Rows of k values: every number of them and of inputs.
void compare_row_dots(DType type, std::size_t k) {
  Rng rng(4 + k);
  constexpr std::size_t most = 7, inputs = 8, stride_out = 9;
  const std::size_t stride = row_bytes(type, k), stride_x = k + 3;
  std::vector<std::byte> rows;
  for (std::size_t row = 0; row < most; ++row) {
    const auto one = random_row(rng, type, k);
    rows.insert(rows.end(), one.begin(), one.end());
  }
  std::vector<float> x(inputs * stride_x);
  fill(rng, x.data(), x.size());
  // What inputs of 16 bits may change: half a step of each block of 32 times its weights. AVX2 makes them of all inputs
  // to quantised rows, AVX-512 with 8-bit products of a single one, a little coarser, to rows of some types.
  std::vector<double> rounding(inputs * stride_out, 0.0);
  for (std::size_t vector = 0; vector < inputs; ++vector)
    for (std::size_t row = 0; row < most; ++row) {
      std::vector<float> weights(k);
      reference::dequantize_row(type, rows.data() + row * stride, k, weights.data());
      rounding[vector * stride_out + row] =
          largest_times_weights(x.data() + vector * stride_x, weights.data(), k) / 65534;
    }
  const bool blocks = type != DType::f32 && type != DType::f16 && type != DType::bf16;
  const bool by_codes = k <= 16384 && (type == DType::q4_0 || type == DType::q4_1 || type == DType::q5_0 ||
                                       type == DType::q5_1 || type == DType::q8_0);
  for (const Isa isa : sets())
    for (int count = 1; count <= static_cast<int>(most); ++count)
      for (int vectors = 1; vectors <= static_cast<int>(inputs); ++vectors) {
        std::vector<float> got(inputs * stride_out, NAN), want(inputs * stride_out, NAN);
        RowDot dot{type,     rows.data(), stride,  count,       static_cast<int>(k),
                   x.data(), stride_x,    vectors, want.data(), stride_out};
        reference::row_dot(dot);
        dot.out = got.data();
        kernel_table(isa).row_dot(dot);
        const double coarseness = isa == Isa::avx2 && blocks                           ? 1.0
                                  : isa == Isa::avx512bf16 && by_codes && vectors == 1 ? 65534.0 / 65024
                                                                                       : 0.0;
        for (std::size_t i = 0; i < got.size(); ++i) {
          if (std::isnan(want[i]))
            ASSERT_TRUE(std::isnan(got[i])) << "wrote past its rows";
          else
            ASSERT_NEAR(got[i], want[i], 1e-4 * (1 + std::fabs(want[i])) + rounding[i] * coarseness)
                << dtype_name(type) << " " << isa_name(isa) << " k " << k;
        }
      }
}

TEST(RowTwins, dots_agree_for_every_weight_type_row_length_and_any_number_of_rows_and_vectors) {
  for (const DType type : kWeightTypes)
    for (const std::size_t k : {32u, 96u, 128u, 256u, 352u, 512u, 640u})  // blocks by eight, by four and one by one
      if (k % dtype_info(type)->block_size == 0) compare_row_dots(type, k);
}

TEST(RowTwins, rows_longer_than_the_room_for_codes_are_dotted_too) {
  for (const std::size_t k : {16384u, 16416u}) compare_row_dots(DType::q4_0, k);
}

TEST(RowTwins, an_input_that_is_not_a_number_is_not_lost) {
  constexpr std::size_t k = 160;
  Rng rng(9);
  for (const DType type : {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0}) {
    const std::vector<std::byte> row = random_row(rng, type, k);
    for (const std::size_t lost : {std::size_t{0}, std::size_t{31}, k - 1}) {
      std::vector<float> x(k, 1.0f);
      x[lost] = NAN;
      for (const Isa isa : sets()) {
        float out = 0;
        kernel_table(isa).row_dot({type, row.data(), row.size(), 1, static_cast<int>(k), x.data(), k, 1, &out, 1});
        EXPECT_TRUE(std::isnan(out)) << dtype_name(type) << " " << isa_name(isa) << " " << lost;
      }
    }
  }
}

}  // namespace
}  // namespace tome::kernels
