// What a model declares once it is extended, and that its positions are those of the same method asked for by hand.
#include "position/extended_config.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tome {
namespace {

ModelConfig small() {
  ModelConfig config;
  config.family = Family::llama;
  config.layers = 1;
  config.heads = config.kv_heads = 1;
  config.head_dim = config.rope_dims = 64;
  config.context_length = 2048;
  config.rope_theta = 10000.0;
  config.local_layers = {false};
  return config;
}

TEST(ExtendedConfig, positions_are_those_of_the_method_asked_for_by_hand) {
  for (const ScalingMethod method : {ScalingMethod::linear, ScalingMethod::ntk, ScalingMethod::yarn}) {
    const ModelConfig config = small();
    const auto extended = extended_config(config, method, 4.0);
    ASSERT_TRUE(extended) << extended.error().message;
    EXPECT_EQ(extended->context_length, 8192u);
    PositionOptions asked;
    asked.method = method;
    asked.factor = 4.0;
    EXPECT_EQ(plan_positions(*extended, declared_options(*extended), 8192)->fingerprint(),
              plan_positions(config, asked, 8192)->fingerprint())
        << scaling_method_name(method);
    EXPECT_NE(plan_positions(*extended, declared_options(*extended), 8192)->fingerprint(),
              plan_positions(config, declared_options(config), 2048)->fingerprint());
  }
}

TEST(ExtendedConfig, lists_of_divisors_stay) {
  ModelConfig config = small();
  config.scaling.type = "llama3";
  config.scaling.frequency_factors.assign(32, 2.0f);
  PositionOptions asked;
  asked.method = ScalingMethod::yarn;
  asked.factor = 2.0;
  const auto extended = extended_config(config, ScalingMethod::yarn, 2.0);
  ASSERT_TRUE(extended) << extended.error().message;
  EXPECT_EQ(plan_positions(*extended, declared_options(*extended), 4096)->fingerprint(),
            plan_positions(config, asked, 4096)->fingerprint());
}

TEST(ExtendedConfig, searched_divisors_are_one_table_at_every_length) {
  std::vector<float> divisors;
  for (int i = 0; i < 32; ++i) divisors.push_back(1.0f + 0.1f * static_cast<float>(i));
  const auto extended = extended_config(small(), ScalingMethod::longrope, 4.0, divisors);
  ASSERT_TRUE(extended) << extended.error().message;
  const auto near = plan_positions(*extended, declared_options(*extended), 100),
             far = plan_positions(*extended, declared_options(*extended), 8192);
  ASSERT_TRUE(far) << far.error().message;
  EXPECT_EQ(near->fingerprint(), far->fingerprint());
  const PositionTable native = plan_positions(small(), {}, 2048)->parts[0].table;
  for (std::size_t i = 0; i < 32; ++i)
    EXPECT_NEAR(far->parts[0].table.inverse_frequencies[i] * divisors[i], native.inverse_frequencies[i],
                1e-6f * native.inverse_frequencies[i]);
  EXPECT_NEAR(far->parts[0].table.magnitude, std::sqrt(1.0 + std::log(4.0) / std::log(2048.0)), 1e-6);
  divisors.pop_back();
  EXPECT_EQ(extended_config(small(), ScalingMethod::longrope, 4.0, divisors).error().kind, ErrorKind::usage);
  divisors.push_back(0.0f);
  EXPECT_EQ(extended_config(small(), ScalingMethod::longrope, 4.0, divisors).error().kind, ErrorKind::usage);
  divisors.back() = 1e-45f;
  EXPECT_EQ(extended_config(small(), ScalingMethod::longrope, 4.0, divisors).error().kind, ErrorKind::usage);
  divisors.back() = 2.0f;
  EXPECT_EQ(extended_config(small(), ScalingMethod::yarn, 4.0, divisors).error().kind, ErrorKind::usage);
}

TEST(ExtendedConfig, what_cannot_be_declared_is_refused) {
  EXPECT_EQ(extended_config(small(), ScalingMethod::self_extend, 4.0).error().kind, ErrorKind::unsupported);
  EXPECT_EQ(extended_config(small(), ScalingMethod::yarn, 0.5).error().kind, ErrorKind::usage);
  EXPECT_EQ(extended_config(small(), ScalingMethod::yarn, 1e300).error().kind, ErrorKind::usage);
  ModelConfig scaled = small();
  scaled.scaling.type = "yarn";
  scaled.scaling.factor = 2.0;
  EXPECT_EQ(extended_config(scaled, ScalingMethod::yarn, 4.0).error().kind, ErrorKind::unsupported);
  EXPECT_TRUE(extended_config(scaled, ScalingMethod::none, 1.0));
}

}  // namespace
}  // namespace tome
