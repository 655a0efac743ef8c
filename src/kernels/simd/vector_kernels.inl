// The kernels written once over 16-lane compiler vectors and compiled per instruction set: include this inside a
// target-named namespace after defining TOME_COLUMN_VECTORS (16-column vectors of a panel held in registers at once).
// No std templates here: an AVX-512 copy of one must not become everybody's.

#include "kernels/simd/lanes.inl"

// ---- products on f32 panels -----------------------------------------------------------------------------------------

template <int rows, int vectors>
TOME_INLINE void product_block(const PanelProduct<float>& p, int row, int column) {
  f32x16 total[rows][vectors];
  float* c = p.c + static_cast<std::size_t>(row) * p.c_stride + static_cast<std::size_t>(column);
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v)
      total[r][v] =
          p.accumulate == Accumulate::yes ? load(c + static_cast<std::size_t>(r) * p.c_stride + v * 16) : f32x16{};
  const float* a = p.a + static_cast<std::size_t>(row) * p.a_stride;
  for (int panel = 0; panel < p.panel_count; ++panel, a += p.k_each) {
    const float* b = p.panels[panel] + column;
#pragma GCC unroll 1
    for (int k = 0; k < p.k_each; ++k, b += kPanelColumns) {
      f32x16 columns[vectors];
      for (int v = 0; v < vectors; ++v) columns[v] = load(b + v * 16);
      for (int r = 0; r < rows; ++r) {
        const f32x16 broadcast = splat(a[static_cast<std::size_t>(r) * p.a_stride + static_cast<std::size_t>(k)]);
        for (int v = 0; v < vectors; ++v) total[r][v] = multiply_add(broadcast, columns[v], total[r][v]);
      }
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) store(c + static_cast<std::size_t>(r) * p.c_stride + v * 16, total[r][v]);
}

static void panel_product_f32(const PanelProduct<float>& p) {
  constexpr int vectors = TOME_COLUMN_VECTORS;
  int row = 0;
  for (; row + 6 <= p.rows; row += 6)
    for (int column = 0; column < kPanelColumns; column += vectors * 16) product_block<6, vectors>(p, row, column);
  for (; row + 3 <= p.rows; row += 3)
    for (int column = 0; column < kPanelColumns; column += vectors * 16) product_block<3, vectors>(p, row, column);
  for (; row < p.rows; ++row)
    for (int column = 0; column < kPanelColumns; column += vectors * 16) product_block<1, vectors>(p, row, column);
}

// ---- online softmax -------------------------------------------------------------------------------------------------

TOME_INLINE void store_bf16(std::uint16_t* to, f32x16 value) {
#if defined(__AVX512BF16__)
  *reinterpret_cast<u16x16*>(to) = (u16x16)_mm512_cvtneps_pbh((__m512)value);
#elif !defined(__AVX512F__)
  // The 32-bit halves of the rounded lanes, the eight of each half in order again.
  const __m256i packed = _mm256_packus_epi32(_mm256_srli_epi32(bf16_rounded(value.low), 16),
                                             _mm256_srli_epi32(bf16_rounded(value.high), 16));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(packed, 0xd8));
#else
  for (int lane = 0; lane < 16; ++lane) to[lane] = f32_to_bf16(value[lane]);
#endif
}

static void softmax_tile_f32(const SoftmaxTile& t) {
  const float infinity = __builtin_inff();
  for (int row = 0; row < t.rows; ++row) {
    const float* scores = t.scores + static_cast<std::size_t>(row) * t.score_stride;
    float* probabilities = t.probabilities + static_cast<std::size_t>(row) * t.probability_stride;
    f32x16 highest_lanes = splat(-infinity);
    for (int key = 0; key < t.keys; key += 16) highest_lanes = larger(load(scores + key), highest_lanes);
    const float highest = max_lanes(highest_lanes);
    if (highest == -infinity) {
      for (int key = 0; key < t.keys; key += 16) store(probabilities + key, f32x16{});
      continue;
    }
    if (!(highest <= t.reference[row] + 8.0f)) {
      const float factor = t.reference[row] == -infinity ? 0.0f : exp2_lanes(splat(t.reference[row] - highest))[0];
      t.reference[row] = highest;
      t.sum[row] *= factor;
      float* output = t.output + static_cast<std::size_t>(row) * t.output_stride;
      for (int column = 0; column < t.output_columns; column += 16)
        store(output + column, load(output + column) * splat(factor));
    }
    const f32x16 reference = splat(t.reference[row]);
    f32x16 total = {};
    for (int key = 0; key < t.keys; key += 16) {
      const f32x16 probability = exp2_lanes(load(scores + key) - reference);
      total += probability;
      store(probabilities + key, probability);
    }
    t.sum[row] += sum_lanes(total);
  }
}

