// Every kernel against its plain-loop twin: lengths × misalignments × instruction sets.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "kernels/dequantize.h"
#include "kernels/kernel_table.h"
#include "kernels/reference/reference_kernels.h"

namespace tome::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<Isa> sets() {
  std::vector<Isa> result;
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512bf16})
    if (isa <= best_isa()) result.push_back(isa);
  return result;
}

float normal(Rng& rng) {
  const double u = 1.0 - rng.uniform(), v = rng.uniform();
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
}

/// `count` values that start `offset` elements into a 64-byte aligned block.
template <class T>
struct Offset {
  Offset(std::size_t count, std::size_t offset) : storage(count + offset + 64), data(storage.data() + offset) {}
  std::vector<T> storage;
  T* data;
};

void fill(Rng& rng, float* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = normal(rng);
}
void fill(Rng& rng, std::uint16_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = f32_to_bf16(normal(rng));
}

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

TEST(KernelTwins, f32_panel_products_agree_on_every_instruction_set) {
  for (const Isa isa : sets())
    compare_products<float>(kernel_table(isa).panel_product_f32, reference::panel_product_f32, isa);
}

TEST(KernelTwins, bf16_panel_products_agree_where_the_machine_has_them) {
  for (const Isa isa : sets())
    if (kernel_table(isa).bf16_products)
      compare_products<std::uint16_t>(kernel_table(isa).panel_product_bf16, reference::panel_product_bf16, isa);
}

void compare_softmax(void (*softmax)(const SoftmaxTile&), Isa isa) {
  constexpr double tolerance = 1e-5;
  Rng rng(2);
  for (const int rows : {1, 3, 17}) {
    for (const int keys : {16, 64, 192, 256}) {
      constexpr int columns = 64;
      const auto n = static_cast<std::size_t>(rows);
      std::vector<float> output(n * columns), highest(n, -kInfinity), sum(n, 0.0f);
      fill(rng, output.data(), output.size());
      std::vector<float> output2 = output, highest2 = highest, sum2 = sum;
      for (int step = 0; step < 4; ++step) {
        std::vector<float> scores(n * static_cast<std::size_t>(keys));
        fill(rng, scores.data(), scores.size());
        for (float& score : scores) score *= static_cast<float>(1 + step * 20);  // forces rescales and deep underflow
        for (int row = 0; row < rows; ++row)
          for (int key = 0; key < keys; ++key)
            if ((step == 1 && row % 2 == 0) || (key * 7 + row) % 5 == 0)
              scores[static_cast<std::size_t>(row * keys + key)] = -kInfinity;
        std::vector<float> p(scores.size()), p2(scores.size());
        const auto stride = static_cast<std::size_t>(keys);
        softmax({scores.data(), stride, rows, keys, highest.data(), sum.data(), output.data(), columns, columns,
                 p.data(), stride});
        reference::softmax_tile_f32({scores.data(), stride, rows, keys, highest2.data(), sum2.data(), output2.data(),
                                     columns, columns, p2.data(), stride});
        for (std::size_t i = 0; i < p.size(); ++i)
          ASSERT_NEAR(p[i], p2[i], tolerance * (1.0 + std::fabs(p2[i]))) << isa_name(isa) << " step " << step;
        for (std::size_t i = 0; i < n; ++i) {
          ASSERT_EQ(highest[i], highest2[i]);
          ASSERT_NEAR(sum[i], sum2[i], tolerance * (1.0 + sum2[i]));
        }
        for (std::size_t i = 0; i < output.size(); ++i)
          ASSERT_NEAR(output[i], output2[i], 1e-5 * (1.0 + std::fabs(output2[i])));
      }
    }
  }
}

TEST(KernelTwins, online_softmax_agrees_with_masks_rescales_and_rows_that_see_nothing) {
  for (const Isa isa : sets()) compare_softmax(kernel_table(isa).softmax_tile_f32, isa);
}

/// What a tile's rows have after a few steps, normalised: output / Σ sum and the LSE in base 2.
struct StepResult {
  std::vector<float> output;
  std::vector<double> lse;
};

