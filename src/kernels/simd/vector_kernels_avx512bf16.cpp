#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/reference/reference_kernels.h"
#include "kernels/simd/simd_tables.h"

namespace tome::kernels {
namespace avx512bf16 {

#define TOME_COLUMN_VECTORS 4
#include "kernels/simd/vector_kernels.inl"

/// 6 × 64 outputs in 24 registers: 4 loads and 6 broadcasts feed 24 dot instructions a pair of k. The loop over k stays
/// rolled (full unrolling was measured slower).
template <int rows>
TOME_INLINE void dot_block(const PanelProduct<std::uint16_t>& p, int row) {
  __m512 total[rows][4];
  float* c = p.c + static_cast<std::size_t>(row) * p.c_stride;
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v)
      total[r][v] = p.accumulate == Accumulate::yes
                        ? _mm512_loadu_ps(c + static_cast<std::size_t>(r) * p.c_stride + v * 16)
                        : _mm512_setzero_ps();
  const std::uint16_t* a = p.a + static_cast<std::size_t>(row) * p.a_stride;
  for (int panel = 0; panel < p.panel_count; ++panel, a += p.k_each) {
    const std::uint16_t* b = p.panels[panel];
    const int pairs = p.k_each / 2;
#pragma GCC unroll 1
    for (int pair = 0; pair < pairs; ++pair, b += 2 * kPanelColumns) {
      __m512bh columns[4];
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) columns[v] = (__m512bh)_mm512_loadu_si512(b + v * 32);
#pragma GCC unroll 6
      for (int r = 0; r < rows; ++r) {
        std::int32_t both;
        __builtin_memcpy(&both, a + static_cast<std::size_t>(r) * p.a_stride + pair * 2, 4);
        const __m512bh broadcast = (__m512bh)_mm512_set1_epi32(both);
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) total[r][v] = _mm512_dpbf16_ps(total[r][v], broadcast, columns[v]);
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) _mm512_storeu_ps(c + static_cast<std::size_t>(r) * p.c_stride + v * 16, total[r][v]);
}

static void panel_product_bf16(const PanelProduct<std::uint16_t>& p) {
  int row = 0;
  for (; row + 6 <= p.rows; row += 6) dot_block<6>(p, row);
  switch (p.rows - row) {
    case 5:
      return dot_block<5>(p, row);
    case 4:
      return dot_block<4>(p, row);
    case 3:
      return dot_block<3>(p, row);
    case 2:
      return dot_block<2>(p, row);
    case 1:
      return dot_block<1>(p, row);
    default:
      return;
  }
}

#include "kernels/simd/coded_input_avx512.inl"
// (which it needs)

/// Lines to come are asked for into the first cache (fewer such requests are lost: Zen 5, one core, one row, of what it
/// can read, q8_0 71 to 86 % at head dim 64, bf16 73 to 81 %), 6 KB ahead and many during softmax (of 41 GB/s: head dim
/// 64, 3 rows, from 28 to 35 GB/s; 128 and 256, 4 rows, 32 to 38). attention_far_avx512bf16.cpp has the other way.
constexpr auto kBringHint = _MM_HINT_T0;
constexpr int kPairsAhead = 24, kPairsInSoftmax = 18, kAskedEvery = 1;
#include "kernels/simd/attention_step.inl"

/// Turns 16 rows of 16 32-bit units into 16 columns.
TOME_INLINE void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

static void pack_panel_bf16(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                            std::uint16_t* panel) {
  alignas(64) float values[16 * kPackStep];
  for (int group = 0; group < kPanelColumns; group += 16) {
    for (int start = 0; start < k; start += kPackStep) {
      const int count = k - start < kPackStep ? k - start : kPackStep;
      for (int row = 0; row < 16; ++row) {
        float* to = values + row * kPackStep;
        if (group + row < row_count)
          dequantize_row(type,
                         rows + static_cast<std::size_t>(group + row) * row_stride +
                             row_bytes(type, static_cast<std::uint64_t>(start)),
                         static_cast<std::uint64_t>(count), to);
        else
          __builtin_memset(to, 0, sizeof(float) * static_cast<std::size_t>(count));
      }
      std::uint16_t* to = panel + (start / 2 * kPanelColumns + group) * 2;
      int i = 0;
      for (; i + 32 <= count; i += 32) {
        __m512i pairs[16];
#pragma GCC unroll 16
        for (int row = 0; row < 16; ++row)
          pairs[row] = (__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(values + row * kPackStep + i + 16),
                                                    _mm512_load_ps(values + row * kPackStep + i));
        transpose16(pairs);
#pragma GCC unroll 16
        for (int pair = 0; pair < 16; ++pair) _mm512_storeu_si512(to + (i / 2 + pair) * 2 * kPanelColumns, pairs[pair]);
      }
      for (; i < count; ++i)
        for (int row = 0; row < 16; ++row)
          to[i / 2 * 2 * kPanelColumns + row * 2 + i % 2] = f32_to_bf16(values[row * kPackStep + i]);
    }
  }
}

static void f16_to_bf16(const std::uint16_t* x, std::size_t count, std::uint16_t* y) {
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) _mm512_storeu_si512(y + i, (__m512i)rounded_halves(x + i));
  reference::f16_to_bf16(x + i, count - i, y + i);
}