// ---- quantised blocks -----------------------------------------------------------------------------------------------

TOME_INLINE float half_at(const std::byte* from) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, from, 2);
  return _cvtsh_ss(bits);
}
// Widening by intrinsics: GCC 12 takes __builtin_convertvector from bytes apart, element by element.
TOME_INLINE __m128i bytes16(const std::byte* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }
#if defined(__AVX512F__)
TOME_INLINE i32x16 unsigned_bytes(const std::byte* from) { return (i32x16)_mm512_cvtepu8_epi32(bytes16(from)); }
TOME_INLINE i32x16 signed_bytes(const std::byte* from) { return (i32x16)_mm512_cvtepi8_epi32(bytes16(from)); }
TOME_INLINE f32x16 bf16_lanes(const std::byte* from) {
  return (f32x16)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))),
                                   16);
}
TOME_INLINE f32x16 half_lanes(const std::byte* from) {
  return (f32x16)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
#else
TOME_INLINE i32x16 unsigned_bytes(const std::byte* from) {
  return i32x16{_mm256_cvtepu8_epi32(bytes16(from)), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes16(from), 8))};
}
TOME_INLINE i32x16 signed_bytes(const std::byte* from) {
  return i32x16{_mm256_cvtepi8_epi32(bytes16(from)), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes16(from), 8))};
}
TOME_INLINE f32x16 bf16_lanes(const std::byte* from) {
  return as_float(i32x16{_mm256_cvtepu16_epi32(bytes16(from)), _mm256_cvtepu16_epi32(bytes16(from + 16))} << 16);
}
TOME_INLINE f32x16 half_lanes(const std::byte* from) {
  return {_mm256_cvtph_ps(bytes16(from)), _mm256_cvtph_ps(bytes16(from + 16))};
}
#endif

struct Values32 {
  f32x16 first, second;
};

template <DType type>
struct Type {};

/// values32(Type<t>, row, part): values [32 · part, 32 · part + 32) of the row that starts at `row`, one overload a
/// type.

