#include "position/position_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/rng.h"
#include "position/describe_positions.h"
#include "position/dynamic_ntk.h"
#include "position/position_methods.h"
#include "position/rope.h"
#include "position/yarn.h"
#include "position_config.h"

namespace tome {
namespace {

PositionOptions with(ScalingMethod method, std::optional<double> factor = std::nullopt) {
  PositionOptions options;
  options.method = method;
  options.factor = factor;
  return options;
}

PositionPlan planned(const ModelConfig& config, const PositionOptions& options, std::uint64_t target) {
  auto plan = plan_positions(config, options, target);
  EXPECT_TRUE(plan.has_value()) << (plan ? "" : plan.error().message);
  return plan ? *plan : PositionPlan{};
}

std::string refusal(const ModelConfig& config, const PositionOptions& options, std::uint64_t target,
                    ErrorKind kind = ErrorKind::usage) {
  const auto plan = plan_positions(config, options, target);
  EXPECT_FALSE(plan.has_value());
  if (plan) return {};
  EXPECT_EQ(plan.error().kind, kind) << plan.error().message;
  return plan.error().message;
}

const std::vector<float>& frequencies(const PositionPlan& plan) { return plan.parts.front().table.inverse_frequencies; }

TEST(position_plan, native_is_the_plain_table) {
  const PositionPlan plan = planned(llama2_7b(), {}, 4096);
  EXPECT_EQ(frequencies(plan), to_single(rope_frequencies(1e4, 128)));
  EXPECT_EQ(plan.parts.front().table.magnitude, 1.0f);
  EXPECT_EQ(plan.parts.front().table.softmax_scale, 1.0f);
  EXPECT_TRUE(plan.keys_stored_rotated());
  EXPECT_EQ(plan.factor, 1.0);
}

TEST(position_plan, yarn_of_qwen_is_the_published_table_and_magnitude) {
  const PositionPlan plan = planned(qwen2_5(), with(ScalingMethod::yarn, 4), 131072);
  EXPECT_EQ(frequencies(plan), to_single(yarn(1e6, 128, 32768, 4, {})));
  EXPECT_FLOAT_EQ(plan.parts.front().table.magnitude, 1.1386294f);
  EXPECT_EQ(plan.origin, "user: --rope-scaling yarn, factor 4");
}

TEST(position_plan, without_a_factor_the_real_length_decides_rounded_up) {
  EXPECT_EQ(planned(qwen2_5(), with(ScalingMethod::yarn), 131072).factor, 4.0);
  EXPECT_EQ(planned(qwen2_5(), with(ScalingMethod::yarn), 131073).factor, 6.0);
  EXPECT_EQ(planned(qwen2_5(), with(ScalingMethod::linear), 40000).factor, 1.5);
}

TEST(position_plan, a_given_base_replaces_the_files) {
  PositionOptions options;
  options.theta = 1e6;
  EXPECT_EQ(frequencies(planned(llama2_7b(), options, 4096)), to_single(rope_frequencies(1e6, 128)));
}

TEST(position_plan, disagreement_6_the_correction_range_uses_the_original_length_and_falls_back_to_the_window) {
  ModelConfig config = qwen2_5();
  config.context_length = 131072;
  EXPECT_EQ(frequencies(planned(config, with(ScalingMethod::yarn, 4), 300000)),
            to_single(yarn(1e6, 128, 131072, 4, {})));
  config.scaling.original_context_length = 32768;
  EXPECT_EQ(frequencies(planned(config, with(ScalingMethod::yarn, 4), 300000)),
            to_single(yarn(1e6, 128, 32768, 4, {})));
}

TEST(position_plan, disagreement_7_an_explicit_factor_wins_over_window_by_original_length) {
  ModelConfig config = qwen2_5();  // Qwen3: window 40960, original 32768, factor 4
  config.context_length = 40960;
  config.scaling = declared("yarn", 4.0);
  config.scaling.original_context_length = 32768;
  EXPECT_EQ(planned(config, declared_options(config), 40960).factor, 4.0);
  config.scaling.explicit_factor = false;
  EXPECT_EQ(planned(config, declared_options(config), 40960).factor, 1.25);
}

TEST(position_plan, disagreement_4_the_files_attention_factor_replaces_or_multiplies_as_its_format_says) {
  ModelConfig config = qwen2_5();
  config.scaling = declared("yarn", 4.0);
  config.scaling.attention_factor = 1.5;
  EXPECT_FLOAT_EQ(planned(config, declared_options(config), 131072).parts.front().table.magnitude, 1.5f);
  config.scaling.attention_factor_multiplies = true;
  EXPECT_FLOAT_EQ(planned(config, declared_options(config), 131072).parts.front().table.magnitude, 1.5f * 1.1386294f);
  PositionOptions user = with(ScalingMethod::yarn, 4);
  user.attention_factor = 1.25;
  EXPECT_FLOAT_EQ(planned(config, user, 131072).parts.front().table.magnitude, 1.25f);
}

TEST(position_plan, disagreement_5_the_files_mscale_moves_m_to_the_softmax_scale) {
  ModelConfig config = position_config(1e4, 64, 4096);
  config.scaling = declared("yarn", 40.0);
  config.scaling.mscale = 1.0;
  config.scaling.mscale_all_dim = 1.0;
  const PositionPlan plan = planned(config, declared_options(config), 163840);
  EXPECT_EQ(plan.parts.front().table.magnitude, 1.0f);
  EXPECT_NEAR(plan.parts.front().table.softmax_scale, 1.87385f, 6e-6f);
}

TEST(position_plan, disagreement_2_a_file_that_does_not_truncate_gets_the_raw_dimensions) {
  ModelConfig config = position_config(150000, 64, 4096);
  config.scaling = declared("yarn", 32.0);
  config.scaling.truncate = false;
  EXPECT_EQ(frequencies(planned(config, declared_options(config), 131072)),
            to_single(yarn(150000, 64, 4096, 32, {.truncate = false})));
}

TEST(position_plan, disagreement_8_dynamic_ntk_moves_the_base_and_so_the_fingerprint_with_the_length) {
  const PositionOptions options = with(ScalingMethod::dynamic_ntk, 4);
  const PositionPlan at_window = planned(llama2_7b(), options, 4096), beyond = planned(llama2_7b(), options, 16384);
  EXPECT_EQ(frequencies(at_window), to_single(rope_frequencies(1e4, 128)));
  EXPECT_EQ(frequencies(beyond), to_single(dynamic_ntk(1e4, 128, 4096, 16384, 4)));
  EXPECT_NE(at_window.fingerprint(), beyond.fingerprint());
  // Without a factor it is the paper's form.
  EXPECT_EQ(frequencies(planned(llama2_7b(), with(ScalingMethod::dynamic_ntk), 16384)),
            to_single(dynamic_ntk(1e4, 128, 4096, 16384, 1)));
}

TEST(position_plan, disagreement_9_longrope_changes_its_list_and_fingerprint_at_the_original_length) {
  ModelConfig config = position_config(1e4, 8, 131072);
  config.scaling.type = "longrope";
  config.scaling.original_context_length = 4096;
  config.scaling.short_factors = {1.0f, 1.1f, 1.2f, 1.3f};
  config.scaling.long_factors = {1.0f, 4.0f, 16.0f, 64.0f};
  const PositionPlan below = planned(config, declared_options(config), 4096);
  const PositionPlan above = planned(config, declared_options(config), 4097);
  const auto theta = rope_frequencies(1e4, 8);
  EXPECT_FLOAT_EQ(frequencies(below)[3], static_cast<float>(theta[3] / 1.3));
  EXPECT_FLOAT_EQ(frequencies(above)[3], static_cast<float>(theta[3] / 64));
  EXPECT_FLOAT_EQ(above.parts.front().table.magnitude, 1.190238f);
  EXPECT_NE(below.fingerprint(), above.fingerprint());
  config.scaling.attention_factor = 1.5;
  config.scaling.attention_factor_multiplies = true;  // GGUF: m itself, where other methods multiply by it
  EXPECT_FLOAT_EQ(planned(config, declared_options(config), 4097).parts.front().table.magnitude, 1.5f);
}

TEST(position_plan, longrope_without_lists_is_refused) {
  EXPECT_NE(refusal(llama2_7b(), with(ScalingMethod::longrope, 4), 16384).find("0 long factors, expected 64"),
            std::string::npos);
}

TEST(position_plan, llama3_factors_of_a_gguf_divide_the_frequencies_of_every_method) {
  ModelConfig gguf = llama3_1(), folder = llama3_1();
  const PositionPlan from_folder = planned(folder, declared_options(folder), 131072);
  gguf.scaling = {};
  const auto theta = rope_frequencies(5e5, 128);
  for (std::size_t i = 0; i < 64; ++i) {
    gguf.scaling.frequency_factors.push_back(
        static_cast<float>(theta[i] / static_cast<double>(frequencies(from_folder)[i])));
  }
  const PositionPlan from_gguf = planned(gguf, declared_options(gguf), 131072);
  for (std::size_t i = 0; i < 64; ++i)
    EXPECT_NEAR(frequencies(from_gguf)[i] / frequencies(from_folder)[i], 1, 3e-7) << i;
  const PositionPlan extended_gguf = planned(gguf, automatic_options(gguf, 200000), 200000);
  const PositionPlan extended_folder = planned(folder, automatic_options(folder, 200000), 200000);
  EXPECT_EQ(extended_gguf.method, ScalingMethod::yarn);
  EXPECT_EQ(extended_gguf.factor, 2.0);
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_NEAR(frequencies(extended_gguf)[i] / frequencies(extended_folder)[i], 1, 4e-7) << i;
  }
  EXPECT_NEAR(frequencies(extended_gguf)[63] * 2 / frequencies(from_gguf)[63], 1, 1e-6);
}

TEST(position_plan, article_yarn_is_labelled_and_divides_the_logits_by_two_and_a_half) {
  const PositionPlan plan = planned(qwen2_5(), with(ScalingMethod::article_yarn, 4), 131072);
  EXPECT_EQ(plan.parts.front().table.magnitude, 1.0f);
  EXPECT_FLOAT_EQ(plan.parts.front().table.softmax_scale, 0.4f);
  const bool labelled = std::ranges::any_of(
      plan.notes, [](const std::string& note) { return note.find("not YaRN") != std::string::npos; });
  EXPECT_TRUE(labelled);
}

TEST(position_plan, temperature_is_an_option_of_its_own) {
  PositionOptions options = with(ScalingMethod::yarn, 4);
  options.temperature = Temperature::none;
  EXPECT_EQ(planned(qwen2_5(), options, 131072).parts.front().table.magnitude, 1.0f);
  options.temperature = Temperature::article;
  EXPECT_FLOAT_EQ(planned(qwen2_5(), options, 131072).parts.front().table.softmax_scale, 0.4f);
  options.temperature = Temperature::value;
  options.temperature_value = 0.5;
  EXPECT_EQ(planned(qwen2_5(), options, 131072).parts.front().table.softmax_scale, 2.0f);
  options = with(ScalingMethod::linear, 4);
  options.temperature = Temperature::paper;
  EXPECT_FLOAT_EQ(planned(qwen2_5(), options, 131072).parts.front().table.magnitude, 1.1386294f);
}

TEST(position_plan, every_plan_states_its_effective_logit_multiplier) {
  for (const PositionMethod& entry : position_methods()) {
    if (entry.method == ScalingMethod::longrope) continue;  // needs lists
    PositionOptions options = with(entry.method);
    options.allow_no_op = true;
    const PositionPlan plan = planned(qwen2_5(), options, 131072);
    ASSERT_FALSE(plan.notes.empty());
    EXPECT_EQ(plan.notes.back().rfind("logits x ", 0), 0u) << entry.name;
  }
}

TEST(position_plan, a_method_that_changes_nothing_is_an_error) {
  for (const auto method : {ScalingMethod::linear, ScalingMethod::ntk, ScalingMethod::ntk_by_parts, ScalingMethod::yarn,
                            ScalingMethod::yarn_paper, ScalingMethod::article_yarn, ScalingMethod::llama3}) {
    EXPECT_NE(refusal(llama2_7b(), with(method, 1.0), 16384).find("changes nothing"), std::string::npos);
    EXPECT_NE(refusal(llama2_7b(), with(method), 4000).find("changes nothing for 4000 tokens"), std::string::npos);
    PositionOptions sweep = with(method, 1.0);
    sweep.allow_no_op = true;
    EXPECT_EQ(planned(llama2_7b(), sweep, 4096).fingerprint(), planned(llama2_7b(), {}, 4096).fingerprint());
  }
  EXPECT_TRUE(plan_positions(llama2_7b(), with(ScalingMethod::dynamic_ntk), 4096).has_value());
  refusal(llama2_7b(), with(ScalingMethod::self_extend), 1000);
  refusal(llama2_7b(), with(ScalingMethod::dual_chunk), 2000);
}

TEST(position_plan, an_option_that_changes_nothing_is_an_error) {
  PositionOptions options;
  options.factor = 4;
  EXPECT_NE(refusal(llama2_7b(), options, 16384).find("without a scaling method"), std::string::npos);
  const auto refused = [](ScalingMethod method, const std::function<void(PositionOptions&)>& set,
                          std::string_view name) {
    PositionOptions changed = with(method, 4.0);
    if (method == ScalingMethod::none || method == ScalingMethod::self_extend) changed.factor.reset();
    set(changed);
    const std::string message = refusal(llama2_7b(), changed, 16384);
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find("changes nothing"), std::string::npos) << message;
  };
  refused(
      ScalingMethod::none, [](PositionOptions& o) { o.theta = 1e4; }, "rope base");
  refused(
      ScalingMethod::linear, [](PositionOptions& o) { o.original_context = 8192; }, "original context");
  refused(
      ScalingMethod::yarn, [](PositionOptions& o) { o.ntk_alpha = 1.1; }, "ntk alpha");
  refused(
      ScalingMethod::linear, [](PositionOptions& o) { o.attention_factor = 1.1; }, "attention factor");
  refused(
      ScalingMethod::linear, [](PositionOptions& o) { o.beta_fast = 16; }, "beta_fast");
  refused(
      ScalingMethod::yarn_paper, [](PositionOptions& o) { o.truncate = false; }, "truncate");
  refused(
      ScalingMethod::yarn, [](PositionOptions& o) { o.group = 4; }, "group");
  refused(
      ScalingMethod::ntk, [](PositionOptions& o) { o.neighbour_window = 512; }, "neighbour window");
  refused(
      ScalingMethod::linear, [](PositionOptions& o) { o.temperature = Temperature::none; }, "attention temperature");
}

