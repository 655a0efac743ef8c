#include "cache/paged_kv.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/mapped_file.h"
#include "cache/hadamard.h"
#include "cache/layer_state.h"
#include "cache/snapshot.h"

namespace tome {
namespace {

float key_of(std::uint64_t position, std::size_t dim) {
  return std::sin(static_cast<float>(position) * 0.37f + static_cast<float>(dim));
}

void append(PagedKv& kv, std::uint64_t end, float shift = 0.0f) {
  const std::uint32_t dims = kv.layout().head_dim;
  kv.reserve(end);
  std::vector<float> key(dims), value(dims);
  for (std::uint64_t position = kv.length(); position < end; ++position)
    for (std::uint32_t head = 0; head < kv.layout().kv_heads; ++head) {
      for (std::size_t dim = 0; dim < dims; ++dim) {
        key[dim] = key_of(position, dim) + static_cast<float>(head) + shift;
        value[dim] = -key[dim];
      }
      kv.write(position, head, key.data(), value.data());
    }
  kv.commit(end);
}

void expect_contents(const PagedKv& kv, std::uint64_t from, std::uint64_t to, double tolerance) {
  const std::size_t dims = kv.layout().head_dim;
  std::vector<float> keys(64 * dims), values(64 * dims);
  for (std::uint32_t head = 0; head < kv.layout().kv_heads; ++head)
    for (std::uint64_t position = from; position < to; ++position) {
      read_keys(kv.layout(), kv.page(position / 64), head, keys.data());
      read_values(kv.layout(), kv.page(position / 64), head, values.data());
      for (std::size_t dim = 0; dim < dims; ++dim) {
        const double want = static_cast<double>(key_of(position, dim)) + head;
        ASSERT_NEAR(keys[position % 64 * dims + dim], want, tolerance) << position;
        ASSERT_NEAR(values[position % 64 * dims + dim], -want, tolerance) << position;
      }
    }
}

TEST(PagedKv, every_type_gives_back_what_was_written) {
  for (const auto& [type, tolerance] :
       {std::pair{DType::f32, 1e-6}, {DType::bf16, 2e-2}, {DType::f16, 2e-3}, {DType::q8_0, 3e-2}}) {
    PagedKv kv(*KvLayout::create(type, 2, 96), 0);
    append(kv, 130);
    append(kv, 131);
    expect_contents(kv, 0, 131, tolerance);
  }
}

TEST(PagedKv, q4_0_keeps_rotated_values_and_keys_over_the_scales_of_their_channels) {
  PagedKv kv(*KvLayout::create(DType::q4_0, 2, 96), 0);
  std::vector<float> first(100 * 192);
  for (std::size_t position = 0; position < 100; ++position)
    for (std::size_t i = 0; i < 192; ++i)
      first[position * 192 + i] = key_of(position, i % 96) + static_cast<float>(i / 96);
  EXPECT_TRUE(kv.wants_fit(1, false));
  kv.fit_to_keys(first.data(), 192, 100);
  EXPECT_FALSE(kv.wants_fit(1, false));
  append(kv, 100);
  append(kv, 131);
  double worst = 0, total = 0;
  for (std::uint32_t head = 0; head < 2; ++head)
    for (std::uint64_t position = 0; position < 131; ++position) {
      std::vector<float> keys(64 * 96), values(64 * 96);
      read_keys(kv.layout(), kv.page(position / 64), head, keys.data());
      read_values(kv.layout(), kv.page(position / 64), head, values.data());
      float *key = keys.data() + position % 64 * 96, *value = values.data() + position % 64 * 96;
      for (std::size_t dim = 0; dim < 96; ++dim) key[dim] *= kv.channel_scales()[head * 96 + dim];
      hadamard(key, 96);
      hadamard(value, 96);
      for (std::size_t dim = 0; dim < 96; ++dim) {
        const double want = static_cast<double>(key_of(position, dim)) + head;
        for (const double error : {static_cast<double>(key[dim]) - want, static_cast<double>(value[dim]) + want}) {
          worst = std::max(worst, std::fabs(error));
          total += error * error;
        }
      }
    }
  EXPECT_LT(worst, 1.5);  // 4 bits: a sixteenth of a block's range, spread over 32 channels
  EXPECT_LT(std::sqrt(total / (2.0 * 131 * 96 * 2)), 0.12);
  PagedKv fork = kv;
  EXPECT_EQ(fork.channel_scales(), kv.channel_scales());
  EXPECT_TRUE(fork.rewind(0));
  EXPECT_TRUE(fork.wants_fit(1, false));
}

TEST(PagedKv, q8_0_keeps_keys_less_the_mean_of_the_first) {
  constexpr float kInCommon = 40.0f;
  const KvLayout layout = *KvLayout::create(DType::q8_0, 2, 96);
  std::vector<float> first(64 * 192);
  for (std::size_t position = 0; position < 64; ++position)
    for (std::size_t i = 0; i < 192; ++i)
      first[position * 192 + i] = key_of(position, i % 96) + static_cast<float>(i / 96) + kInCommon;
  PagedKv plain(layout, 0), kv(layout, 0);
  EXPECT_FALSE(kv.wants_fit(64, false));  // not stored rotated
  EXPECT_FALSE(kv.wants_fit(63, true));
  ASSERT_TRUE(kv.wants_fit(64, true));
  kv.fit_to_keys(first.data(), 192, 64);
  EXPECT_FALSE(kv.wants_fit(64, true));
  for (PagedKv* one : {&plain, &kv}) {
    append(*one, 100, kInCommon);
    append(*one, 131, kInCommon);
  }
  EXPECT_FALSE(plain.wants_fit(64, true));  // what is there lies as it is
  EXPECT_TRUE(plain.key_centre().empty());
  const auto worst = [&](const PagedKv& one) {
    double error = 0;
    for (std::uint32_t head = 0; head < 2; ++head)
      for (std::uint64_t position = 0; position < 131; ++position) {
        std::vector<float> keys(64 * 96);
        read_keys(layout, one.page(position / 64), head, keys.data());
        for (std::size_t dim = 0; dim < 96; ++dim) {
          const std::size_t at = head * 96 + dim;
          const float centre = one.key_centre().empty() ? 0.0f : one.key_centre()[at];
          const float scale = one.channel_scales().empty() ? 1.0f : one.channel_scales()[at];
          error = std::max(error, std::fabs(static_cast<double>(keys[position % 64 * 96 + dim]) * scale + centre -
                                            (key_of(position, dim) + static_cast<double>(head) + kInCommon)));
        }
      }
    return error;
  };
  EXPECT_GT(worst(plain), 0.12);  // a code is a third of a unit
  EXPECT_LT(worst(kv), 0.012);
  PagedKv fork = kv;
  EXPECT_EQ(fork.key_centre(), kv.key_centre());
  EXPECT_EQ(fork.channel_scales(), kv.channel_scales());
  EXPECT_TRUE(fork.rewind(0));
  EXPECT_TRUE(fork.wants_fit(64, true));
  first[5] = NAN;  // of head 0
  fork.fit_to_keys(first.data(), 192, 64);
  for (std::size_t dim = 0; dim < 96; ++dim) {
    EXPECT_EQ(fork.key_centre()[dim], 0.0f);
    EXPECT_EQ(fork.channel_scales()[dim], 1.0f);
    EXPECT_EQ(fork.key_centre()[96 + dim], kv.key_centre()[96 + dim]);
  }
  for (const DType other : {DType::f32, DType::bf16, DType::f16})
    EXPECT_FALSE(PagedKv(*KvLayout::create(other, 2, 96), 0).wants_fit(64, true));
}

TEST(PagedKv, a_fork_shares_pages_until_one_side_writes) {
  PagedKv kv(*KvLayout::create(DType::bf16, 1, 64), 0);
  append(kv, 100);
  PagedKv fork = kv;
  EXPECT_EQ(kv.page(0), fork.page(0));
  EXPECT_EQ(kv.page(1), fork.page(1));
  append(fork, 120, 5.0f);
  EXPECT_EQ(kv.page(0), fork.page(0));
  EXPECT_NE(kv.page(1), fork.page(1));
  append(kv, 120);
  expect_contents(kv, 0, 120, 2e-2);
  expect_contents(fork, 0, 100, 2e-2);
}

TEST(PagedKv, a_window_keeps_what_the_next_query_may_see_and_little_more) {
  PagedKv kv(*KvLayout::create(DType::bf16, 1, 64), 100);
  for (std::uint64_t end = 7; end < 3000; end += 7) {
    append(kv, end);
    kv.drop_invisible();
    const std::uint64_t needed = end < 100 ? 0 : end - 99;
    ASSERT_LE(kv.first_kept(), needed);
    ASSERT_GT(kv.first_kept() + 64, needed);
  }
  expect_contents(kv, kv.first_kept(), kv.length(), 2e-2);
  EXPECT_LE(kv.page_count(), 3u);
}

TEST(PagedKv, sinks_stay_while_the_window_moves_on) {
  PagedKv kv(*KvLayout::create(DType::bf16, 1, 64), 100, 65);
  for (std::uint64_t end = 7; end < 3000; end += 7) {
    append(kv, end);
    kv.drop_invisible();
    expect_contents(kv, 0, std::min<std::uint64_t>(end, 65), 2e-2);
    ASSERT_TRUE(std::ranges::is_sorted(kv.kept_pages()));
    ASSERT_EQ(kv.kept_pages().size(), kv.page_count());
    ASSERT_LE(kv.page_count(), 5u);
  }
  EXPECT_EQ(kv.kept_pages()[1], 1u) << "65 keys are two pages";
  EXPECT_EQ(kv.kept_pages()[2], kv.first_kept() / 64);
  EXPECT_EQ(kv.bytes(), kv.page_count() * kv.layout().page_bytes());
  expect_contents(kv, kv.first_kept(), kv.length(), 2e-2);
  PagedKv fork = kv;
  append(fork, 3100);
  expect_contents(fork, 0, 65, 2e-2);
  EXPECT_EQ(PagedKv(kv.layout(), 0, 65).sinks(), 0u) << "without a window everything stays";
}

TEST(PagedKv, a_window_cannot_rewind_past_what_it_dropped_and_says_so) {
  PagedKv kv(*KvLayout::create(DType::bf16, 1, 64), 100);
  append(kv, 1000);
  kv.drop_invisible();
  const Status status = kv.rewind(500);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("cannot rewind from 1000 to 500"), std::string::npos) << status.error().message;
  EXPECT_TRUE(kv.rewind(999));
  PagedKv full(*KvLayout::create(DType::bf16, 1, 64), 0);
  append(full, 1000);
  EXPECT_TRUE(full.rewind(500));
  append(full, 700);
  expect_contents(full, 0, 700, 2e-2);
}

TEST(KvLayout, impossible_layouts_are_refused) {
  EXPECT_FALSE(KvLayout::create(DType::q4_k, 1, 64));
  EXPECT_FALSE(KvLayout::create(DType::bf16, 1, 63));
  EXPECT_FALSE(KvLayout::create(DType::q8_0, 1, 80));
  EXPECT_FALSE(KvLayout::create(DType::q4_0, 1, 80));
}

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() : path(std::filesystem::temp_directory_path() / ("tome_snapshot_" + std::to_string(::getpid()))) {}
  ~SnapshotTest() override { std::filesystem::remove(path); }
  static SequenceState empty_state() {
    const auto layout = KvLayout::create(DType::bf16, 2, 64);
    return SequenceState({PagedKv(*layout, 0), PagedKv(*layout, 100)});
  }
  void save() {
    SequenceState state = empty_state();
    for (std::size_t layer = 0; layer < 2; ++layer) {
      append(state.kv(layer), 300);
      state.kv(layer).drop_invisible();
    }
    state.set_length(300);
    std::vector<std::int32_t> tokens(300);
    for (int i = 0; i < 300; ++i) tokens[static_cast<std::size_t>(i)] = i * 3;
    ASSERT_TRUE(save_snapshot(path, identity, tokens, state));
  }
  std::string message_after(const std::function<void(std::string&)>& damage) {
    auto bytes = read_file(path, 1 << 30);
    EXPECT_TRUE(bytes);
    damage(*bytes);
    EXPECT_TRUE(write_file_atomically(path, *bytes));
    const auto loaded = load_snapshot(path, identity, empty_state());
    return loaded ? "accepted" : loaded.error().message;
  }
  std::string path;
  SnapshotIdentity identity{"model-a", "positions-a", "yarn"};
};

