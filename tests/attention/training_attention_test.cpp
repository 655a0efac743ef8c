// Attention for training, forward and backward, against dense attention in fp64 and its finite differences.
#include "attention/training_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"

namespace tome {
namespace {

using Doubles = std::vector<double>;
using Floats = std::vector<float>;

struct Case {
  std::uint64_t tokens;
  std::uint32_t heads, kv_heads, head_dim;
  std::vector<std::uint32_t> first_key;
  float scale = 0.0f;
  Floats queries, keys, values, gradient;

  TrainingAttention attention() const {
    return {.tokens = tokens,
            .heads = heads,
            .kv_heads = kv_heads,
            .head_dim = head_dim,
            .score_scale = scale,
            .first_key = first_key,
            .queries = queries.data(),
            .keys = keys.data(),
            .values = values.data()};
  }
  std::uint32_t first(std::uint64_t token, std::uint32_t kv_head) const {
    return first_key[(first_key.size() == tokens ? 0 : kv_head * tokens) + token];
  }
};

std::vector<std::uint32_t> window(std::uint64_t tokens, std::uint64_t size) {
  std::vector<std::uint32_t> first(tokens);
  for (std::uint64_t i = 0; i < tokens; ++i) first[i] = static_cast<std::uint32_t>(i + 1 > size ? i + 1 - size : 0);
  return first;
}

std::vector<std::uint32_t> documents(std::uint64_t tokens, std::uint64_t each) {
  std::vector<std::uint32_t> first(tokens);
  for (std::uint64_t i = 0; i < tokens; ++i) first[i] = static_cast<std::uint32_t>(i / each * each);
  return first;
}

Floats normal(std::size_t count, Rng& rng) {
  Floats values(count);
  for (float& value : values) {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += rng.uniform();
    value = static_cast<float>(sum);
  }
  return values;
}

Case make_case(std::uint64_t tokens, std::uint32_t heads, std::uint32_t kv_heads, std::uint32_t head_dim,
               std::vector<std::uint32_t> first_key, float peak = 1.0f) {
  Rng rng(tokens * 31 + head_dim);
  Case c{tokens, heads, kv_heads, head_dim, std::move(first_key), peak / std::sqrt(static_cast<float>(head_dim)),
         {},     {},    {},       {}};
  c.queries = normal(tokens * heads * head_dim, rng);
  c.keys = normal(tokens * kv_heads * head_dim, rng);
  c.values = normal(tokens * kv_heads * head_dim, rng);
  c.gradient = normal(tokens * heads * head_dim, rng);
  return c;
}

struct Dense {
  Doubles output, lse, queries, keys, values;
};

/// Softmax over a row of scores, and the chain rule through it, all in fp64.
Dense dense(const Case& c) {
  const std::size_t group = c.heads / c.kv_heads, dims = c.head_dim;
  Dense d;
  d.output.assign(c.queries.size(), 0.0);
  d.lse.assign(c.tokens * c.heads, 0.0);
  d.queries.assign(c.queries.size(), 0.0);
  d.keys.assign(c.keys.size(), 0.0);
  d.values.assign(c.values.size(), 0.0);
  for (std::uint64_t i = 0; i < c.tokens; ++i)
    for (std::uint32_t head = 0; head < c.heads; ++head) {
      const auto kv_head = static_cast<std::uint32_t>(head / group);
      const std::size_t q = (i * c.heads + head) * dims;
      const auto at = [&](std::uint64_t key) { return (key * c.kv_heads + kv_head) * dims; };
      Doubles p(i + 1, 0.0), dp(i + 1, 0.0);
      double highest = -1e300, total = 0.0, weighted = 0.0;
      for (std::uint64_t j = c.first(i, kv_head); j <= i; ++j) {
        for (std::size_t dim = 0; dim < dims; ++dim)
          p[j] += static_cast<double>(c.queries[q + dim]) * static_cast<double>(c.keys[at(j) + dim]) *
                  static_cast<double>(c.scale);
        highest = std::max(highest, p[j]);
      }
      for (std::uint64_t j = c.first(i, kv_head); j <= i; ++j) total += p[j] = std::exp(p[j] - highest);
      d.lse[i * c.heads + head] = (highest + std::log(total)) / std::log(2.0);
      for (std::uint64_t j = c.first(i, kv_head); j <= i; ++j) {
        p[j] /= total;
        for (std::size_t dim = 0; dim < dims; ++dim) {
          const double value = static_cast<double>(c.values[at(j) + dim]),
                       gradient = static_cast<double>(c.gradient[q + dim]);
          d.output[q + dim] += p[j] * value;
          d.values[at(j) + dim] += p[j] * gradient;
          dp[j] += gradient * value;
        }
        weighted += p[j] * dp[j];
      }
      for (std::uint64_t j = c.first(i, kv_head); j <= i; ++j) {
        const double ds = p[j] * (dp[j] - weighted) * static_cast<double>(c.scale);
        for (std::size_t dim = 0; dim < dims; ++dim) {
          d.queries[q + dim] += ds * static_cast<double>(c.keys[at(j) + dim]);
          d.keys[at(j) + dim] += ds * static_cast<double>(c.queries[q + dim]);
        }
      }
    }
  return d;
}

struct Tiled {
  Floats output, lse, queries, keys, values;
};

Tiled tiled(const Case& c) {
  const float poison = std::nanf("");
  Tiled t{Floats(c.queries.size(), poison), Floats(c.tokens * c.heads, poison), Floats(c.queries.size(), poison),
          Floats(c.keys.size(), poison), Floats(c.values.size(), poison)};
  training_attention(c.attention(), t.output.data(), t.lse.data());
  training_attention_backward(c.attention(), t.output.data(), t.lse.data(), c.gradient.data(),
                              {.queries = t.queries.data(), .keys = t.keys.data(), .values = t.values.data()});
  return t;
}

/// The largest difference over the largest value (at least 1).
double relative(const Floats& got, const Doubles& wanted) {
  double worst = 0.0, largest = 1.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(got[i]) - wanted[i]);
    if (!(difference <= worst)) worst = difference;  // what is not a number stays
    largest = std::max(largest, std::fabs(wanted[i]));
  }
  return worst / largest;
}