struct StepCase {
  int rows, dims;
  float spread;  ///< of the scores
  bool masked;
  bool int8 = false, q8 = false;
};

StepResult take_steps(void (*kernel)(const AttentionStep&), const StepCase& c) {
  constexpr int steps = 3, pages = kStepPages;
  constexpr std::size_t panel = 64 * 64;
  const auto rows = static_cast<std::size_t>(c.rows), dims = static_cast<std::size_t>(c.dims);
  const std::size_t panels = (dims + 63) / 64, columns = panels * 64;
  Rng rng(11);
  const auto make = [&](std::size_t count) {
    Offset<std::uint16_t> values(count, 2);
    fill(rng, values.data, count);
    return values;
  };
  std::vector<float> output(rows * columns, 0.0f), reference(rows, -kInfinity), sum(rows * 16, 0.0f);
  std::vector<float> queries32(rows * dims);
  fill(rng, queries32.data(), queries32.size());
  std::vector<std::uint16_t> queries(queries32.size());
  for (std::size_t i = 0; i < queries.size(); ++i)
    queries[i] = f32_to_bf16(queries32[i] * c.spread / std::sqrt(static_cast<float>(dims)));
  const std::size_t blocks = dims / 32;
  std::vector<std::int8_t> queries_8(rows * dims);
  std::vector<std::int32_t> offsets(rows * blocks, 0);
  std::vector<float> query_scales(rows);
  for (std::size_t row = 0; c.int8 && row < rows; ++row) {
    query_scales[row] = c.spread / (70.0f * std::sqrt(static_cast<float>(dims)));
    for (std::size_t dim = 0; dim < dims; ++dim) {
      queries_8[row * dims + dim] = static_cast<std::int8_t>(static_cast<int>(rng.next() % 255) - 127);
      offsets[row * blocks + dim / 32] -= 128 * queries_8[row * dims + dim];
    }
  }
  for (int step = 0; step < steps; ++step) {
    const int count = step == 1 ? pages - 1 : pages;
    std::vector<std::vector<std::byte>> codes(pages);
    std::vector<std::vector<float>> scales(pages);
    const std::byte* code_pointers[pages];
    const float* scale_pointers[pages];
    std::vector<std::vector<std::byte>> value_codes(pages);
    const std::byte* value_code_pointers[pages];
    for (std::size_t page = 0; c.q8 && page < pages; ++page) {
      for (std::size_t i = 0; i < panels; ++i) {
        for (std::size_t code = 0; code < panel; ++code)
          value_codes[page].push_back(static_cast<std::byte>(rng.next() % 255 + 129));
        for (std::size_t scale = 0; scale < 128; ++scale) {
          const std::uint16_t bits = f32_to_f16(static_cast<float>(rng.uniform()) / 70.0f);
          value_codes[page].push_back(static_cast<std::byte>(bits & 255));
          value_codes[page].push_back(static_cast<std::byte>(bits >> 8));
        }
      }
      value_code_pointers[page] = value_codes[page].data();
    }
    for (std::size_t page = 0; (c.int8 || c.q8) && page < pages; ++page) {
      for (std::size_t i = 0; i < dims * 64; ++i) codes[page].push_back(static_cast<std::byte>(1 + rng.next() % 255));
      for (std::size_t i = 0; i < blocks * 64; ++i) scales[page].push_back(static_cast<float>(rng.uniform()) / 70.0f);
      code_pointers[page] = codes[page].data();
      scale_pointers[page] = scales[page].data();
    }
    std::vector<Offset<std::uint16_t>> keys, values;
    std::vector<std::uint64_t> words(rows * pages);
    const std::uint16_t *key_pointers[pages], *value_pointers[pages];
    const std::uint64_t* visible[pages];
    keys.reserve(pages);
    values.reserve(pages);
    for (int page = 0; page < count; ++page) {
      keys.push_back(make(64 * dims));
      values.push_back(make(panels * panel));
      const auto at = static_cast<std::size_t>(page);
      key_pointers[page] = keys[at].data;
      value_pointers[page] = values[at].data;
      visible[page] = nullptr;
      if (!c.masked || (step + page) % 3 == 2) continue;
      visible[page] = words.data() + at * rows;
      for (std::size_t row = 0; row < rows; ++row) {
        const std::uint64_t some = rng.next() & rng.next();
        words[at * rows + row] = (row + at) % 4 == 0 ? 0 : some;
      }
      // What nobody sees may be anything as a key.
      std::uint64_t seen = 0;
      for (std::size_t row = 0; row < rows; ++row) seen |= words[at * rows + row];
      for (std::size_t key = 0; key < 64; ++key)
        if ((seen >> key & 1) == 0)
          for (std::size_t dim = 0; dim < dims; ++dim) keys[at].data[(dim / 2 * 64 + key) * 2 + dim % 2] = 0x7fc0;
    }
    const std::byte *keys_ahead[pages], *values_ahead[pages];
    for (int page = 0; page < count; ++page) {
      keys_ahead[page] = reinterpret_cast<const std::byte*>(key_pointers[page]);
      values_ahead[page] = page % 2 == 0 ? nullptr : reinterpret_cast<const std::byte*>(value_pointers[page]);
    }
    kernel({.queries = queries.data(),
            .rows = c.rows,
            .dims = c.dims,
            .pages = count,
            .keys = key_pointers,
            .queries_8 = queries_8.data(),
            .query_scales = query_scales.data(),
            .query_offsets = offsets.data(),
            .keys_8 = code_pointers,
            .key_scales = scale_pointers,
            .values_8 = value_code_pointers,
            .values = value_pointers,
            .value_panels = static_cast<int>(panels),
            .visible = visible,
            .keys_ahead = keys_ahead,
            .values_ahead = values_ahead,
            .pages_ahead = count,
            .output = output.data(),
            .reference = reference.data(),
            .sum = sum.data()});
  }
  StepResult result;
  for (std::size_t row = 0; row < rows; ++row) {
    double total = 0;
    for (std::size_t lane = 0; lane < 16; ++lane) total += static_cast<double>(sum[row * 16 + lane]);
    result.lse.push_back(static_cast<double>(reference[row]) + std::log2(total));
    for (std::size_t column = 0; column < columns; ++column)
      result.output.push_back(
          total > 0 ? static_cast<float>(static_cast<double>(output[row * columns + column]) / total) : 0.0f);
  }
  return result;
}