TEST_F(SnapshotTest, loads_what_was_saved_and_goes_on_from_there) {
  save();
  auto loaded = load_snapshot(path, identity, empty_state());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->tokens[299], 897);
  EXPECT_EQ(loaded->identity.positions, "yarn");
  append(loaded->state.kv(0), 310);  // the last page is read-only in the file: copied first
  append(loaded->state.kv(1), 310);
  expect_contents(loaded->state.kv(0), 0, 310, 2e-2);
  expect_contents(loaded->state.kv(1), loaded->state.kv(1).first_kept(), 310, 2e-2);
}

TEST_F(SnapshotTest, keeps_sinks_and_goes_on_from_them) {
  const auto layout = *KvLayout::create(DType::bf16, 2, 64);
  for (const std::uint64_t length : {50u, 200u, 300u}) {  // before, while and after the window leaves the sinks
    SequenceState state({PagedKv(layout, 100, 70)});
    append(state.kv(0), length);
    state.kv(0).drop_invisible();
    state.set_length(length);
    ASSERT_TRUE(save_snapshot(path, identity, std::vector<std::int32_t>(length), state));
    auto loaded = load_snapshot(path, identity, SequenceState({PagedKv(layout, 100, 70)}));
    ASSERT_TRUE(loaded) << loaded.error().message;
    PagedKv& kv = loaded->state.kv(0);
    EXPECT_EQ(kv.kept_pages(), state.kv(0).kept_pages());
    append(kv, 400);
    kv.drop_invisible();
    expect_contents(kv, 0, 70, 2e-2);
    expect_contents(kv, kv.first_kept(), 400, 2e-2);
    EXPECT_FALSE(load_snapshot(path, identity, SequenceState({PagedKv(layout, 100, 71)})));
  }
}

