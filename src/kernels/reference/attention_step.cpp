#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/reference/reference_kernels.h"

namespace tome::kernels::reference {

namespace {

template <class ToFloat>
float score(const AttentionStep& s, int page, std::size_t row, std::size_t key, const ToFloat& to_float) {
  const auto dims = static_cast<std::size_t>(s.dims);
  float score = 0.0f;
  for (std::size_t dim = 0; dim < dims; ++dim)
    score += bf16_to_f32(s.queries[row * dims + dim]) * to_float(s.keys[page][(dim / 2 * 64 + key) * 2 + dim % 2]);
  return score;
}

float score_bf16(const AttentionStep& s, int page, std::size_t row, std::size_t key) {
  return score(s, page, row, key, bf16_to_f32);
}

float rounded_f16(std::uint16_t bits) { return bf16_to_f32(f32_to_bf16(f16_to_f32(bits))); }

float score_f16(const AttentionStep& s, int page, std::size_t row, std::size_t key) {
  return score(s, page, row, key, rounded_f16);
}

float key_scale(const AttentionStep& s, int page, std::size_t block, std::size_t key) {
  std::uint16_t scale;
  std::memcpy(&scale, s.keys_8[page] + (static_cast<std::size_t>(s.dims) + block * 2) * 64 + key * 2, 2);
  return f16_to_f32(scale);
}

float score_int8(const AttentionStep& s, int page, std::size_t row, std::size_t key) {
  const auto dims = static_cast<std::size_t>(s.dims);
  float score = 0.0f;
  for (std::size_t block = 0; block < dims / 32; ++block) {
    std::int32_t sum = s.query_offsets[row * (dims / 32) + block];
    for (std::size_t dim = block * 32; dim < block * 32 + 32; ++dim)
      sum += static_cast<std::int32_t>(s.keys_8[page][(dim / 4 * 64 + key) * 4 + dim % 4]) *
             static_cast<std::int32_t>(s.queries_8[row * dims + dim]);
    score += static_cast<float>(sum) * key_scale(s, page, block, key);
  }
  return score * s.query_scales[row];
}

float score_q8(const AttentionStep& s, int page, std::size_t row, std::size_t key) {
  const auto dims = static_cast<std::size_t>(s.dims);
  float score = 0.0f;
  for (std::size_t dim = 0; dim < dims; ++dim)
    score += bf16_to_f32(s.queries[row * dims + dim]) *
             static_cast<float>(static_cast<int>(s.keys_8[page][(dim / 4 * 64 + key) * 4 + dim % 4]) - 128) *
             key_scale(s, page, dim / 32, key);
  return score;
}

std::uint16_t value(const AttentionStep& s, int page, std::size_t key, std::size_t column) {
  return s.values[page][column / 64 * 64 * 64 + (key / 2 * 64 + column % 64) * 2 + key % 2];
}

float value_bf16(const AttentionStep& s, int page, std::size_t key, std::size_t column) {
  return bf16_to_f32(value(s, page, key, column));
}

float value_f16(const AttentionStep& s, int page, std::size_t key, std::size_t column) {
  return rounded_f16(value(s, page, key, column));
}

float value_q8(const AttentionStep& s, int page, std::size_t key, std::size_t column) {
  const std::byte* panel = s.values_8[page] + column / 64 * (64 * 64 + 64 * 4);
  const std::size_t dim = column % 64;
  std::uint16_t scale;
  std::memcpy(&scale, panel + 64 * 64 + (key * 2 + dim / 32) * 2, 2);
  return static_cast<float>(static_cast<std::int8_t>(panel[((key / 2 * 4 + dim / 16) * 2 + key % 2) * 16 + dim % 16])) *
         f16_to_f32(scale);
}

template <class Score, class Value>
void attention_step(const AttentionStep& s, const Score& score_of, const Value& value_of) {
  constexpr std::size_t keys = 64;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const auto columns = static_cast<std::size_t>(s.value_panels) * 64;
  for (std::size_t row = 0; row < static_cast<std::size_t>(s.rows); ++row) {
    float* output = s.output + row * columns;
    float* sum = s.sum + row * 16;
    for (int page = 0; page < s.pages; ++page) {
      const auto seen = [&](std::size_t key) {
        return s.visible[page] == nullptr || (s.visible[page][row] >> key & 1) != 0;
      };
      float scores[keys], highest = -infinity;
      for (std::size_t key = 0; key < keys; ++key) {
        scores[key] = score_of(s, page, row, key);
        if (seen(key) && !(scores[key] <= highest)) highest = scores[key];
      }
      if (highest == -infinity) continue;
      if (!(highest <= s.reference[row] + 8.0f)) {
        const float raised = std::ceil(highest);
        const float factor = s.reference[row] == -infinity ? 0.0f : std::exp2(s.reference[row] - raised);
        s.reference[row] = raised;
        for (std::size_t lane = 0; lane < 16; ++lane) sum[lane] *= factor;
        for (std::size_t column = 0; column < columns; ++column) output[column] *= factor;
      }
      for (std::size_t key = 0; key < keys; ++key) {
        if (!seen(key)) continue;
        const float probability = bf16_to_f32(f32_to_bf16(std::exp2(scores[key] - s.reference[row])));
        sum[key % 16] += probability;
        for (std::size_t column = 0; column < columns; ++column)
          output[column] += probability * value_of(s, page, key, column);
      }
    }
  }
}

}  // namespace

void attention_step_bf16(const AttentionStep& s) { attention_step(s, score_bf16, value_bf16); }
void quantize_queries(const std::uint16_t* queries, int rows, int dims, std::int8_t* codes, float* scales,
                      std::int32_t* offsets) {
  for (int row = 0; row < rows; ++row, queries += dims, codes += dims) {
    float largest = 0.0f;
    for (int dim = 0; dim < dims; ++dim) {
      const float size = std::fabs(bf16_to_f32(queries[dim]));
      if (size > largest || std::isnan(size)) largest = size;
      if (std::isnan(largest)) break;
    }
    scales[row] = largest / 127.0f;
    const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
    for (int block = 0; block < dims / 32; ++block) {
      std::int32_t sum = 0;
      for (int dim = block * 32; dim < block * 32 + 32; ++dim) {
        const auto code = static_cast<std::int32_t>(std::lrintf(bf16_to_f32(queries[dim]) * inverse));
        codes[dim] = static_cast<std::int8_t>(code);
        sum += code;
      }
      *offsets++ = -128 * sum;
    }
  }
}

void attention_step_int8(const AttentionStep& s) { attention_step(s, score_int8, value_bf16); }
void attention_step_q8(const AttentionStep& s) { attention_step(s, score_q8, value_q8); }
void attention_step_f16(const AttentionStep& s) { attention_step(s, score_f16, value_f16); }

}  // namespace tome::kernels::reference