TOME_INLINE Values32 values32(Type<DType::f32>, const std::byte* row, int part) {
  const float* from = reinterpret_cast<const float*>(row) + part * 32;
  return {load(from), load(from + 16)};
}
TOME_INLINE Values32 values32(Type<DType::bf16>, const std::byte* row, int part) {
  return {bf16_lanes(row + part * 64), bf16_lanes(row + part * 64 + 32)};
}
TOME_INLINE Values32 values32(Type<DType::f16>, const std::byte* row, int part) {
  const std::byte* from = row + part * 64;
  return {half_lanes(from), half_lanes(from + 32)};
}
TOME_INLINE Values32 values32(Type<DType::q8_0>, const std::byte* row, int part) {
  const std::byte* block = row + part * 34;
  const f32x16 scale = splat(half_at(block));
  return {to_float(signed_bytes(block + 2)) * scale, to_float(signed_bytes(block + 18)) * scale};
}
TOME_INLINE Values32 values32(Type<DType::q4_0>, const std::byte* row, int part) {
  const std::byte* block = row + part * 18;
  const f32x16 scale = splat(half_at(block));
  const i32x16 bytes = unsigned_bytes(block + 2);
  return {to_float((bytes & 15) - 8) * scale, to_float((bytes >> 4) - 8) * scale};
}
TOME_INLINE Values32 values32(Type<DType::q4_1>, const std::byte* row, int part) {
  const std::byte* block = row + part * 20;
  const f32x16 scale = splat(half_at(block)), least = splat(half_at(block + 2));
  const i32x16 bytes = unsigned_bytes(block + 4);
  return {multiply_add(to_float(bytes & 15), scale, least), multiply_add(to_float(bytes >> 4), scale, least)};
}
/// The fifth bits of 32 values: bit i of `high` belongs to value i.
TOME_INLINE i32x16 fifth_bits(const std::byte* high, int from_bit) {
  std::int32_t bits;
  __builtin_memcpy(&bits, high, 4);
  return ((splat_int(bits) >> (lane_numbers() + from_bit)) & 1) << 4;
}
TOME_INLINE Values32 values32(Type<DType::q5_0>, const std::byte* row, int part) {
  const std::byte* block = row + part * 22;
  const f32x16 scale = splat(half_at(block));
  const i32x16 bytes = unsigned_bytes(block + 6);
  return {to_float(((bytes & 15) | fifth_bits(block + 2, 0)) - 16) * scale,
          to_float(((bytes >> 4) | fifth_bits(block + 2, 16)) - 16) * scale};
}
TOME_INLINE Values32 values32(Type<DType::q5_1>, const std::byte* row, int part) {
  const std::byte* block = row + part * 24;
  const f32x16 scale = splat(half_at(block)), least = splat(half_at(block + 2));
  const i32x16 bytes = unsigned_bytes(block + 8);
  return {multiply_add(to_float((bytes & 15) | fifth_bits(block + 4, 0)), scale, least),
          multiply_add(to_float((bytes >> 4) | fifth_bits(block + 4, 16)), scale, least)};
}
/// The 6-bit (scale, minimum) pair number j of a K-quant super-block.
TOME_INLINE void scale_and_minimum(const std::byte* scales, int j, int& scale, int& minimum) {
  const auto at = [&](int i) { return static_cast<int>(scales[i]); };
  if (j < 4) {
    scale = at(j) & 63;
    minimum = at(j + 4) & 63;
  } else {
    scale = (at(j + 4) & 15) | ((at(j - 4) >> 6) << 4);
    minimum = (at(j + 4) >> 4) | ((at(j) >> 6) << 4);
  }
}
TOME_INLINE Values32 values32(Type<DType::q4_k>, const std::byte* row, int part) {
  const std::byte* block = row + part / 8 * 144;
  const int j = part % 8;
  int scale, minimum;
  scale_and_minimum(block + 4, j, scale, minimum);
  const f32x16 d = splat(half_at(block) * static_cast<float>(scale));
  const f32x16 least = splat(-half_at(block + 2) * static_cast<float>(minimum));
  const std::byte* bytes = block + 16 + j / 2 * 32;
  const int shift = j % 2 * 4;
  return {multiply_add(to_float((unsigned_bytes(bytes) >> shift) & 15), d, least),
          multiply_add(to_float((unsigned_bytes(bytes + 16) >> shift) & 15), d, least)};
}
TOME_INLINE Values32 values32(Type<DType::q5_k>, const std::byte* row, int part) {
  const std::byte* block = row + part / 8 * 176;
  const int j = part % 8;
  int scale, minimum;
  scale_and_minimum(block + 4, j, scale, minimum);
  const f32x16 d = splat(half_at(block) * static_cast<float>(scale));
  const f32x16 least = splat(-half_at(block + 2) * static_cast<float>(minimum));
  const std::byte* high = block + 16;
  const std::byte* bytes = block + 48 + j / 2 * 32;
  const int shift = j % 2 * 4;
  const i32x16 first = ((unsigned_bytes(bytes) >> shift) & 15) | (((unsigned_bytes(high) >> j) & 1) << 4);
  const i32x16 second = ((unsigned_bytes(bytes + 16) >> shift) & 15) | (((unsigned_bytes(high + 16) >> j) & 1) << 4);
  return {multiply_add(to_float(first), d, least), multiply_add(to_float(second), d, least)};
}
TOME_INLINE Values32 values32(Type<DType::q6_k>, const std::byte* row, int part) {
  const std::byte* block = row + part / 8 * 210;
  const int half = part % 8 / 4, quarter = part % 4;
  const std::byte* low = block + half * 64 + quarter % 2 * 32;
  const std::byte* high = block + 128 + half * 32;
  const std::byte* scales = block + 192 + half * 8 + quarter * 2;
  const float d = half_at(block + 208);
  const int low_shift = quarter / 2 * 4, high_shift = quarter * 2;
  const auto quants = [&](int offset) {
    return (((unsigned_bytes(low + offset) >> low_shift) & 15) |
            (((unsigned_bytes(high + offset) >> high_shift) & 3) << 4)) -
           32;
  };
  return {to_float(quants(0)) * splat(d * static_cast<float>(static_cast<std::int8_t>(scales[0]))),
          to_float(quants(16)) * splat(d * static_cast<float>(static_cast<std::int8_t>(scales[1])))};
}

template <DType type>
TOME_INLINE void dequantize_as(const std::byte* row, std::uint64_t count, float* values) {
  const int parts = static_cast<int>(count / 32);
  for (int part = 0; part < parts; ++part) {
    const Values32 v = values32(Type<type>{}, row, part);
    store(values + part * 32, v.first);
    store(values + part * 32 + 16, v.second);
  }
}