TEST_F(SnapshotTest, is_refused_for_another_model_other_positions_or_another_layout) {
  save();
  EXPECT_NE(load_snapshot(path, {"model-b", "positions-a", ""}, empty_state())
                .error()
                .message.find("made with model model-a"),
            std::string::npos);
  EXPECT_NE(
      load_snapshot(path, {"model-a", "positions-b", ""}, empty_state()).error().message.find("made with positions"),
      std::string::npos);
  SequenceState other(
      {PagedKv(*KvLayout::create(DType::f16, 2, 64), 0), PagedKv(*KvLayout::create(DType::f16, 2, 64), 100)});
  EXPECT_NE(load_snapshot(path, identity, other).error().message.find("another layout"), std::string::npos);
}

TEST_F(SnapshotTest, damage_anywhere_is_found) {
  save();
  EXPECT_NE(message_after([](std::string& b) { b[0] = 'X'; }).find("bad magic"), std::string::npos);
  save();
  EXPECT_NE(message_after([](std::string& b) { b[8] = 9; }).find("version 9"), std::string::npos);
  save();
  EXPECT_NE(message_after([](std::string& b) { b.resize(b.size() - 1); }).find("bytes, expected"), std::string::npos);
  save();
  EXPECT_NE(message_after([](std::string& b) { b.back() = static_cast<char>(b.back() ^ 1); }).find("checksum differs"),
            std::string::npos);
  save();
  EXPECT_NE(message_after([](std::string& b) { b.resize(10); }).find("expected at least 16"), std::string::npos);
  save();
  EXPECT_NE(message_after([](std::string& b) { b[20] = '"'; }).find("[snapshot]"), std::string::npos);
  save();
  EXPECT_NE(message_after([](std::string& b) {
              const auto at = b.find("\"length\":300");
              b[at + 9] = '9';
            }).find("tokens for a length of 900"),
            std::string::npos);
}