void expect_as_dense(const Case& c, double tolerance = 5e-6) {
  const Dense wanted = dense(c);
  const Tiled got = tiled(c);
  EXPECT_LT(relative(got.output, wanted.output), tolerance);
  EXPECT_LT(relative(got.lse, wanted.lse), tolerance);
  EXPECT_LT(relative(got.queries, wanted.queries), tolerance);
  EXPECT_LT(relative(got.keys, wanted.keys), tolerance);
  EXPECT_LT(relative(got.values, wanted.values), tolerance);
}

TEST(TrainingAttention, equals_dense_attention_and_its_gradient_at_odd_lengths) {
  for (const std::uint64_t tokens : {1, 2, 31, 63, 64, 65, 113, 203, 239, 401})
    for (const auto& [heads, kv_heads, head_dim] : {std::array{1u, 1u, 64u},
                                                    {3u, 1u, 16u},
                                                    {9u, 3u, 64u},
                                                    {4u, 1u, 80u},
                                                    {4u, 2u, 256u},
                                                    {14u, 2u, 64u},
                                                    {16u, 1u, 256u},
                                                    {200u, 1u, 16u}}) {
      if (tokens * heads * head_dim > 250000) continue;  // the dense twin takes its time
      SCOPED_TRACE(::testing::Message() << tokens << " tokens, " << heads << "/" << kv_heads << " heads of "
                                        << head_dim);
      expect_as_dense(make_case(tokens, heads, kv_heads, head_dim, window(tokens, tokens)),
                      heads > 100 ? 1e-5 : 5e-6);  // a key's gradient is a sum over all queries of its group
    }
}

TEST(TrainingAttention, windows_see_as_many_keys_as_they_are_wide) {
  for (const std::uint64_t size : {1, 7, 64, 65, 100, 200}) {
    SCOPED_TRACE(size);
    expect_as_dense(make_case(239, 4, 2, 32, window(239, size)));
    expect_as_dense(make_case(239, 9, 3, 64, window(239, size)));   // two tiles a page
    expect_as_dense(make_case(150, 16, 1, 16, window(150, size)));  // eight
  }
}

TEST(TrainingAttention, documents_side_by_side_do_not_see_each_other) {
  for (const std::uint64_t each : {1, 17, 64, 90}) {
    SCOPED_TRACE(each);
    expect_as_dense(make_case(211, 6, 2, 64, documents(211, each)));
  }
}

TEST(TrainingAttention, kv_heads_may_see_different_keys) {
  std::vector<std::uint32_t> first = documents(301, 100);
  const std::vector<std::uint32_t> second = window(301, 40);
  first.insert(first.end(), second.begin(), second.end());
  expect_as_dense(make_case(301, 4, 2, 64, first));
  expect_as_dense(make_case(301, 12, 2, 32, first));  // several tiles a page
}

TEST(TrainingAttention, peaked_scores_lose_nothing) {
  expect_as_dense(make_case(150, 2, 1, 64, window(150, 150), 30.0f), 5e-5);  // scores of a hundred and more, in fp32
}

TEST(TrainingAttention, gradients_are_the_slope_of_the_output) {
  Case c = make_case(70, 4, 2, 16, window(70, 50));
  const Tiled got = tiled(c);
  const auto loss = [&] {
    const Doubles output = dense(c).output;
    double sum = 0.0;
    for (std::size_t i = 0; i < output.size(); ++i) sum += output[i] * static_cast<double>(c.gradient[i]);
    return sum;
  };
  constexpr float step = 1.0f / 256;  // exact in fp32 for values of this size, nearly
  const auto check = [&](Floats& input, const Floats& gradient, const char* name) {
    double scale = 0.0;
    for (const float value : gradient) scale = std::max(scale, static_cast<double>(std::fabs(value)));
    for (std::size_t at = 3; at < input.size(); at += input.size() / 7) {
      const float kept = input[at];
      input[at] = kept + step;
      const double right = input[at], above = loss();
      input[at] = kept - step;
      const double left = input[at], below = loss();
      input[at] = kept;
      EXPECT_NEAR((above - below) / (right - left), static_cast<double>(gradient[at]), 1e-3 * scale) << name << at;
    }
  };
  check(c.queries, got.queries, "query ");
  check(c.keys, got.keys, "key ");
  check(c.values, got.values, "value ");
}

TEST(TrainingAttention, threads_change_no_bit) {
  const Case c = make_case(333, 9, 3, 64, window(333, 300));
  const int threads = thread_count();
  set_thread_count(1);
  const Tiled one = tiled(c);
  set_thread_count(3);
  const Tiled three = tiled(c);
  set_thread_count(threads);
  EXPECT_EQ(one.output, three.output);
  EXPECT_EQ(one.queries, three.queries);
  EXPECT_EQ(one.keys, three.keys);
  EXPECT_EQ(one.values, three.values);
}

}  // namespace
}  // namespace tome