TEST(KernelTwins, attention_steps_agree_over_rows_dims_masks_and_scores_that_outgrow_their_reference) {
  for (const Isa isa : sets()) {
    if (kernel_table(isa).attention_step_bf16 == reference::attention_step_bf16) continue;
    for (const int rows : {1, 2, 3, 4, 5, 6, 7, 12, 17}) {
      for (const int dims : {32, 64, 80, 96, 128, 256}) {
        for (const float spread : {1.0f, 6.0f, 60.0f, 2000.0f}) {
          for (int form = 0; form < 6; ++form) {
            const StepCase c{rows, dims, spread, form % 2 == 1, form / 2 == 1, form / 2 == 2};
            const KernelTable& table = kernel_table(isa);
            if ((c.int8 || c.q8) && dims % 32 != 0) continue;
            const auto step = c.int8 ? table.attention_step_int8
                              : c.q8 ? table.attention_step_q8
                                     : table.attention_step_bf16,
                       plain = c.int8 ? reference::attention_step_int8
                               : c.q8 ? reference::attention_step_q8
                                      : reference::attention_step_bf16;
            if (step == nullptr || step == plain) continue;
            const StepResult got = take_steps(step, c), want = take_steps(plain, c);
            // Large scores: fp32 sums of different order differ by 1e-6 of them, and one probability in many is rounded
            // to bf16 the other way.
            const double score_error = 8e-6 * static_cast<double>(spread), rounding = 3.6e-2;
            for (std::size_t row = 0; row < want.lse.size(); ++row) {
              if (std::isinf(want.lse[row]))
                ASSERT_EQ(got.lse[row], want.lse[row]);
              else
                ASSERT_NEAR(got.lse[row], want.lse[row], 1.2e-2 + score_error)
                    << isa_name(isa) << " rows " << rows << " dims " << dims << " spread " << spread;
            }
            for (std::size_t i = 0; i < want.output.size(); ++i)
              ASSERT_NEAR(got.output[i], want.output[i], rounding + score_error)
                  << isa_name(isa) << " rows " << rows << " dims " << dims << " spread " << spread;
          }
        }
      }
    }
  }
}

