// Products of panels and the panels themselves, against their plain-loop twins.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/reference/reference_kernels.h"
#include "kernels/twins.h"

namespace tome::kernels {
namespace {

template <class Element>
void compare_products(void (*product)(const PanelProduct<Element>&), void (*twin)(const PanelProduct<Element>&),
                      Isa isa) {
  Rng rng(1);
  for (const int rows : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 48}) {
    for (const int k : {2, 6, 16, 34, 64, 256}) {
      for (const int panels : {1, 3}) {
        for (const std::size_t offset : {0u, 1u, 7u}) {
          const auto width = static_cast<std::size_t>(k * panels);
          Offset<Element> a(static_cast<std::size_t>(rows) * width, offset * 2), b(width * kPanelColumns, offset * 2);
          fill(rng, a.data, static_cast<std::size_t>(rows) * width);
          fill(rng, b.data, width * kPanelColumns);
          std::vector<const Element*> pointers;
          for (int panel = 0; panel < panels; ++panel) pointers.push_back(b.data + panel * k * kPanelColumns);
          for (const Accumulate accumulate : {Accumulate::no, Accumulate::yes}) {
            const std::size_t stride = 64 + offset;
            std::vector<float> got(static_cast<std::size_t>(rows) * stride, accumulate == Accumulate::no ? NAN : 0.5f),
                want = got;
            PanelProduct<Element> p{a.data, width, pointers.data(), panels, k, got.data(), stride, rows, accumulate};
            product(p);
            p.c = want.data();
            twin(p);
            for (int row = 0; row < rows; ++row)
              for (std::size_t column = 0; column < 64; ++column) {
                const std::size_t at = static_cast<std::size_t>(row) * stride + column;
                ASSERT_NEAR(got[at], want[at], 2e-5 * std::sqrt(static_cast<double>(width)) + 1e-5)
                    << isa_name(isa) << " rows " << rows << " k " << k << " panels " << panels;
              }
          }
        }
      }
    }
  }
}

TEST(PanelTwins, f32_panel_products_agree_on_every_instruction_set) {
  for (const Isa isa : sets())
    compare_products<float>(kernel_table(isa).panel_product_f32, reference::panel_product_f32, isa);
}

TEST(PanelTwins, bf16_panel_products_agree_where_the_machine_has_them) {
  for (const Isa isa : sets())
    if (kernel_table(isa).bf16_products)
      compare_products<std::uint16_t>(kernel_table(isa).panel_product_bf16, reference::panel_product_bf16, isa);
}

TEST(PanelTwins, packed_panels_are_the_unpacked_rows_turned) {
  Rng rng(5);
  for (const DType type : kWeightTypes) {
    const int k =
        dtype_info(type)->block_size == 256 ? 512 : 352;  // 352: a step of 256 and a rest that is no multiple of 64
    const std::size_t stride = row_bytes(type, static_cast<std::uint64_t>(k));
    std::vector<std::byte> rows;
    for (int row = 0; row < 64; ++row) {
      const auto one = random_row(rng, type, static_cast<std::uint64_t>(k));
      rows.insert(rows.end(), one.begin(), one.end());
    }
    for (const int row_count : {1, 17, 64}) {
      std::vector<float> got(static_cast<std::size_t>(k) * 64), want(got.size());
      std::vector<std::uint16_t> got16(got.size()), want16(got.size());
      reference::pack_panel_f32(type, rows.data(), stride, row_count, k, want.data());
      reference::pack_panel_bf16(type, rows.data(), stride, row_count, k, want16.data());
      for (const Isa isa : sets()) {
        kernel_table(isa).pack_panel_f32(type, rows.data(), stride, row_count, k, got.data());
        kernel_table(isa).pack_panel_bf16(type, rows.data(), stride, row_count, k, got16.data());
        for (std::size_t i = 0; i < got.size(); ++i) {
          ASSERT_NEAR(got[i], want[i], 1e-6 + 1e-6 * std::fabs(want[i])) << dtype_name(type) << " " << isa_name(isa);
          ASSERT_NEAR(bf16_to_f32(got16[i]), bf16_to_f32(want16[i]), 8e-3 * std::fabs(bf16_to_f32(want16[i])) + 1e-6);
        }
      }
    }
  }
}

TEST(PanelTwins, codes_of_16_bits_and_their_products_agree_with_the_plain_loops_and_stay_finer_than_bf16) {
  Rng rng(6);
  for (const DType type : kWeightTypes)
    for (const int k : {256, 512, 768})
      for (const int row_count : {1, 8, 37, 64}) {
        const std::size_t stride = row_bytes(type, static_cast<std::uint64_t>(k)), width = static_cast<std::size_t>(k);
        std::vector<std::byte> rows;
        for (int row = 0; row < row_count; ++row) {
          const auto one = random_row(rng, type, static_cast<std::uint64_t>(k));
          rows.insert(rows.end(), one.begin(), one.end());
        }
        constexpr int inputs = 11;  // six, three and two at a time
        const std::size_t blocks = width / 32;
        std::vector<float> x(inputs * width), scales(inputs * blocks), want_scales(inputs * blocks);
        fill(rng, x.data(), x.size());
        std::fill_n(x.data(), 32, 0.0f);
        std::vector<std::int16_t> codes(x.size()), want_codes(x.size());
        std::vector<std::byte> panel(code_panel_bytes(k)), want_panel(code_panel_bytes(k));
        reference::pack_panel_codes(type, rows.data(), stride, row_count, k, want_panel.data());
        for (const Isa isa : sets()) {
          const KernelTable& table = kernel_table(isa);
          table.pack_panel_codes(type, rows.data(), stride, row_count, k, panel.data());
          for (std::size_t row = 0; row < inputs; ++row) {
            table.input_codes(x.data() + row * width, k, codes.data() + row * width, scales.data() + row * blocks);
            reference::input_codes(x.data() + row * width, k, want_codes.data() + row * width,
                                   want_scales.data() + row * blocks);
          }
          ASSERT_EQ(codes, want_codes) << isa_name(isa);
          ASSERT_EQ(scales, want_scales) << isa_name(isa);
          ASSERT_EQ(table.pack_panel_codes == reference::pack_panel_codes, isa == Isa::scalar);
          std::vector<float> got(inputs * 70, NAN), want(inputs * 70, NAN);
          table.panel_product_codes({codes.data(), scales.data(), panel.data(), k, got.data(), 70, inputs});
          reference::panel_product_codes({codes.data(), scales.data(), want_panel.data(), k, want.data(), 70, inputs});
          std::vector<float> weights(width);
          for (std::size_t column = 0; column < 70; ++column) {
            if (column < static_cast<std::size_t>(row_count))
              reference::dequantize_row(type, rows.data() + column * stride, width, weights.data());
            else
              std::fill(weights.begin(), weights.end(), 0.0f);
            for (std::size_t row = 0; row < inputs; ++row) {
              const float value = got[row * 70 + column];
              if (column >= 64) {
                ASSERT_TRUE(std::isnan(value)) << "wrote past its columns";
                continue;
              }
              double exact = 0, size = 0;
              for (std::size_t i = 0; i < width; ++i) {
                const double product = static_cast<double>(x[row * width + i]) * static_cast<double>(weights[i]);
                exact += product;
                size += std::fabs(product);
              }
              // Vectors round a weight that lies between two codes the other way now and then.
              ASSERT_NEAR(value, want[row * 70 + column], 1e-6 + 1e-4 * size) << dtype_name(type) << isa_name(isa);
              ASSERT_NEAR(value, exact, 1e-6 + size / 512) << dtype_name(type) << " " << isa_name(isa) << " k " << k;
            }
          }
        }
      }
}

TEST(PanelTwins, an_input_that_is_not_a_number_is_not_lost_in_codes) {
  for (const float bad : {NAN, INFINITY, -INFINITY})
    for (const Isa isa : sets()) {
      std::vector<float> x(64, 1.0f), scales(2), c(64);
      x[40] = bad;
      std::vector<std::int16_t> codes(64);
      std::vector<float> weights(64 * 64, 1.0f);
      std::vector<std::byte> panel(code_panel_bytes(64));
      const KernelTable& table = kernel_table(isa);
      table.input_codes(x.data(), 64, codes.data(), scales.data());
      EXPECT_TRUE(std::isfinite(scales[0])) << isa_name(isa);
      table.pack_panel_codes(DType::f32, reinterpret_cast<const std::byte*>(weights.data()), 256, 64, 64, panel.data());
      table.panel_product_codes({codes.data(), scales.data(), panel.data(), 64, c.data(), 64, 1});
      for (const float value : c) ASSERT_FALSE(std::isfinite(value)) << isa_name(isa);
    }
}

}  // namespace
}  // namespace tome::kernels