/// One row against `vectors` inputs: the row is unpacked once for all of them.
template <DType type, int vectors>
TOME_INLINE void row_dot_vectors(const RowDot& dot, int row, int vector) {
  f32x16 first[vectors], second[vectors];
  for (int v = 0; v < vectors; ++v) first[v] = second[v] = f32x16{};
  const std::byte* from = dot.rows + static_cast<std::size_t>(row) * dot.row_stride;
  const float* x = dot.x + static_cast<std::size_t>(vector) * dot.x_stride;
  for (int part = 0; part < dot.k / 32; ++part) {
    const Values32 w = values32(Type<type>{}, from, part);
    for (int v = 0; v < vectors; ++v) {
      const float* input = x + static_cast<std::size_t>(v) * dot.x_stride + part * 32;
      first[v] = multiply_add(w.first, load(input), first[v]);
      second[v] = multiply_add(w.second, load(input + 16), second[v]);
    }
  }
  for (int v = 0; v < vectors; ++v)
    dot.out[static_cast<std::size_t>(vector + v) * dot.out_stride + static_cast<std::size_t>(row)] =
        sum_lanes(first[v] + second[v]);
}

#if defined(__AVX512F__)
#include "kernels/simd/block_dots.inl"
#else
#include "kernels/simd/int16_dots.inl"
#endif

template <DType type>
static void row_dot_type(const RowDot& dot) {
  int vector = 0;
  if constexpr (type != DType::f32 && type != DType::bf16 && type != DType::f16) {
    if (dot.k <= kBlockDotColumns) {
      for (; vector + kBlockDotVectors <= dot.vectors; vector += kBlockDotVectors)
        block_dots<type, kBlockDotVectors>(dot, vector);
      for (; vector < dot.vectors; ++vector) block_dots<type, 1>(dot, vector);
      return;
    }
  }
  for (; vector + 4 <= dot.vectors; vector += 4)
    for (int row = 0; row < dot.row_count; ++row) row_dot_vectors<type, 4>(dot, row, vector);
  for (; vector < dot.vectors; ++vector) {
    for (int row = 0; row < dot.row_count; ++row) row_dot_vectors<type, 1>(dot, row, vector);
  }
}

#define TOME_FOR_EACH_FAST_TYPE(CASE) \
  CASE(f32) CASE(bf16) CASE(f16) CASE(q8_0) CASE(q4_0) CASE(q4_1) CASE(q5_0) CASE(q5_1) CASE(q4_k) CASE(q5_k) CASE(q6_k)

static void dequantize_row(DType type, const std::byte* row, std::uint64_t count, float* values) {
  if (count % 32 == 0) {
    switch (type) {
#define CASE(name)  \
  case DType::name: \
    return dequantize_as<DType::name>(row, count, values);
      TOME_FOR_EACH_FAST_TYPE(CASE)
#undef CASE
      default:
        break;
    }
  }
  reference::dequantize_row(type, row, count, values);
}

static void row_dot(const RowDot& dot) {
  if (dot.k % 32 == 0) {
    switch (dot.type) {
#define CASE(name)  \
  case DType::name: \
    return row_dot_type<DType::name>(dot);
      TOME_FOR_EACH_FAST_TYPE(CASE)
#undef CASE
      default:
        break;
    }
  }
  reference::row_dot(dot);
}

// ---- panels ---------------------------------------------------------------------------------------------------------

/// 16 rows of up to `kPackStep` dequantised values, turned into columns.
constexpr int kPackStep = 256;

static void pack_panel_f32(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                           float* panel) {
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
      for (int i = 0; i < count; ++i)
        for (int row = 0; row < 16; ++row)
          panel[(start + i) * kPanelColumns + group + row] = values[row * kPackStep + i];
    }
  }
}

// ---- norms and activations ------------------------------------------------------------------------------------------

static void rms_norm(const float* x, const float* weight, float epsilon, int count, float* y) {
  f32x16 squares = {};
  int i = 0;
  for (; i + 16 <= count; i += 16) squares = multiply_add(load(x + i), load(x + i), squares);
  float total = sum_lanes(squares);
  for (; i < count; ++i) total += x[i] * x[i];
  const float scale = 1.0f / __builtin_sqrtf(total / static_cast<float>(count) + epsilon);
  for (i = 0; i + 16 <= count; i += 16) store(y + i, load(x + i) * splat(scale) * load(weight + i));
  for (; i < count; ++i) y[i] = x[i] * scale * weight[i];
}

constexpr float kLog2E = 1.44269504088896f;