TEST(position_plan, values_out_of_range_are_refused_with_what_was_found) {
  for (const double factor :
       {0.0, -2.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_NE(refusal(llama2_7b(), with(ScalingMethod::yarn, factor), 16384).find("rope factor"), std::string::npos);
  }
  ModelConfig odd = llama2_7b();
  odd.rope_dims = 127;
  EXPECT_NE(refusal(odd, {}, 4096).find("127"), std::string::npos);
  refusal(llama2_7b(), {}, 0);
  PositionOptions window = with(ScalingMethod::self_extend);
  window.neighbour_window = 4096;
  refusal(llama2_7b(), window, 16384);
  PositionOptions ramp = with(ScalingMethod::yarn, 4);
  ramp.beta_fast = 0.5;
  refusal(llama2_7b(), ramp, 16384);
}

TEST(position_plan, what_the_file_declares_is_checked) {
  const auto refused = [](const std::function<void(ModelConfig&)>& damage, ErrorKind kind) {
    ModelConfig config = llama2_7b();
    damage(config);
    refusal(config, {}, 4096, kind);
  };
  refused([](ModelConfig& c) { c.scaling.type = "mrope"; }, ErrorKind::unsupported);
  refused([](ModelConfig& c) { c.scaling.factor = 0; }, ErrorKind::format);
  refused([](ModelConfig& c) { c.rope_theta = 1; }, ErrorKind::format);
  refused([](ModelConfig& c) { c.context_length = 0; }, ErrorKind::format);
  refused([](ModelConfig& c) { c.scaling.original_context_length = 0; }, ErrorKind::format);
  refused([](ModelConfig& c) { c.scaling.frequency_factors = {1.0f}; }, ErrorKind::format);
  refused([](ModelConfig& c) { c.scaling.frequency_factors.assign(64, 0.0f); }, ErrorKind::format);
  refused([](ModelConfig& c) { c.scaling.attention_factor = -1; }, ErrorKind::format);
  refused([](ModelConfig& c) { c.scaling.beta_fast = 0.1; }, ErrorKind::format);
  refused([](ModelConfig& c) { c.scaling.mscale = -1; }, ErrorKind::format);
  refused([](ModelConfig& c) { c.scaling.type = "longrope"; }, ErrorKind::format);
  refused(
      [](ModelConfig& c) {
        c.scaling.type = "llama3";
        c.scaling.low_freq_factor = 4;
      },
      ErrorKind::format);
}

TEST(position_plan, exactly_one_part_covers_each_query_and_key) {
  Rng rng(11);
  for (const auto method : {ScalingMethod::none, ScalingMethod::self_extend, ScalingMethod::dual_chunk}) {
    for (int round = 0; round < 20; ++round) {
      ModelConfig config = llama2_7b();
      config.context_length = 64 + rng.below(4000);
      PositionOptions options = with(method);
      options.group = 2 + rng.below(30);
      options.neighbour_window = 1 + rng.below(config.context_length - 1);
      options.allow_no_op = true;
      const PositionPlan plan = planned(config, options, config.context_length + 1);
      for (int pair = 0; pair < 500; ++pair) {
        const std::uint64_t query = rng.below(6 * config.context_length), key = rng.below(query + 1);
        const auto parts =
            std::ranges::count_if(plan.parts, [&](const PositionPart& part) { return covers(part.keys, query, key); });
        ASSERT_EQ(parts, 1) << scaling_method_name(method) << " q " << query << " k " << key;
      }
    }
  }
}

TEST(position_plan, self_extend_has_two_parts_and_says_what_it_can_hold) {
  const PositionPlan plan = planned(llama2_7b(), with(ScalingMethod::self_extend), 16384);
  ASSERT_EQ(plan.parts.size(), 2u);
  EXPECT_FALSE(plan.keys_stored_rotated());
  EXPECT_TRUE(plan.parts[0].query_log_scaling && plan.parts[1].query_log_scaling);
  EXPECT_EQ(plan.parts[1].log_base, 4096.0);
  EXPECT_EQ(plan.parts[1].query_map(8000), 8000u / 8 + 1024 - 128);
  EXPECT_EQ(plan.parts[1].key_map(8000), 1000u);
  EXPECT_NE(refusal(llama2_7b(), with(ScalingMethod::self_extend), 25601).find("group 9 would do"), std::string::npos);
  EXPECT_EQ(planned(llama2_7b(), with(ScalingMethod::self_extend, 4), 16384).parts[1].key_map.divide, 5u);
}

TEST(position_plan, dual_chunk_has_three_parts_with_its_magnitude) {
  const PositionPlan plan = planned(llama2_7b(), with(ScalingMethod::dual_chunk), 65536);
  ASSERT_EQ(plan.parts.size(), 3u);
  for (const PositionPart& part : plan.parts) EXPECT_FLOAT_EQ(part.table.magnitude, 1.1386294f);
}

TEST(position_plan, the_fingerprint_is_stable) {
  const PositionPlan plan = planned(qwen2_5(), with(ScalingMethod::yarn, 4), 131072);
  EXPECT_EQ(plan.fingerprint(), planned(qwen2_5(), with(ScalingMethod::yarn, 4), 100000).fingerprint());
  EXPECT_EQ(plan.fingerprint(), "34af889e8bb4d875");  // stamped into snapshots: a change here refuses them all
}

TEST(position_plan, the_fingerprint_changes_with_anything_that_changes_a_score) {
  const PositionPlan plan = planned(llama2_7b(), with(ScalingMethod::dual_chunk), 65536);
  const std::string before = plan.fingerprint();
  EXPECT_EQ(before.size(), 16u);
  const std::vector<std::function<void(PositionPart&)>> changes{
      [](PositionPart& p) {
        p.table.inverse_frequencies.back() = std::nextafter(p.table.inverse_frequencies.back(), 1.0f);
      },
      [](PositionPart& p) { p.table.inverse_frequencies.pop_back(); },
      [](PositionPart& p) { p.table.magnitude = std::nextafter(p.table.magnitude, 2.0f); },
      [](PositionPart& p) { p.table.softmax_scale = 1.5f; },
      [](PositionPart& p) { p.keys.kind = KeyRange::Kind::all; },
      [](PositionPart& p) { ++p.keys.window; },
      [](PositionPart& p) { ++p.keys.chunk; },
      [](PositionPart& p) { p.query_map.kind = PositionMap::Kind::group; },
      [](PositionPart& p) { ++p.query_map.divide; },
      [](PositionPart& p) { ++p.query_map.period; },
      [](PositionPart& p) { ++p.query_map.add; },
      [](PositionPart& p) { ++p.query_map.cap; },
      [](PositionPart& p) { ++p.key_map.value; },
      [](PositionPart& p) { p.query_log_scaling = true; },
      [](PositionPart& p) { p.log_base = 2; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    for (std::size_t part = 0; part < plan.parts.size(); ++part) {
      PositionPlan changed = plan;
      changes[i](changed.parts[part]);
      EXPECT_NE(changed.fingerprint(), before) << i;
    }
  }
  PositionPlan shorter = plan;
  shorter.parts.pop_back();
  EXPECT_NE(shorter.fingerprint(), before);
  PositionPlan reworded = plan;
  reworded.origin = "somebody else";
  reworded.notes.clear();
  EXPECT_EQ(reworded.fingerprint(), before);
}

TEST(position_plan, method_names_are_read_back_and_unknown_ones_listed) {
  for (const PositionMethod& entry : position_methods()) {
    EXPECT_EQ(*scaling_method_from_name(entry.name), entry.method);
    EXPECT_EQ(scaling_method_name(entry.method), entry.name);
  }
  const auto unknown = scaling_method_from_name("yarm");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().message.find("yarn, yarn-paper"), std::string::npos);
}

TEST(position_plan, gemma_local_layers_keep_their_own_native_table) {
  const PositionPlan plan = plan_local_positions(gemma3_270m());
  EXPECT_EQ(frequencies(plan), to_single(rope_frequencies(1e4, 256)));
  EXPECT_EQ(plan.parts.front().table.magnitude, 1.0f);
}

TEST(position_plan, mistral_like_local_layers_share_the_table_that_the_file_declares) {
  ModelConfig mistral = position_config(1e4, 128, 32768);
  mistral.sliding_window = 4096;
  mistral.local_layers = {true, true};
  EXPECT_EQ(frequencies(plan_local_positions(mistral)), to_single(rope_frequencies(1e4, 128)));
  mistral.scaling = declared("yarn", 16.0);
  mistral.scaling.original_context_length = 8192;
  EXPECT_EQ(frequencies(plan_local_positions(mistral)), to_single(yarn(1e4, 128, 8192, 16, {})));
}

TEST(position_plan, scaling_a_model_whose_layers_are_all_local_is_an_error_and_auto_leaves_it_alone) {
  ModelConfig mistral = position_config(1e4, 128, 8192);
  mistral.sliding_window = 4096;
  mistral.local_layers = {true, true};
  EXPECT_NE(refusal(mistral, with(ScalingMethod::yarn, 4), 32768).find("every layer"), std::string::npos);
  const PositionOptions automatic = automatic_options(mistral, 100000);
  EXPECT_EQ(automatic.method, ScalingMethod::none);
  EXPECT_TRUE(plan_positions(mistral, automatic, 100000).has_value());
}

TEST(position_options, the_automatic_factor_has_headroom_and_is_rounded_up_to_a_short_list) {
  EXPECT_EQ(automatic_factor(118000, 32768), 4.0);  // the policy manual in Gemma 3 270M
  EXPECT_EQ(automatic_factor(32769, 32768), 1.5);
  EXPECT_EQ(automatic_factor(45056, 32768), 1.5);
  EXPECT_EQ(automatic_factor(45057, 32768), 2.0);
  std::vector<double> list;
  for (double ratio = 0.5; ratio <= 33; ratio += 0.25) {
    if (list.empty() || round_up_factor(ratio) != list.back()) list.push_back(round_up_factor(ratio));
  }
  EXPECT_EQ(list, (std::vector<double>{1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48}));
}

TEST(position_options, auto_is_native_when_everything_fits_and_yarn_by_the_real_length_otherwise) {
  const ModelConfig gemma = gemma3_270m();
  EXPECT_EQ(automatic_options(gemma, 32768).method, ScalingMethod::none);
  const PositionOptions scaled = automatic_options(gemma, 118000);
  EXPECT_EQ(scaled.method, ScalingMethod::yarn);
  EXPECT_EQ(*scaled.factor, 4.0);
  EXPECT_EQ(planned(gemma, scaled, 118000).origin, "auto: 118000 tokens do not fit the model's 32768; yarn x4");
}

TEST(position_options, auto_keeps_the_scaling_of_the_file_within_its_reach) {
  ModelConfig config = qwen2_5();
  config.scaling = declared("yarn", 4.0);
  config.scaling.original_context_length = 32768;
  EXPECT_EQ(native_reach(config), 131072u);
  EXPECT_EQ(*automatic_options(config, 131072).factor, 4.0);
  EXPECT_EQ(*automatic_options(config, 131073).factor, 6.0);
  ModelConfig interpolated = llama2_7b();
  interpolated.scaling = declared("linear", 4.0);
  EXPECT_EQ(automatic_options(interpolated, 16384).method, ScalingMethod::linear);
  EXPECT_EQ(*automatic_options(interpolated, 16385).factor, 6.0);
}

TEST(position_options, a_declared_scaling_that_changes_nothing_is_no_error) {
  ModelConfig config = llama2_7b();
  config.scaling = declared("linear", 1.0);
  EXPECT_TRUE(plan_positions(config, declared_options(config), 4096).has_value());
}

TEST(describe_positions, the_text_says_which_setting_won_m_and_the_effective_table) {
  const ModelConfig config = gemma3_270m();
  const PositionPlan plan = planned(config, automatic_options(config, 118000), 118000);
  const PositionDescription description = describe(plan, config, 118000);
  ASSERT_EQ(description.rows.size(), 128u);
  EXPECT_NEAR(description.rows.back().divided_by, 4.0, 1e-6);
  EXPECT_NEAR(description.rows.front().divided_by, 1.0, 1e-6);
  const std::string text = to_text(description, 8);
  for (const std::string_view expected : {"yarn x4", "auto: 118000 tokens do not fit", "1.1386294", "1.29648",
                                          "118000 tokens", "15 of 18 keep their own table", "divided by"}) {
    EXPECT_NE(text.find(expected), std::string::npos) << expected << "\n" << text;
  }
  EXPECT_NE(text.find(plan.fingerprint()), std::string::npos);
  const std::string all = to_text(description, 0);
  EXPECT_EQ(std::ranges::count(all, '\n') - std::ranges::count(text, '\n'), 120);
}

}  // namespace
}  // namespace tome