TEST(KernelTwins, a_score_that_is_not_a_number_is_not_lost) {
  for (const Isa isa : sets()) {
    constexpr int rows = 6, dims = 64;
    std::vector<std::uint16_t> queries(rows * dims, f32_to_bf16(0.5f)), keys(64 * dims, f32_to_bf16(0.5f)),
        values(64 * 64, f32_to_bf16(1.0f));
    std::vector<float> output(rows * 64, 0.0f), reference(rows, -kInfinity), sum(rows * 16, 0.0f);
    for (int step = 0; step < 3; ++step) {
      if (step == 1) keys[40] = 0x7fc0;
      const std::uint16_t *key = keys.data(), *value = values.data();
      const std::uint64_t* visible = nullptr;
      kernel_table(isa).attention_step_bf16({.queries = queries.data(),
                                             .rows = rows,
                                             .dims = dims,
                                             .pages = 1,
                                             .keys = &key,
                                             .values = &value,
                                             .value_panels = 1,
                                             .visible = &visible,
                                             .output = output.data(),
                                             .reference = reference.data(),
                                             .sum = sum.data()});
      float total = 0;
      for (int lane = 0; lane < 16; ++lane) total += sum[static_cast<std::size_t>(lane)];
      EXPECT_EQ(std::isnan(total), step > 0) << isa_name(isa);
    }
  }
}

TEST(KernelTwins, pages_of_4_8_and_16_bits_become_the_same_panels) {
  Rng rng(21);
  const auto bytes = [&](std::size_t codes, std::size_t scales) {
    std::vector<std::byte> page(codes + scales * 2);
    for (std::size_t i = 0; i < codes; ++i) page[i] = static_cast<std::byte>(rng.next());
    for (std::size_t i = 0; i < scales; ++i) {
      const std::uint16_t scale = f32_to_f16(normal(rng) * 0.01f);
      std::memcpy(page.data() + codes + i * 2, &scale, 2);
    }
    return page;
  };
  for (const Isa isa : sets()) {
    const KernelTable& table = kernel_table(isa);
    for (const int dims : {32, 64, 96, 256}) {
      const auto n = static_cast<std::size_t>(dims) * 64;
      const std::vector<std::byte> keys = bytes(n, n / 32);
      Offset<std::uint16_t> got(n, 1);
      std::vector<std::uint16_t> want(n);
      table.unpack_q8_keys(keys.data(), dims, got.data);
      reference::unpack_q8_keys(keys.data(), dims, want.data());
      for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(got.data[i], want[i]) << isa_name(isa) << " " << dims << " " << i;
      const std::vector<std::byte> half_bytes = bytes(n / 2, n / 32);
      table.unpack_q4_keys(half_bytes.data(), dims, got.data);
      reference::unpack_q4_keys(half_bytes.data(), dims, want.data());
      for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(got.data[i], want[i]) << isa_name(isa) << " " << dims << " " << i;
    }
    const std::vector<std::byte> values = bytes(64 * 64, 128);
    Offset<std::uint16_t> got(64 * 64, 3);
    std::vector<std::uint16_t> want(64 * 64);
    table.unpack_q8_values(values.data(), got.data);
    reference::unpack_q8_values(values.data(), want.data());
    for (std::size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got.data[i], want[i]) << isa_name(isa) << " " << i;
    const std::vector<std::byte> half_bytes = bytes(64 * 32, 128);
    table.unpack_q4_values(half_bytes.data(), got.data);
    reference::unpack_q4_values(half_bytes.data(), want.data());
    for (std::size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got.data[i], want[i]) << isa_name(isa) << " " << i;
    for (const std::size_t count : {1u, 31u, 32u, 100u}) {
      Offset<std::uint16_t> halves(count, 1), converted(count, 5);
      for (std::size_t i = 0; i < count; ++i) halves.data[i] = f32_to_f16(normal(rng));
      table.f16_to_bf16(halves.data, count, converted.data);
      for (std::size_t i = 0; i < count; ++i)
        ASSERT_EQ(converted.data[i], f32_to_bf16(f16_to_f32(halves.data[i]))) << isa_name(isa) << " " << count;
    }
  }
}

