#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "kernels/dequantize.h"

namespace tome::kernels {
namespace {

struct Weight {
  std::vector<std::byte> bytes;
  TensorView view;
  std::vector<float> values;
};

Weight make_weight(std::uint64_t rows, std::uint64_t columns, DType type, std::uint64_t seed) {
  Rng rng(seed);
  Weight w;
  w.bytes.resize(rows * row_bytes(type, columns));
  w.values.resize(rows * columns);
  for (std::uint64_t row = 0; row < rows; ++row) {
    std::vector<float> line(columns);
    for (float& value : line) value = static_cast<float>(rng.uniform() - 0.5);
    EXPECT_TRUE(quantize_row(type, line.data(), columns, w.bytes.data() + row * row_bytes(type, columns)));
    dequantize_row(type, w.bytes.data() + row * row_bytes(type, columns), columns, w.values.data() + row * columns);
  }
  w.view = {type, {rows, columns}, w.bytes.data()};
  return w;
}

void check(int rows, std::uint64_t outputs, std::uint64_t columns, DType type, ProductPrecision precision,
           double tolerance) {
  const Weight first = make_weight(outputs, columns, type, 1), second = make_weight(outputs + 5, columns, type, 2);
  std::vector<float> x(static_cast<std::size_t>(rows) * columns);
  Rng rng(3);
  for (float& value : x) value = static_cast<float>(rng.uniform() - 0.5);
  std::vector<float> a(static_cast<std::size_t>(rows) * outputs, NAN),
      b(static_cast<std::size_t>(rows) * (outputs + 5), NAN);
  MatmulScratch scratch;
  const MatmulWeight group[] = {{&first.view, a.data(), outputs}, {&second.view, b.data(), outputs + 5}};
  matmul({x.data(), rows, static_cast<int>(columns)}, group, precision, scratch);
  const auto expect = [&](const Weight& w, const std::vector<float>& got, std::uint64_t count) {
    for (int row = 0; row < rows; ++row)
      for (std::uint64_t output = 0; output < count; ++output) {
        double want = 0;
        for (std::uint64_t k = 0; k < columns; ++k)
          want += static_cast<double>(x[static_cast<std::size_t>(row) * columns + k]) *
                  static_cast<double>(w.values[output * columns + k]);
        ASSERT_NEAR(got[static_cast<std::size_t>(row) * count + output], want, tolerance)
            << rows << " rows, output " << output;
      }
  };
  expect(first, a, outputs);
  expect(second, b, outputs + 5);
}

TEST(Matmul, agrees_with_fp64_for_few_and_many_rows_and_odd_shapes) {
  for (const int rows : {1, 3, 8, 9, 31}) {
    check(rows, 99, 32, DType::f32, ProductPrecision::native, 2e-2);
    check(rows, 130, 288, DType::q8_0, ProductPrecision::native, 3e-2);
    check(rows, 64, 256, DType::q4_0, ProductPrecision::fp32, 1e-4);
    check(rows, 70, 34, DType::f32, ProductPrecision::fp32, 1e-4);
  }
}

TEST(Matmul, results_are_bitwise_the_same_for_any_thread_count) {
  const Weight w = make_weight(333, 256, DType::q8_0, 4);
  for (const int rows : {1, 40}) {
    std::vector<float> x(static_cast<std::size_t>(rows) * 256, 0.0f), one(static_cast<std::size_t>(rows) * 333),
        other(one.size());
    Rng rng(5);
    for (float& value : x) value = static_cast<float>(rng.uniform() - 0.5);
    MatmulScratch scratch;
    set_thread_count(1);
    const MatmulWeight to_one[] = {{&w.view, one.data(), 333}};
    matmul({x.data(), rows, 256}, to_one, ProductPrecision::native, scratch);
    for (const int threads : {2, 3, 7}) {
      set_thread_count(threads);
      const MatmulWeight to_other[] = {{&w.view, other.data(), 333}};
      matmul({x.data(), rows, 256}, to_other, ProductPrecision::native, scratch);
      ASSERT_EQ(one, other) << threads << " threads";
    }
    set_thread_count(0);
  }
}

}  // namespace
}  // namespace tome::kernels