/// (first, second) as bf16, lane by lane: first[0], second[0], first[1] …
TOME_INLINE __m512i interleaved_bf16(__m512 first, __m512 second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

static void unpack_q8_keys(const std::byte* keys, int dims, std::uint16_t* panel) {
  const std::byte* scales = keys + static_cast<std::size_t>(dims) * kPanelColumns;
  for (int block = 0; block < dims / 32; ++block) {
    for (int group = 0; group < kPanelColumns; group += 16) {
      const __m512 scale = _mm512_cvtph_ps(
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales + (block * kPanelColumns + group) * 2)));
      for (int quad = block * 8; quad < block * 8 + 8; ++quad) {
        const __m512i codes = _mm512_xor_si512(_mm512_loadu_si512(keys + (quad * kPanelColumns + group) * 4),
                                               _mm512_set1_epi8(static_cast<char>(0x80)));
        const __m512i dim0 = _mm512_srai_epi32(_mm512_slli_epi32(codes, 24), 24),
                      dim1 = _mm512_srai_epi32(_mm512_slli_epi32(codes, 16), 24),
                      dim2 = _mm512_srai_epi32(_mm512_slli_epi32(codes, 8), 24), dim3 = _mm512_srai_epi32(codes, 24);
        const auto scaled = [&](__m512i dim) { return _mm512_mul_ps(_mm512_cvtepi32_ps(dim), scale); };
        std::uint16_t* to = panel + (quad * 2 * kPanelColumns + group) * 2;
        _mm512_storeu_si512(to, interleaved_bf16(scaled(dim0), scaled(dim1)));
        _mm512_storeu_si512(to + 2 * kPanelColumns, interleaved_bf16(scaled(dim2), scaled(dim3)));
      }
    }
  }
}

static void unpack_q8_values(const std::byte* values, std::uint16_t* panel) {
  alignas(64) float scales[kPanelColumns * 2];
  for (int i = 0; i < kPanelColumns * 2; i += 16)
    _mm512_store_ps(scales + i, _mm512_cvtph_ps(_mm256_loadu_si256(
                                    reinterpret_cast<const __m256i*>(values + kPanelColumns * kPanelColumns + i * 2))));
  for (int pair = 0; pair < kPanelColumns / 2; ++pair) {
    for (int group = 0; group < 4; ++group, values += 32, panel += 32) {
      const auto scaled = [&](const std::byte* codes, int key) {
        return _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)signed_bytes(codes)),
                             _mm512_set1_ps(scales[key * 2 + group / 2]));
      };
      _mm512_storeu_si512(panel, interleaved_bf16(scaled(values, pair * 2), scaled(values + 16, pair * 2 + 1)));
    }
  }
}

#include "kernels/simd/code_dots_avx512.inl"
#include "kernels/simd/interleaved_dots_avx512.inl"

/// 24 chains hide the latency; by inline assembly, since GCC 12 spills accumulators around the VNNI intrinsic.
#define TOME_BURN(name, instruction, values)                                                                       \
  static std::uint64_t name(std::uint64_t rounds) {                                                                \
    __m512i total[24] = {};                                                                                        \
    for (std::uint64_t round = 0; round < rounds; ++round) {                                                       \
      _Pragma("GCC unroll 24") for (int i = 0; i < 24; ++i) __asm__ volatile(instruction " %%zmm31, %%zmm31, %0" : \
                                                                             "+v"(total[i]) : : "xmm31");          \
    }                                                                                                              \
    return rounds * 24 * (values)*2;                                                                               \
  }
TOME_BURN(burn_bf16, "vdpbf16ps", 32)
TOME_BURN(burn_int8, "vpdpbusd", 64)

}  // namespace avx512bf16

KernelTable avx512bf16_table(KernelTable lower) {
  KernelTable table = lower;
  table.isa = Isa::avx512bf16;
  avx512bf16::fill(table);
  avx512bf16::fill_attention_steps(table);
  table.bf16_products = true;
  table.int8_scores = true;
  table.panel_product_bf16 = avx512bf16::panel_product_bf16;
  table.pack_panel_bf16 = avx512bf16::pack_panel_bf16;
  table.row_dot = avx512bf16::row_dot_by_codes;
  table.interleaved_dots = avx512bf16::interleaved_dots;
  table.pack_interleaved_bf16 = avx512bf16::pack_interleaved_bf16;
  table.f16_to_bf16 = avx512bf16::f16_to_bf16;
  table.unpack_q8_keys = avx512bf16::unpack_q8_keys;
  table.unpack_q8_values = avx512bf16::unpack_q8_values;
  table.burn_bf16 = avx512bf16::burn_bf16;
  table.burn_int8 = avx512bf16::burn_int8;
  return table;
}

}  // namespace tome::kernels
#endif