TEST_F(SnapshotTest, of_4_bit_keys_keeps_the_scales_of_their_channels_and_is_refused_without_them) {
  const auto empty = [] { return SequenceState({PagedKv(*KvLayout::create(DType::q4_0, 2, 32), 0)}); };
  SequenceState state = empty();
  std::vector<float> first(64);
  for (std::size_t i = 0; i < 64; ++i) first[i] = key_of(0, i);
  state.kv(0).fit_to_keys(first.data(), 64, 1);
  append(state.kv(0), 70);
  state.set_length(70);
  const SnapshotIdentity made_with{"model", "positions", "{}"};
  ASSERT_TRUE(save_snapshot(path, made_with, std::vector<std::int32_t>(70, 1), state));
  auto loaded = load_snapshot(path, made_with, empty());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->state.kv(0).channel_scales(), state.kv(0).channel_scales());
  append(loaded->state.kv(0), 80);  // later keys over the same scales
  append(state.kv(0), 80);
  for (std::uint64_t page = 0; page < 2; ++page)
    EXPECT_EQ(std::memcmp(loaded->state.kv(0).page(page), state.kv(0).page(page), state.kv(0).layout().page_bytes()),
              0);
  std::string text(std::istreambuf_iterator<char>(std::ifstream(path, std::ios::binary).rdbuf()), {});
  text.replace(text.find("channel_scales"), 14, "channel_scalez");
  std::ofstream(path, std::ios::binary) << text;
  const auto refused = load_snapshot(path, made_with, empty());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("layer 0: 'channel_scales' are not 64 positive numbers"), std::string::npos)
      << refused.error().message;
}