TOME_INLINE f32x16 silu_lanes(f32x16 g) {
  return g / (splat(1.0f) + exp2_lanes(larger(-larger(g * splat(kLog2E), splat(-120.0f)), splat(-120.0f))));
}
TOME_INLINE f32x16 gelu_tanh_lanes(f32x16 g) {
  const f32x16 inner = splat(0.7978845608028654f) * multiply_add(g * g * g, splat(0.044715f), g);
  // ½(1 + tanh u) = 1 / (1 + e^(−2u))
  const f32x16 exponent = larger(-larger(inner * splat(2.0f * kLog2E), splat(-120.0f)), splat(-120.0f));
  return g / (splat(1.0f) + exp2_lanes(exponent));
}

static void gated_silu(const float* gate, const float* up, int count, float* y) {
  int i = 0;
  for (; i + 16 <= count; i += 16) store(y + i, silu_lanes(load(gate + i)) * load(up + i));
  if (i < count) reference::gated_silu(gate + i, up + i, count - i, y + i);
}

static void gated_gelu_tanh(const float* gate, const float* up, int count, float* y) {
  int i = 0;
  for (; i + 16 <= count; i += 16) store(y + i, gelu_tanh_lanes(load(gate + i)) * load(up + i));
  if (i < count) reference::gated_gelu_tanh(gate + i, up + i, count - i, y + i);
}

static void rotate_halves(float* x, const float* cosine, const float* sine, int half) {
  int i = 0;
  for (; i + 16 <= half; i += 16) {
    const f32x16 first = load(x + i), second = load(x + half + i), c = load(cosine + i), s = load(sine + i);
    store(x + i, first * c - second * s);
    store(x + half + i, second * c + first * s);
  }
  for (; i < half; ++i) {
    const float first = x[i], second = x[i + half];
    x[i] = first * cosine[i] - second * sine[i];
    x[i + half] = second * cosine[i] + first * sine[i];
  }
}

static void to_bf16(const float* x, std::size_t count, std::uint16_t* y) {
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) store_bf16(y + i, load(x + i));
  for (; i < count; ++i) y[i] = f32_to_bf16(x[i]);
}

// ---- the machine's own limit ----------------------------------------------------------------------------------------

static std::uint64_t burn_f32(std::uint64_t rounds) {
#if defined(__AVX512F__)
  typedef __m512 Register;
  constexpr int lanes = 16;
#define TOME_BURN "vfmadd231ps %%zmm1, %%zmm1, %0"
#else
  typedef __m256 Register;
  constexpr int lanes = 8;
#define TOME_BURN "vfmadd231ps %%ymm1, %%ymm1, %0"
#endif
  constexpr int chains = 12;
  Register total[chains] = {};
  for (std::uint64_t round = 0; round < rounds; ++round)
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) __asm__ volatile(TOME_BURN : "+x"(total[i]) : : "xmm1");
#undef TOME_BURN
  return rounds * chains * lanes * 2;
}

#if !defined(__AVX512BF16__)
#include "kernels/simd/bf16_in_f32.inl"
#endif
#if !defined(__AVX512F__)
#include "kernels/simd/bf16_panels_avx2.inl"
// After the transposition that both need.
#include "kernels/simd/code_products_avx2.inl"
#endif

static void fill(KernelTable& table) {
  table.burn_f32 = burn_f32;
  table.panel_product_f32 = panel_product_f32;
  table.softmax_tile_f32 = softmax_tile_f32;
  table.pack_panel_f32 = pack_panel_f32;
  table.row_dot = row_dot;
  table.dequantize_row = dequantize_row;
  table.rms_norm = rms_norm;
  table.gated_silu = gated_silu;
  table.gated_gelu_tanh = gated_gelu_tanh;
  table.to_bf16 = to_bf16;
  table.rotate_halves = rotate_halves;
#if !defined(__AVX512BF16__)
  table.bf16_products = true;
  table.code_products = false;
  table.panel_product_bf16 = panel_product_bf16;
  table.attention_step_bf16 = attention_step_bf16;
#endif
#if !defined(__AVX512F__)
  table.attention_step_q8 = attention_step_q8;
  table.code_products = true;
  table.input_codes = input_codes;
  table.pack_panel_codes = pack_panel_codes;
  table.panel_product_codes = panel_product_codes;
  table.pack_panel_bf16 = pack_panel_bf16;
  table.f16_to_bf16 = f16_to_bf16;
  table.unpack_q8_keys = unpack_q8_keys;
  table.unpack_q8_values = unpack_q8_values;
  table.unpack_q4_keys = unpack_q4_keys;
  table.unpack_q4_values = unpack_q4_values;
#endif
}
