// Softmax tiles, attention steps and cache pages, against their plain-loop twins.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/reference/reference_kernels.h"
#include "kernels/simd/simd_tables.h"
#include "kernels/twins.h"

namespace tome::kernels {
namespace {

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

TEST(AttentionTwins, online_softmax_agrees_with_masks_rescales_and_rows_that_see_nothing) {
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
  bool int8 = false, q8 = false, f16 = false;
  bool unpacked = false;  ///< fp16 pages become bf16 before
};

/// One of the eight: bf16, int8, q8, f16, each without and with a mask.
constexpr int kStepForms = 8;
StepCase step_case(int rows, int dims, float spread, int form) {
  return {rows, dims, spread, form % 2 == 1, form / 2 == 1, form / 2 == 2, form / 2 == 3};
}

auto step_of(const KernelTable& table, const StepCase& c) {
  return c.int8  ? table.attention_step_int8
         : c.q8  ? table.attention_step_q8
         : c.f16 ? table.attention_step_f16
                 : table.attention_step_bf16;
}

void put_half(std::vector<std::byte>& bytes, float value) {
  const std::uint16_t bits = f32_to_f16(value);
  bytes.push_back(static_cast<std::byte>(bits & 255));
  bytes.push_back(static_cast<std::byte>(bits >> 8));
}

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
  const std::size_t coded_bytes = coded_input_bytes(c.dims);
  std::vector<std::byte> coded(rows * coded_bytes);
  if (const auto code_input = kernel_table(best_isa()).code_input; c.q8 && code_input != nullptr)
    for (std::size_t row = 0; row < rows; ++row) {
      std::vector<float> one(dims);
      for (std::size_t dim = 0; dim < dims; ++dim) one[dim] = bf16_to_f32(queries[row * dims + dim]);
      code_input(one.data(), c.dims, 0, c.dims, coded.data() + row * coded_bytes);
    }
  for (int step = 0; step < steps; ++step) {
    const int count = step == 1 ? pages - 1 : pages;
    std::vector<std::vector<std::byte>> codes(pages);
    const std::byte* code_pointers[pages];
    std::vector<std::vector<std::byte>> value_codes(pages);
    const std::byte* value_code_pointers[pages];
    for (std::size_t page = 0; c.q8 && page < pages; ++page) {
      for (std::size_t i = 0; i < panels; ++i) {
        for (std::size_t code = 0; code < panel; ++code)
          value_codes[page].push_back(static_cast<std::byte>(rng.next() % 255 + 129));
        for (std::size_t scale = 0; scale < 128; ++scale)
          put_half(value_codes[page], static_cast<float>(rng.uniform()) / 70.0f);
      }
      value_code_pointers[page] = value_codes[page].data();
    }
    for (std::size_t page = 0; (c.int8 || c.q8) && page < pages; ++page) {
      for (std::size_t i = 0; i < dims * 64; ++i) codes[page].push_back(static_cast<std::byte>(1 + rng.next() % 255));
      for (std::size_t i = 0; i < blocks * 64; ++i) put_half(codes[page], static_cast<float>(rng.uniform()) / 70.0f);
      code_pointers[page] = codes[page].data();
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
      if (c.f16)
        for (auto* made : {&keys[at], &values[at]})
          std::transform(made->data, made->data + (made == &keys[at] ? 64 * dims : panels * panel), made->data,
                         [&](std::uint16_t bits) {
                           const std::uint16_t half = f32_to_f16(bf16_to_f32(bits) * 1.003f);  // no bf16
                           return c.unpacked ? f32_to_bf16(f16_to_f32(half)) : half;
                         });
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
      values_ahead[page] = reinterpret_cast<const std::byte*>(value_pointers[page]);
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
            .coded_queries = coded.data(),
            .values_8 = value_code_pointers,
            .values = value_pointers,
            .value_panels = static_cast<int>(panels),
            .visible = visible,
            .keys_ahead = keys_ahead,
            .values_ahead = values_ahead,
            .pages_ahead = count,
            .stored_keys = c.dims * 128,
            .stored_values = static_cast<int>(panels) * 64 * 128,
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

#if defined(__x86_64__)
TEST(AttentionTwins, where_lines_are_asked_for_changes_no_bit) {
  if (best_isa() < Isa::avx512bf16) return;  // this set alone has both forms
  const KernelTable near = avx512bf16_table(kernel_table(Isa::avx512)), far = with_far_requests(near);
  ASSERT_NE(near.attention_step_bf16, far.attention_step_bf16);
  ASSERT_NE(near.attention_step_q8, far.attention_step_q8);
  for (const int rows : {1, 3, 4, 6, 17})
    for (const int dims : {64, 128, 256})
      for (int form = 0; form < kStepForms; ++form) {
        const StepCase c = step_case(rows, dims, 6.0f, form);
        const StepResult one = take_steps(step_of(near, c), c), other = take_steps(step_of(far, c), c);
        EXPECT_EQ(one.output, other.output) << rows << " rows of " << dims << ", form " << form;
        EXPECT_EQ(one.lse, other.lse) << rows << " rows of " << dims << ", form " << form;
      }
}
#endif

TEST(AttentionTwins, halves_as_they_lie_give_the_bits_of_unpacked_pages) {
  if (kernels::kernels().attention_step_f16 == nullptr) GTEST_SKIP() << "needs AVX-512 BF16";
  for (const int rows : {1, 2, 3, 4, 5, 6})
    for (const int dims : {32, 64, 80, 256})
      for (const bool masked : {false, true}) {
        StepCase c{rows, dims, 6.0f, masked};
        c.f16 = true;
        const StepResult lying = take_steps(kernels::kernels().attention_step_f16, c);
        c.unpacked = true;
        const StepResult unpacked = take_steps(kernels::kernels().attention_step_bf16, c);
        EXPECT_EQ(lying.output, unpacked.output) << rows << " rows of " << dims;
        EXPECT_EQ(lying.lse, unpacked.lse) << rows << " rows of " << dims;
      }
}

TEST(AttentionTwins, attention_steps_agree_over_rows_dims_masks_and_scores_that_outgrow_their_reference) {
  for (const Isa isa : sets()) {
    if (kernel_table(isa).attention_step_bf16 == reference::attention_step_bf16) continue;
    for (const int rows : {1, 2, 3, 4, 5, 6, 7, 12, 17}) {
      for (const int dims : {32, 64, 80, 96, 128, 256}) {
        for (const float spread : {1.0f, 6.0f, 60.0f, 2000.0f}) {
          for (int form = 0; form < kStepForms; ++form) {
            const StepCase c = step_case(rows, dims, spread, form);
            if ((c.int8 || c.q8) && dims % 32 != 0) continue;
            const auto step = step_of(kernel_table(isa), c), plain = c.int8  ? reference::attention_step_int8
                                                                     : c.q8  ? reference::attention_step_q8
                                                                     : c.f16 ? reference::attention_step_f16
                                                                             : reference::attention_step_bf16;
            if (step == nullptr || step == plain) continue;
            const StepResult got = take_steps(step, c), want = take_steps(plain, c);
            // Large scores: fp32 sums of different order differ by 1e-6 of them, queries in 16 bits by 7e-5, and one
            // probability in many is rounded to bf16 the other way.
            const bool halves = c.q8 && isa == Isa::avx512bf16;
            const double score_error = (halves ? 7e-5 : 8e-6) * static_cast<double>(spread), rounding = 3.6e-2;
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

TEST(AttentionTwins, queries_become_the_same_codes) {
  Rng rng(22);
  for (const int dims : {32, 64, 96, 256}) {
    constexpr std::size_t rows = 5;
    const auto width = static_cast<std::size_t>(dims), blocks = width / 32;
    std::vector<std::uint16_t> queries(rows * width);
    for (std::uint16_t& query : queries) query = f32_to_bf16(normal(rng));
    std::fill_n(queries.begin() + static_cast<std::ptrdiff_t>(width), width, std::uint16_t{0});
    queries[2 * width + 7] = 0x7fc0;
    std::vector<std::int8_t> codes(rows * width), codes2(codes);
    std::vector<float> scales(rows), scales2(rows);
    std::vector<std::int32_t> offsets(rows * blocks), offsets2(offsets);
    reference::quantize_queries(queries.data(), rows, dims, codes2.data(), scales2.data(), offsets2.data());
    for (const Isa isa : sets()) {
      kernel_table(isa).quantize_queries(queries.data(), rows, dims, codes.data(), scales.data(), offsets.data());
      for (std::size_t row = 0; row < rows; ++row) {
        if (row == 2) {  // its codes do not matter
          EXPECT_TRUE(std::isnan(scales[row]) && std::isnan(scales2[row])) << isa_name(isa);
          continue;
        }
        EXPECT_EQ(scales[row], scales2[row]) << isa_name(isa);
        for (std::size_t i = row * width; i < (row + 1) * width; ++i) ASSERT_EQ(codes[i], codes2[i]) << isa_name(isa);
        for (std::size_t i = row * blocks; i < (row + 1) * blocks; ++i) ASSERT_EQ(offsets[i], offsets2[i]);
      }
      EXPECT_EQ(scales[1], 0.0f);
    }
  }
}

/// Six equal rows of 64 dimensions and one page that they see whole, value k the k-th unit vector: output[k] is the
/// probability of key k.
struct OnePage {
  static constexpr int rows = 6, dims = 64;
  std::vector<std::uint16_t> queries, keys, values;
  std::vector<float> output, reference, sum;

  OnePage()
      : queries(rows * dims),
        keys(64 * dims),
        values(64 * 64),
        output(rows * 64),
        reference(rows, -kInfinity),
        sum(rows * 16) {
    for (std::size_t key = 0; key < 64; ++key) values[(key / 2 * 64 + key) * 2 + key % 2] = f32_to_bf16(1.0f);
  }
  void set_query(std::size_t dim, float value) {
    for (std::size_t row = 0; row < rows; ++row) queries[row * dims + dim] = f32_to_bf16(value);
  }
  std::uint16_t& key(std::size_t at, std::size_t dim) { return keys[(dim / 2 * 64 + at) * 2 + dim % 2]; }
  void step(Isa isa) {
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
  }
  float total() const { return std::accumulate(sum.begin(), sum.begin() + 16, 0.0f); }
};

TEST(AttentionTwins, a_score_that_is_not_a_number_is_not_lost) {
  struct Lost {
    std::uint16_t key;
    float query;
  };
  for (const Isa isa : sets())
    for (const Lost& lost : {Lost{0x7fc0, 0.5f}, {0xffc0, 0.5f}, {0x7f80, 0.0f}, {0x7f80, 0.5f}})
      for (const int begins : {0, 1}) {  // in the first page of a row, and after it
        OnePage page;
        for (std::size_t dim = 0; dim < 64; ++dim) page.set_query(dim, dim == 7 ? lost.query : 0.5f);
        for (int step = 0; step < 3; ++step) {
          page.key(20, 7) = step == begins ? lost.key : 0;
          page.step(isa);
          const bool expected = step >= begins;
          EXPECT_EQ(std::isnan(page.total()), expected) << isa_name(isa) << " key " << lost.key << " step " << step;
          EXPECT_EQ(std::isnan(page.output[20]), expected) << isa_name(isa) << " key " << lost.key << " step " << step;
        }
      }
}

TEST(AttentionTwins, scores_far_below_the_others_count_for_nothing) {
  for (const Isa isa : sets())
    for (const float far : {-200.0f, -98400.0f, -98500.0f, -150000.0f, -196700.0f, -1e30f, -kInfinity}) {
      OnePage page;
      page.set_query(0, 1.0f);
      page.step(isa);
      page.key(3, 0) = f32_to_bf16(far);
      page.step(isa);
      EXPECT_NEAR(page.total(), 127.0f, 0.1f) << isa_name(isa) << " " << far;
      EXPECT_NEAR(page.output[3], 1.0f, 1e-3f) << isa_name(isa) << " " << far;
      EXPECT_NEAR(page.output[4], 2.0f, 2e-3f) << isa_name(isa) << " " << far;
    }
}

TEST(AttentionTwins, a_probability_errs_by_half_a_percent_at_most_and_not_to_one_side) {
  for (const Isa isa : sets())
    for (const bool seen_whole : {false, true}) {
      double largest = 0, sum = 0;
      int count = 0;
      Rng rng(31);
      for (int round = 0; round < 200; ++round) {
        OnePage page;
        for (const std::size_t dim : {0u, 1u, 2u}) page.set_query(dim, 1.0f);
        if (seen_whole) page.step(isa);  // all scores are 0: so is the reference point
        double scores[64];
        for (std::size_t key = 0; key < 64; ++key) {
          const float score = key == 0 ? 0.0f : static_cast<float>(rng.uniform()) * -30.0f;
          float rest = score;
          for (const std::size_t dim : {0u, 1u, 2u}) {
            page.key(key, dim) = f32_to_bf16(rest);
            rest -= bf16_to_f32(page.key(key, dim));
          }
          scores[key] = static_cast<double>(score);
        }
        const std::vector<float> before = page.output;
        page.step(isa);
        for (std::size_t key = 1; key < 64; ++key) {
          const double got = static_cast<double>(page.output[key]) - static_cast<double>(before[key]);
          if (seen_whole && scores[key] < -6.0) continue;  // lost beside the first page's 1
          const double error = got / std::exp2(scores[key]) - 1.0;
          largest = std::max(largest, std::fabs(error));
          sum += error;
          ++count;
        }
      }
      EXPECT_GT(count, 2000);
      EXPECT_LT(largest, 5.2e-3) << isa_name(isa) << " seen whole: " << seen_whole;
      EXPECT_LT(std::fabs(sum / count), 2e-4) << isa_name(isa) << " seen whole: " << seen_whole;
    }
}

TEST(AttentionTwins, pages_of_4_8_and_16_bits_become_the_same_panels) {
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

}  // namespace
}  // namespace tome::kernels
