#include "position/rerotate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "position/rope.h"
#include "position/yarn.h"

namespace tome {
namespace {

PositionTable table_of(const std::vector<double>& frequencies, double magnitude) {
  return {
      .inverse_frequencies = to_single(frequencies), .magnitude = static_cast<float>(magnitude), .softmax_scale = 1};
}

/// A key as attention stores it: rotated for `position`, times the table's magnitude.
std::vector<float> stored(std::vector<float> key, RopePairs pairs, const PositionTable& table, std::uint64_t position) {
  std::vector<double> angles;
  for (const float frequency : table.inverse_frequencies) angles.push_back(rotation_phase(position, frequency));
  rotate_by(key, pairs, angles);
  for (float& value : key) value *= table.magnitude;
  return key;
}

std::vector<float> random_key(std::size_t dims) {
  Rng rng(7);
  std::vector<float> key(dims);
  for (float& value : key) value = static_cast<float>(rng.uniform() * 2 - 1);
  return key;
}

double norm(const std::vector<float>& key) {
  double sum = 0;
  for (const float value : key) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

TEST(rerotate, a_key_moved_to_another_position_equals_one_stored_there) {
  const PositionTable table = table_of(yarn(1e6, 128, 32768, 4, {}), yarn_magnitude(4));
  for (const RopePairs pairs : {RopePairs::halves, RopePairs::interleaved}) {
    std::vector<float> key = stored(random_key(128), pairs, table, 100000);
    rotate_by(key, pairs, rerotation_angles(table, 100000, table, 512));
    const std::vector<float> expected = stored(random_key(128), pairs, table, 512);
    for (std::size_t i = 0; i < key.size(); ++i) EXPECT_NEAR(key[i], expected[i], 1e-6) << i;
  }
}

TEST(rerotate, disagreement_10_shifting_a_hundred_times_leaves_the_length_of_a_key_as_it_is) {
  const PositionTable table = table_of(yarn(1e6, 128, 32768, 4, {}), yarn_magnitude(4));
  std::vector<float> key = stored(random_key(128), RopePairs::halves, table, 50000);
  const double before = norm(key);
  for (std::uint64_t shift = 0; shift < 100; ++shift) {
    rotate_by(key, RopePairs::halves, rerotation_angles(table, 50000 - shift * 100, table, 50000 - (shift + 1) * 100));
  }
  EXPECT_NEAR(norm(key) / before, 1.0, 1e-6);  // with the magnitude applied again it would be 1.1386^100
  EXPECT_EQ(rerotation_scale(table, table), 1.0);
}

TEST(rerotate, a_key_moved_to_another_table_equals_one_stored_under_it) {
  const PositionTable native = table_of(rope_frequencies(1e6, 128), 1.0);
  const PositionTable scaled = table_of(yarn(1e6, 128, 32768, 4, {}), yarn_magnitude(4));
  std::vector<float> key = stored(random_key(128), RopePairs::halves, native, 30000);
  rotate_by(key, RopePairs::halves, rerotation_angles(native, 30000, scaled, 30000));
  for (float& value : key) value *= static_cast<float>(rerotation_scale(native, scaled));
  const std::vector<float> expected = stored(random_key(128), RopePairs::halves, scaled, 30000);
  for (std::size_t i = 0; i < key.size(); ++i) EXPECT_NEAR(key[i], expected[i], 2e-6) << i;
}

TEST(rerotate, pairs_are_neighbours_or_halves_as_told) {
  std::vector<float> halves{1, 0, 0, 0}, interleaved{1, 0, 0, 0};
  const std::vector<double> quarter{std::acos(0.0), 0.0};
  rotate_by(halves, RopePairs::halves, quarter);
  rotate_by(interleaved, RopePairs::interleaved, quarter);
  EXPECT_NEAR(halves[2], 1, 1e-7);
  EXPECT_NEAR(interleaved[1], 1, 1e-7);
}

}  // namespace
}  // namespace tome