TEST_F(SnapshotTest, of_8_bit_keys_keeps_what_they_lie_less_of) {
  const auto empty = [](DType type) { return SequenceState({PagedKv(*KvLayout::create(type, 1, 32), 0)}); };
  SequenceState state = empty(DType::q8_0);
  std::vector<float> first(64 * 32);
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = key_of(i / 32, i % 32) + 3.0f;
  state.kv(0).fit_to_keys(first.data(), 32, 64);
  append(state.kv(0), 70, 3.0f);
  state.set_length(70);
  const SnapshotIdentity made_with{"model", "positions", "{}"};
  ASSERT_TRUE(save_snapshot(path, made_with, std::vector<std::int32_t>(70, 1), state));
  auto loaded = load_snapshot(path, made_with, empty(DType::q8_0));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->state.kv(0).key_centre(), state.kv(0).key_centre());
  EXPECT_EQ(loaded->state.kv(0).channel_scales(), state.kv(0).channel_scales());
  append(loaded->state.kv(0), 80, 3.0f);  // later keys less the same
  append(state.kv(0), 80, 3.0f);
  for (std::uint64_t page = 0; page < 2; ++page)
    EXPECT_EQ(std::memcmp(loaded->state.kv(0).page(page), state.kv(0).page(page), state.kv(0).layout().page_bytes()),
              0);
  const std::string saved(std::istreambuf_iterator<char>(std::ifstream(path, std::ios::binary).rdbuf()), {});
  const auto broken = [&](const std::string& from, const std::string& to) {
    std::string text = saved;
    text.replace(text.find(from), from.size(), to);
    std::ofstream(path, std::ios::binary) << text;
    const auto refused = load_snapshot(path, made_with, empty(DType::q8_0));
    return refused ? std::string() : refused.error().message;
  };
  const auto at = saved.find("\"key_centre\":[") + 14;
  const std::string number = saved.substr(at, saved.find(',', at) - at);
  for (const std::string& other : {"\"" + std::string(number.size() - 2, '1') + "\"",  // a text
                                   std::string(number.size() - 2, ' ') + "{}"})
    EXPECT_NE(broken(number, other).find("layer 0: 'key_centre' is not 32 numbers"), std::string::npos) << other;
  EXPECT_NE(broken("channel_scales", "channel_scalez").find("'channel_scales' are not 32 positive numbers"),
            std::string::npos);
  EXPECT_NE(broken(number + ",", std::string(number.size() + 1, ' ')).find("is not 32 numbers"), std::string::npos);

  SequenceState without = empty(DType::q8_0);  // the mean of a first chunk that was too short
  append(without.kv(0), 70);
  without.set_length(70);
  ASSERT_TRUE(save_snapshot(path, made_with, std::vector<std::int32_t>(70, 1), without));
  loaded = load_snapshot(path, made_with, empty(DType::q8_0));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(loaded->state.kv(0).key_centre().empty());
}

}  // namespace
}  // namespace tome