/// Random but valid blocks: any bits, with the fp16 scales replaced by moderate numbers.
std::vector<std::byte> random_row(Rng& rng, DType type, std::uint64_t count) {
  std::vector<std::byte> row(row_bytes(type, count));
  for (std::byte& byte : row) byte = static_cast<std::byte>(rng.next() & 255);
  const DTypeInfo& info = *dtype_info(type);
  if (info.block_size == 1) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const float value = normal(rng);
      const std::uint16_t bits = type == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
      if (type == DType::f32)
        std::memcpy(row.data() + i * 4, &value, 4);
      else
        std::memcpy(row.data() + i * 2, &bits, 2);
    }
    return row;
  }
  const auto put = [&](std::size_t at) {
    const std::uint16_t bits = f32_to_f16(0.01f * normal(rng));
    std::memcpy(row.data() + at, &bits, 2);
  };
  for (std::size_t block = 0; block < row.size(); block += info.block_bytes) {
    switch (type) {
      case DType::q6_k:
        put(block + 208);
        break;
      case DType::q2_k:
        put(block + 80);
        put(block + 82);
        break;
      case DType::q3_k:
        put(block + 108);
        break;
      case DType::q4_1:
      case DType::q5_1:
      case DType::q4_k:
      case DType::q5_k:
        put(block);
        put(block + 2);
        break;
      default:
        put(block);
    }
  }
  return row;
}

constexpr DType kWeightTypes[] = {DType::f32,  DType::f16,  DType::bf16, DType::q4_0,   DType::q4_1,
                                  DType::q5_0, DType::q5_1, DType::q8_0, DType::q2_k,   DType::q3_k,
                                  DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs};

