#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "kernels/dequantize.h"
#include "tensor/interleaved_rows.h"

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

/// 16 rows side by side.
Weight interleaved(const Weight& weight) {
  Weight result;
  result.bytes.resize(weight.bytes.size());
  const std::uint64_t group = 16 * row_bytes(weight.view.type, weight.view.columns());
  for (std::uint64_t at = 0; at < weight.bytes.size(); at += group)
    interleave_rows(weight.view.type, weight.bytes.data() + at, weight.view.columns(), result.bytes.data() + at);
  result.view = weight.view;
  result.view.data = result.bytes.data();
  result.view.interleaved = true;
  return result;
}

TEST(Matmul, gated_products_are_the_gated_products_of_both_and_their_codes_those_of_the_whole) {
  struct Case {
    std::uint64_t outputs, columns;
    bool interleaves;
  };
  const KernelTable& table = kernels();
  for (const Case& c : {Case{99, 96, false}, Case{130, 64, false}, Case{544, 160, true}, Case{64, 32, true}})
    for (const int rows : {1, 2, 8, 9, 40})
      for (const int threads : {1, 2, 5})
        for (const ProductPrecision precision : {ProductPrecision::native, ProductPrecision::fp32}) {
          if (c.interleaves && table.interleaved_dots == nullptr) continue;
          set_thread_count(threads);
          Weight gate = make_weight(c.outputs, c.columns, DType::q4_0, 6),
                 up = make_weight(c.outputs, c.columns, DType::q8_0, 7),
                 down = make_weight(48, c.outputs / 32 * 32, DType::q4_0, 8);
          if (c.interleaves) gate = interleaved(gate), up = interleaved(up), down = interleaved(down);
          const auto n = static_cast<std::size_t>(rows);
          const int columns = static_cast<int>(c.columns), outputs = static_cast<int>(c.outputs);
          std::vector<float> x(n * c.columns), gates(n * c.outputs), values(gates.size()), got(gates.size(), NAN);
          Rng rng(9);
          for (float& value : x) value = static_cast<float>(rng.uniform() - 0.5);
          MatmulScratch scratch;
          const MatmulWeight apart[] = {{&gate.view, gates.data(), c.outputs}, {&up.view, values.data(), c.outputs}};
          matmul({x.data(), rows, columns}, apart, precision, scratch);
          for (std::size_t row = 0; row < n; ++row)
            table.gated_silu(gates.data() + row * c.outputs, values.data() + row * c.outputs, outputs,
                             gates.data() + row * c.outputs);
          const bool coded = c.interleaves && take_codes(down.view, rows, precision);
          EXPECT_EQ(coded, c.interleaves && rows <= 8 && precision == ProductPrecision::native);
          std::vector<std::byte> codes(coded ? n * coded_input_bytes(outputs) : 0, std::byte{0xee});
          const MatmulWeight together[] = {
              {&up.view, got.data(), c.outputs, &gate.view, table.gated_silu, coded ? codes.data() : nullptr}};
          expect_weights(together, rows);
          matmul({x.data(), rows, columns}, together, precision, scratch);
          for (std::size_t i = 0; i < got.size(); ++i)  // the tail of a row of odd length is gated by plain loops
            ASSERT_NEAR(got[i], gates[i], c.interleaves ? 0 : 1e-5f) << rows << " rows, " << threads << " threads";
          if (!coded) continue;
          std::vector<std::byte> whole(codes.size());
          for (std::size_t row = 0; row < n; ++row)
            table.code_input(got.data() + row * c.outputs, outputs, 0, outputs,
                             whole.data() + row * coded_input_bytes(outputs));
          ASSERT_EQ(codes, whole);
          std::vector<float> from_values(n * 48), from_codes(n * 48);
          const MatmulWeight first[] = {{&down.view, from_values.data(), 48}},
                             second[] = {{&down.view, from_codes.data(), 48}};
          matmul({got.data(), rows, outputs}, first, precision, scratch);
          std::vector<float> lost(got.size(), NAN);  // the codes are what is read
          matmul({lost.data(), rows, outputs, codes.data()}, second, precision, scratch);
          ASSERT_EQ(from_values, from_codes);
        }
  set_thread_count(0);
}

}  // namespace
}  // namespace tome::kernels
