// The formulas of every method against the published figures.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "position/article_yarn.h"
#include "position/dual_chunk.h"
#include "position/dynamic_ntk.h"
#include "position/linear_interpolation.h"
#include "position/llama3_scaling.h"
#include "position/longrope.h"
#include "position/ntk_aware.h"
#include "position/ntk_by_parts.h"
#include "position/rope.h"
#include "position/self_extend.h"
#include "position/yarn.h"

namespace tome {
namespace {

struct YarnGolden {
  const char* name;
  double base;
  std::uint32_t dims;
  double trained, scale;
  double raw_low, raw_high, low, high, m, m_squared;
};
constexpr YarnGolden kYarnGoldens[] = {
    {"Llama-2 7B", 1e4, 128, 4096, 16, 20.9445, 45.0269, 20, 46, 1.2772589, 1.63139},
    {"Qwen2.5", 1e6, 128, 32768, 4, 23.5959, 39.6509, 23, 40, 1.1386294, 1.29648},
    {"DeepSeek-V3", 1e4, 64, 4096, 40, 10.4722, 22.5134, 10, 23, 1.3688879, 1.87385},
    {"gpt-oss", 150000, 64, 4096, 32, 8.0928, 17.3980, 8, 18, 1.3465736, 1.81326},
};

TEST(rope, frequencies_fall_from_one_to_just_above_one_over_the_base) {
  const auto theta = rope_frequencies(1e4, 128);
  ASSERT_EQ(theta.size(), 64u);
  EXPECT_DOUBLE_EQ(theta[0], 1.0);
  EXPECT_NEAR(theta[32], 0.01, 1e-15);
  EXPECT_NEAR(theta[63], std::pow(1e4, -126.0 / 128.0), 1e-18);
}

TEST(linear_interpolation, divides_every_frequency_by_the_factor) {
  const auto theta = rope_frequencies(1e4, 64), scaled = linear_interpolation(1e4, 64, 4.0);
  for (std::size_t i = 0; i < theta.size(); ++i) EXPECT_DOUBLE_EQ(scaled[i] * 4.0, theta[i]);
}

TEST(ntk_aware, keeps_the_fastest_pair_and_interpolates_the_slowest_by_the_factor) {
  const auto theta = rope_frequencies(1e4, 128), scaled = ntk_aware(1e4, 128, 8.0);
  EXPECT_DOUBLE_EQ(scaled.front(), 1.0);
  EXPECT_NEAR(theta.back() / scaled.back(), 8.0, 1e-12);
  EXPECT_NEAR(ntk_aware_base(1e4, 128, 4.0), 40889.9, 0.1);
}

TEST(ntk_aware, a_given_alpha_replaces_d_over_d_minus_two) {
  EXPECT_NEAR(ntk_aware_base(1e4, 128, 4.0, 0.5), 2e4, 1e-9);
  EXPECT_DOUBLE_EQ(ntk_aware_base(1e4, 128, 4.0, 128.0 / 126.0), ntk_aware_base(1e4, 128, 4.0));
}

TEST(dynamic_ntk, disagreement_8_hugging_face_gives_base_135402_and_the_paper_40890_at_four_times_the_window) {
  EXPECT_NEAR(dynamic_ntk_base(1e4, 128, 4096, 4 * 4096, 4.0), 135402, 1);
  EXPECT_NEAR(dynamic_ntk_base(1e4, 128, 4096, 4 * 4096, 1.0), 40890, 1);
}

TEST(dynamic_ntk, changes_nothing_within_the_trained_window) {
  EXPECT_DOUBLE_EQ(dynamic_ntk_base(1e4, 128, 4096, 4096, 4.0), 1e4);
  EXPECT_EQ(dynamic_ntk(1e4, 128, 4096, 100, 4.0), rope_frequencies(1e4, 128));
}

TEST(ntk_by_parts, keeps_fast_pairs_and_interpolates_slow_ones_linearly) {
  const auto theta = rope_frequencies(1e4, 128), linear = linear_interpolation(1e4, 128, 8.0),
             ntk = ntk_aware(1e4, 128, 8.0), parts = ntk_by_parts(1e4, 128, 4096, 8.0);
  const auto fast = yarn_correction_range(1e4, 128, 4096, {.beta_fast = 16, .beta_slow = 2});
  const auto slow = yarn_correction_range(1e4, 128, 4096, {.beta_fast = 1.25, .beta_slow = 0.75});
  EXPECT_EQ(fast.low, 25);
  EXPECT_EQ(fast.high, 41);
  EXPECT_EQ(slow.low, 43);
  EXPECT_EQ(slow.high, 48);
  for (std::size_t i = 0; i <= 25; ++i) EXPECT_DOUBLE_EQ(parts[i], theta[i]) << i;
  for (std::size_t i = 41; i <= 43; ++i) EXPECT_DOUBLE_EQ(parts[i], ntk[i]) << i;
  for (std::size_t i = 48; i < 64; ++i) EXPECT_DOUBLE_EQ(parts[i], linear[i]) << i;
  const double share = 0.5;  // pair 33, half way up the second ramp, where the first is still NTK
  EXPECT_NEAR(parts[33], theta[33] * (1 - share) + ntk[33] * share, 1e-15);
}

TEST(yarn, correction_dimensions_equal_the_published_ones_of_four_models) {
  for (const YarnGolden& golden : kYarnGoldens) {
    SCOPED_TRACE(golden.name);
    EXPECT_NEAR(yarn_correction_dimension(golden.base, golden.dims, golden.trained, 32), golden.raw_low, 6e-5);
    EXPECT_NEAR(yarn_correction_dimension(golden.base, golden.dims, golden.trained, 1), golden.raw_high, 6e-5);
    const auto range = yarn_correction_range(golden.base, golden.dims, golden.trained, {});
    EXPECT_EQ(range.low, golden.low);
    EXPECT_EQ(range.high, golden.high);
  }
}

TEST(yarn, magnitudes_equal_the_published_ones_of_four_models) {
  for (const YarnGolden& golden : kYarnGoldens) {
    SCOPED_TRACE(golden.name);
    const double m = yarn_magnitude(golden.scale);
    EXPECT_NEAR(m, golden.m, 5e-8);
    EXPECT_NEAR(m * m, golden.m_squared, 6e-6);
  }
}

TEST(yarn, keeps_pairs_below_the_ramp_and_divides_those_above_it) {
  const auto theta = rope_frequencies(1e4, 128), scaled = yarn(1e4, 128, 4096, 16, {});
  for (std::size_t i = 0; i <= 20; ++i) EXPECT_DOUBLE_EQ(scaled[i], theta[i]) << i;
  for (std::size_t i = 46; i < 64; ++i) EXPECT_DOUBLE_EQ(scaled[i], theta[i] / 16) << i;
  EXPECT_NEAR(scaled[33], theta[33] * (0.5 + 0.5 / 16), 1e-15);  // half way between 20 and 46
}

TEST(yarn, magnitude_of_a_factor_of_one_or_less_is_one) {
  EXPECT_EQ(yarn_magnitude(1.0), 1.0);
  EXPECT_EQ(yarn_magnitude(0.5), 1.0);
}

TEST(yarn, disagreement_1_the_papers_ramp_differs_from_the_implementations_by_3_04_at_pair_38_of_llama_2) {
  const auto implementations = yarn(1e4, 128, 4096, 16, {}), paper = yarn_paper(1e4, 128, 4096, 16, {});
  double largest = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    const double ratio = std::max(implementations[i] / paper[i], paper[i] / implementations[i]);
    if (ratio > largest) {
      largest = ratio;
      where = i;
    }
  }
  EXPECT_NEAR(largest, 3.04, 0.005);
  EXPECT_EQ(where, 38u);
  // The paper's: kept above 32 rotations, divided below 1, the share linear in rotations between.
  const auto theta = rope_frequencies(1e4, 128);
  const double kept = (rotations(theta[30], 4096) - 1) / 31;
  EXPECT_NEAR(paper[30], theta[30] * kept + theta[30] / 16 * (1 - kept), 1e-15);
}

TEST(yarn, disagreement_2_without_truncation_the_raw_dimensions_bound_the_ramp) {
  const YarnRamp raw{.truncate = false};
  const auto range = yarn_correction_range(150000, 64, 4096, raw);
  EXPECT_NEAR(range.low, 8.0928, 6e-5);
  EXPECT_NEAR(range.high, 17.3980, 6e-5);
  EXPECT_NE(yarn(150000, 64, 4096, 32, raw), yarn(150000, 64, 4096, 32, {}));
}

TEST(yarn, disagreement_3_an_empty_ramp_is_a_step_0_001_wide) {
  EXPECT_EQ(dimension_ramp({.low = 7, .high = 7}, 7), 0.0);
  EXPECT_EQ(dimension_ramp({.low = 7, .high = 7}, 8), 1.0);
  EXPECT_NEAR(dimension_ramp({.low = 7, .high = 7}, 7.0005), 0.5, 1e-9);
  // ggml's max(0.001, high - low), not Hugging Face's + 0.001 for equal ends only: seen on a narrower raw ramp.
  EXPECT_NEAR(dimension_ramp({.low = 7, .high = 7.0002}, 7.0001), 0.1, 1e-9);
  for (const double frequency : yarn(1e4, 8, 16, 4, {.beta_fast = 2, .beta_slow = 2}))
    EXPECT_TRUE(std::isfinite(frequency));
}

TEST(yarn, disagreement_4_attention_factor_replaces_m_and_attn_factor_multiplies_it) {
  EXPECT_DOUBLE_EQ(yarn_attention(4, {.attention_factor = 1.5}).magnitude, 1.5);
  EXPECT_NEAR(yarn_attention(4, {.attention_factor = 1.5, .attention_factor_multiplies = true}).magnitude,
              1.5 * 1.1386294, 1e-7);
}

TEST(yarn, disagreement_5_mscale_over_mscale_all_dim_on_cos_and_sin_and_m_squared_on_the_scores) {
  const auto deepseek = yarn_attention(40, {.mscale = 1.0, .mscale_all_dim = 1.0});
  EXPECT_DOUBLE_EQ(deepseek.magnitude, 1.0);
  EXPECT_NEAR(deepseek.softmax_scale, 1.87385, 6e-6);
  const auto v2 = yarn_attention(40, {.mscale = 1.0, .mscale_all_dim = 0.707});
  EXPECT_NEAR(v2.magnitude, 1.3688879 / (0.1 * 0.707 * std::log(40.0) + 1), 1e-7);
  const auto plain = yarn_attention(40, {});
  EXPECT_NEAR(plain.magnitude, 1.3688879, 5e-8);
  EXPECT_EQ(plain.softmax_scale, 1.0);
}

TEST(longrope, magnitude_of_phi_3_is_1_190238) {
  EXPECT_NEAR(longrope_magnitude(32, 4096), 1.190238, 5e-7);
  EXPECT_EQ(longrope_magnitude(1, 4096), 1.0);
}

TEST(longrope, divides_each_frequency_by_its_own_factor) {
  const std::vector<float> factors{1.0f, 2.0f, 4.0f, 8.0f};
  const auto theta = rope_frequencies(1e4, 8), scaled = longrope(1e4, 8, factors);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(scaled[i] * static_cast<double>(factors[i]), theta[i]);
}

TEST(longrope, disagreement_9_the_lists_change_just_above_the_original_length) {
  EXPECT_EQ(longrope_list(4096, 4096), LongropeList::short_factors);
  EXPECT_EQ(longrope_list(4097, 4096), LongropeList::long_factors);
}

TEST(llama3_scaling, divisors_of_pairs_29_to_34_equal_the_published_ones) {
  const auto divisors = llama3_divisors(5e5, 128, {});
  constexpr double kGolden[] = {1.2075, 1.5534, 2.0263, 2.6945, 3.6843, 5.2573};
  for (std::size_t i = 0; i < 29; ++i) EXPECT_DOUBLE_EQ(divisors[i], 1.0) << i;
  for (std::size_t i = 29; i <= 34; ++i) EXPECT_NEAR(divisors[i], kGolden[i - 29], 6e-5) << i;
  for (std::size_t i = 35; i < 64; ++i) EXPECT_NEAR(divisors[i], 8.0, 1e-12) << i;
}

TEST(article_yarn, temperature_flattens_where_the_papers_sharpens) {
  EXPECT_DOUBLE_EQ(article_temperature(4), 2.5);
  EXPECT_DOUBLE_EQ(article_temperature(16), 8.5);
  EXPECT_NEAR(1 / (yarn_magnitude(4) * yarn_magnitude(4)), 0.771, 5e-4);
  EXPECT_NEAR(1 / (yarn_magnitude(16) * yarn_magnitude(16)), 0.613, 5e-4);
  EXPECT_EQ(article_yarn(1e4, 64, 4), linear_interpolation(1e4, 64, 4));
}

TEST(self_extend, capacity_is_window_plus_group_times_the_rest) {
  EXPECT_EQ(self_extend_capacity({.group = 8, .neighbour_window = 1024, .trained = 4096}), 8u * 3072u + 1024u);
  EXPECT_EQ(self_extend_group(25600, 4096, 1024), 8u);
  EXPECT_EQ(self_extend_group(25601, 4096, 1024), 9u);
}

TEST(self_extend, relative_positions_stay_within_the_trained_window_up_to_the_capacity) {
  const SelfExtend options{.group = 8, .neighbour_window = 1024, .trained = 4096};
  const auto parts = self_extend_parts(options, {});
  const std::uint64_t last = self_extend_capacity(options) - 1;
  EXPECT_LT(parts[1].query_map(last) - parts[1].key_map(0), options.trained);
  // Just beyond the window the grouped distance goes on from the window's.
  EXPECT_EQ(parts[1].query_map(8000) - parts[1].key_map(8000 - 1024), 1024u);
}

TEST(self_extend, queries_grow_with_the_logarithm_of_their_position_beyond_the_base) {
  EXPECT_EQ(query_log_scale(0, 4096), 1.0);
  EXPECT_EQ(query_log_scale(4095, 4096), 1.0);
  EXPECT_NEAR(query_log_scale(16383, 4096), std::log(16384.0) / std::log(4096.0), 1e-15);
  EXPECT_NEAR(query_log_scale(16383, 4096), 14.0 / 12.0, 1e-12);
}

TEST(dual_chunk, chunks_are_three_quarters_of_the_window_less_an_eighth_kept_for_the_neighbour) {
  const DualChunk chunk = dual_chunk(4096);
  EXPECT_EQ(chunk.size, 3072u);
  EXPECT_EQ(chunk.local, 512u);
  EXPECT_EQ(chunk.length(), 2560u);
  EXPECT_NEAR(dual_chunk_magnitude(16), 1.13863, 5e-6);
}

TEST(dual_chunk, maps_equal_chunk_llamas_for_the_three_kinds_of_keys) {
  const auto parts = dual_chunk_parts(dual_chunk(4096), {});
  const std::uint64_t query = 2560 * 3 + 100, late = 2560 * 3 + 2000;
  EXPECT_EQ(parts[0].query_map(query), 100u);
  EXPECT_EQ(parts[1].query_map(query), 2660u);  // exact distance: 100 < L/8
  EXPECT_EQ(parts[1].query_map(late), 3072u);   // held at the size
  EXPECT_EQ(parts[2].query_map(query), 3072u);
  for (const auto& part : parts) EXPECT_EQ(part.key_map(2560 + 7), 7u);
}

TEST(dual_chunk, neighbouring_chunks_keep_exact_distances_for_the_local_window_and_none_exceeds_the_trained_length) {
  const DualChunk chunk = dual_chunk(1024);
  const auto parts = dual_chunk_parts(chunk, {});
  for (std::uint64_t query = chunk.length(); query < 2 * chunk.length(); ++query) {
    for (std::uint64_t key = 0; key < chunk.length(); ++key) {
      const std::uint64_t distance = parts[1].query_map(query) - parts[1].key_map(key);
      if (query % chunk.length() < chunk.local) {
        ASSERT_EQ(distance, query - key);
      }
      ASSERT_LE(distance, 1024u);
    }
  }
}

/// Worst phase error over the pairs of a head at the last position of 128K, with θ as running fp32 products or fp32
/// values.
struct PhaseError {
  double accumulated = 0, multiplied = 0, ours = 0;
};
PhaseError phase_error(double base, std::uint32_t dims) {
  constexpr std::uint64_t kPosition = 131071;
  const auto exact = rope_frequencies(base, dims);
  const auto table = to_single(exact);
  const float ratio = static_cast<float>(std::pow(base, -2.0 / dims));
  PhaseError error;
  float running = 1.0f;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double truth = static_cast<double>(kPosition) * exact[i];
    const float accumulated = static_cast<float>(kPosition) * running,
                multiplied = static_cast<float>(kPosition) * table[i];
    error.accumulated = std::max(error.accumulated, std::abs(static_cast<double>(accumulated) - truth));
    error.multiplied = std::max(error.multiplied, std::abs(static_cast<double>(multiplied) - truth));
    const double stored = static_cast<double>(kPosition) * static_cast<double>(table[i]);
    error.ours = std::max(error.ours, std::abs(rotation_phase(kPosition, table[i]) - stored));
    running *= ratio;
  }
  return error;
}

TEST(rope, disagreement_11_fp32_phases_at_131071_are_off_by_0_012_accumulated_and_0_0055_multiplied) {
  EXPECT_NEAR(phase_error(1e4, 128).accumulated, 0.012, 5e-4);
  EXPECT_NEAR(phase_error(1e5, 256).multiplied, 0.0055, 5e-4);
  for (const auto& [base, dims] : {std::pair{1e4, 128u}, std::pair{1e6, 128u}, std::pair{1e5, 256u}}) {
    const PhaseError error = phase_error(base, dims);
    EXPECT_LE(error.multiplied, 0.0055);
    EXPECT_GT(error.accumulated, error.multiplied);
    EXPECT_EQ(error.ours, 0.0);  // fp64 adds nothing to what storing θ as fp32 costs
  }
}

}  // namespace
}  // namespace tome