TEST(KernelTwins, unpacking_agrees_for_every_weight_type) {
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

TEST(KernelTwins, row_dots_agree_for_every_weight_type_and_any_number_of_rows_and_vectors) {
  Rng rng(4);
  for (const DType type : kWeightTypes) {
    constexpr int k = 512, most = 7;
    const std::size_t stride = row_bytes(type, k);
    std::vector<std::byte> rows;
    for (int row = 0; row < most; ++row) {
      const auto one = random_row(rng, type, k);
      rows.insert(rows.end(), one.begin(), one.end());
    }
    std::vector<float> x(8 * (k + 3));
    fill(rng, x.data(), x.size());
    // What inputs of 16 bits (AVX2) may change: half a step of each block of 32 times its weights.
    std::vector<double> rounding(8 * 9, 0.0);
    for (std::size_t vector = 0; vector < 8; ++vector)
      for (std::size_t row = 0; row < most; ++row) {
        std::vector<float> weights(k);
        reference::dequantize_row(type, rows.data() + row * stride, k, weights.data());
        for (std::size_t block = 0; block < k; block += 32) {
          double largest = 0, weight = 0;
          for (std::size_t i = block; i < block + 32; ++i) {
            largest = std::max(largest, std::fabs(static_cast<double>(x[vector * (k + 3) + i])));
            weight += std::fabs(static_cast<double>(weights[i]));
          }
          rounding[vector * 9 + row] += largest / 65534 * weight;
        }
      }
    const bool blocks = type != DType::f32 && type != DType::f16 && type != DType::bf16;
    for (const Isa isa : sets())
      for (int count = 1; count <= most; ++count)
        for (int vectors = 1; vectors <= 8; ++vectors) {
          std::vector<float> got(8 * 9, NAN), want(8 * 9, NAN);
          RowDot dot{type, rows.data(), stride, count, k, x.data(), k + 3, vectors, want.data(), 9};
          reference::row_dot(dot);
          dot.out = got.data();
          kernel_table(isa).row_dot(dot);
          for (std::size_t i = 0; i < got.size(); ++i) {
            if (std::isnan(want[i]))
              ASSERT_TRUE(std::isnan(got[i])) << "wrote past its rows";
            else
              ASSERT_NEAR(got[i], want[i],
                          1e-4 * (1 + std::fabs(want[i])) + (blocks && isa == Isa::avx2 ? rounding[i] : 0.0))
                  << dtype_name(type) << " " << isa_name(isa);
          }
        }
  }
}

TEST(KernelTwins, packed_panels_are_the_unpacked_rows_turned) {
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

TEST(KernelTwins, codes_of_16_bits_and_their_products_agree_with_the_plain_loops_and_stay_finer_than_bf16) {
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

TEST(KernelTwins, an_input_that_is_not_a_number_is_not_lost_in_codes) {
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

TEST(KernelTwins, norms_activations_and_rotations_agree_at_every_length_and_misalignment) {
  Rng rng(6);
  for (const Isa isa : sets()) {
    const KernelTable& table = kernel_table(isa);
    for (int count = 1; count <= 67; ++count) {
      for (const std::size_t offset : {0u, 1u, 5u}) {
        const auto n = static_cast<std::size_t>(count);
        Offset<float> x(2 * n, offset), w(n, offset), got(2 * n, offset), want(2 * n, offset);
        fill(rng, x.data, 2 * n);
        fill(rng, w.data, n);
        for (std::size_t i = 0; i < n; ++i) x.data[i] *= 8.0f;
        const auto same = [&](std::size_t values, double tolerance, const char* what) {
          for (std::size_t i = 0; i < values; ++i)
            ASSERT_NEAR(got.data[i], want.data[i], tolerance * (1 + std::fabs(want.data[i])))
                << what << " " << isa_name(isa) << " count " << count;
        };
        table.rms_norm(x.data, w.data, 1e-5f, count, got.data);
        reference::rms_norm(x.data, w.data, 1e-5f, count, want.data);
        same(n, 2e-6, "rms_norm");
        table.gated_silu(x.data, w.data, count, got.data);
        reference::gated_silu(x.data, w.data, count, want.data);
        same(n, 2e-6, "gated_silu");
        table.gated_gelu_tanh(x.data, w.data, count, got.data);
        reference::gated_gelu_tanh(x.data, w.data, count, want.data);
        same(n, 4e-6, "gated_gelu_tanh");
        std::copy_n(x.data, 2 * n, got.data);
        std::copy_n(x.data, 2 * n, want.data);
        table.rotate_halves(got.data, w.data, w.data, count);
        reference::rotate_halves(want.data, w.data, w.data, count);
        same(2 * n, 2e-6, "rotate_halves");
        std::vector<std::uint16_t> half(n), half2(n);
        table.to_bf16(x.data, n, half.data());
        reference::to_bf16(x.data, n, half2.data());
        ASSERT_EQ(half, half2);
      }
    }
  }
}

TEST(KernelTwins, activations_stay_finite_at_extreme_gates) {
  for (const Isa isa : sets()) {
    std::vector<float> gate(32, 3000.0f), up(32, 1.0f), out(32);
    std::fill_n(gate.begin(), 16, -3000.0f);
    kernel_table(isa).gated_silu(gate.data(), up.data(), 32, out.data());
    EXPECT_NEAR(out[0], 0.0f, 1e-6);
    EXPECT_NEAR(out[31], 3000.0f, 1e-2);
    kernel_table(isa).gated_gelu_tanh(gate.data(), up.data(), 32, out.data());
    EXPECT_NEAR(out[0], 0.0f, 1e-6);
    EXPECT_NEAR(out[31], 3000.0f, 1e-2);
  }
}

}  // namespace
}  // namespace tome::kernels
