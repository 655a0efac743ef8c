// Dot products of block-quantised rows with fp32 inputs, for 512-bit registers: included by vector_kernels.inl where
// there are any. The block's scale multiplies the block's sum, not its values, and minima meet the inputs' sums, which
// are taken once a call: half the work of unpacking each value.

/// Longest row whose inputs' sums fit on the stack; longer ones take the way over unpacked values.
constexpr int kBlockDotColumns = 32768;
constexpr int kBlockDotVectors = 4;  ///< inputs at a time

/// Σ of each 32 inputs.
template <int vectors>
struct InputSums {
  float of[vectors][kBlockDotColumns / 32];
  void take(const float* x, std::size_t stride, int k) {
    for (int v = 0; v < vectors; ++v)
      for (int part = 0; part < k / 32; ++part) {
        const float* from = x + static_cast<std::size_t>(v) * stride + part * 32;
        of[v][part] = sum_lanes(load(from) + load(from + 16));
      }
  }
};
struct NoSums {
  void take(const float*, std::size_t, int) {}
};
template <int vectors, bool wanted>
struct ChosenSums {
  typedef InputSums<vectors> Type;
};
template <int vectors>
struct ChosenSums<vectors, false> {
  typedef NoSums Type;
};

struct Quants32 {
  i32x16 first, second;
};

TOME_INLINE i32x16 subtract_where_clear(i32x16 values, std::uint32_t bits, int amount) {
  return (i32x16)_mm512_mask_sub_epi32((__m512i)values, static_cast<__mmask16>(~bits), (__m512i)values,
                                       _mm512_set1_epi32(amount));
}
TOME_INLINE i32x16 add_where_set(i32x16 values, std::uint32_t bits, int amount) {
  return (i32x16)_mm512_mask_add_epi32((__m512i)values, static_cast<__mmask16>(bits), (__m512i)values,
                                       _mm512_set1_epi32(amount));
}
/// The four halves at `from`, as floats: a block's scale, its minimum, and what follows.
TOME_INLINE __m128 halves_at(const std::byte* from) {
  return _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}
TOME_INLINE f32x16 lane0(__m128 v) { return (f32x16)_mm512_broadcastss_ps(v); }

template <DType type>
struct Block32 {};
template <>
struct Block32<DType::q8_0> {
  static constexpr int bytes = 34;
  static constexpr bool has_minimum = false;
  TOME_INLINE Quants32 quants(const std::byte* b) { return {signed_bytes(b + 2), signed_bytes(b + 18)}; }
};
template <>
struct Block32<DType::q4_0> {
  static constexpr int bytes = 18;
  static constexpr bool has_minimum = false;
  TOME_INLINE Quants32 quants(const std::byte* b) {
    const i32x16 both = unsigned_bytes(b + 2);
    return {(both & 15) - 8, (both >> 4) - 8};
  }
};
template <>
struct Block32<DType::q4_1> {
  static constexpr int bytes = 20;
  static constexpr bool has_minimum = true;
  TOME_INLINE Quants32 quants(const std::byte* b) {
    const i32x16 both = unsigned_bytes(b + 4);
    return {both & 15, both >> 4};
  }
};
template <>
struct Block32<DType::q5_0> {
  static constexpr int bytes = 22;
  static constexpr bool has_minimum = false;
  TOME_INLINE Quants32 quants(const std::byte* b) {
    const i32x16 both = unsigned_bytes(b + 6);
    const std::uint32_t high = word_at(b + 2);
    return {subtract_where_clear(both & 15, high, 16), subtract_where_clear(both >> 4, high >> 16, 16)};
  }
};
template <>
struct Block32<DType::q5_1> {
  static constexpr int bytes = 24;
  static constexpr bool has_minimum = true;
  TOME_INLINE Quants32 quants(const std::byte* b) {
    const i32x16 both = unsigned_bytes(b + 8);
    const std::uint32_t high = word_at(b + 4);
    return {add_where_set(both & 15, high, 16), add_where_set(both >> 4, high >> 16, 16)};
  }
};

/// Types of blocks of 32 with one scale, and a minimum perhaps.
template <DType type, int vectors, class Sums>
TOME_INLINE void block32_dot(const RowDot& dot, int row, int vector, const Sums& sums) {
  using Block = Block32<type>;
  f32x16 total[2][vectors];
  __m128 least[2][vectors];
  for (int v = 0; v < vectors; ++v) {
    total[0][v] = total[1][v] = f32x16{};
    least[0][v] = least[1][v] = _mm_setzero_ps();
  }
  const std::byte* block = dot.rows + static_cast<std::size_t>(row) * dot.row_stride;
  const float* x = dot.x + static_cast<std::size_t>(vector) * dot.x_stride;
  const auto step = [&](int part, int chain) __attribute__((always_inline)) {
    const Quants32 q = Block::quants(block);
    const f32x16 first = to_float(q.first), second = to_float(q.second);
    const __m128 halves = halves_at(block);
    for (int v = 0; v < vectors; ++v) {
      const float* input = x + static_cast<std::size_t>(v) * dot.x_stride + part * 32;
      total[chain][v] =
          multiply_add(multiply_add(second, load(input + 16), first * load(input)), lane0(halves), total[chain][v]);
      if constexpr (Block::has_minimum)
        least[chain][v] = _mm_fmadd_ps(halves, _mm_set1_ps(sums.of[v][part]), least[chain][v]);
    }
    block += Block::bytes;
  };
  const int parts = dot.k / 32;
  int part = 0;
  for (; part + 2 <= parts; part += 2) {
    step(part, 0);
    step(part + 1, 1);
  }
  if (part < parts) step(part, 0);
  for (int v = 0; v < vectors; ++v) {
    float sum = sum_lanes(total[0][v] + total[1][v]);
    if constexpr (Block::has_minimum) {
      const __m128 both = _mm_add_ps(least[0][v], least[1][v]);
      sum += _mm_cvtss_f32(_mm_shuffle_ps(both, both, 0x55));
    }
    dot.out[static_cast<std::size_t>(vector + v) * dot.out_stride + static_cast<std::size_t>(row)] = sum;
  }
}

/// The eight 6-bit scales and minima of a super-block of 256, times d and dmin.
struct ScalesAndMinima {
  alignas(32) float scale[8];
  __m256 least;
};
TOME_INLINE __m256 bytes8_to_float(std::uint64_t bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes))));
}
TOME_INLINE void unpack_scales(const std::byte* block, ScalesAndMinima& to) {
  const std::uint32_t a = word_at(block + 4), b = word_at(block + 8), c = word_at(block + 12);
  const std::uint64_t scales =
      (a & 0x3f3f3f3fu) | static_cast<std::uint64_t>((c & 0x0f0f0f0fu) | ((a >> 2) & 0x30303030u)) << 32;
  const std::uint64_t minima =
      (b & 0x3f3f3f3fu) | static_cast<std::uint64_t>(((c >> 4) & 0x0f0f0f0fu) | ((b >> 2) & 0x30303030u)) << 32;
  const __m128 halves = halves_at(block);
  _mm256_store_ps(to.scale, _mm256_mul_ps(bytes8_to_float(scales), _mm256_broadcastss_ps(halves)));
  to.least = _mm256_mul_ps(bytes8_to_float(minima), _mm256_broadcastss_ps(_mm_shuffle_ps(halves, halves, 0x55)));
}

/// q4_k and q5_k.
template <DType type, int vectors, class Sums>
TOME_INLINE void scaled_superblock_dot(const RowDot& dot, int row, int vector, const Sums& sums) {
  constexpr bool five = type == DType::q5_k;
  f32x16 total[2][vectors];
  __m256 least[vectors];
  for (int v = 0; v < vectors; ++v) {
    total[0][v] = total[1][v] = f32x16{};
    least[v] = _mm256_setzero_ps();
  }
  const std::byte* block = dot.rows + static_cast<std::size_t>(row) * dot.row_stride;
  const float* x = dot.x + static_cast<std::size_t>(vector) * dot.x_stride;
  ScalesAndMinima scales;
  for (int super = 0; super < dot.k / 256; ++super, block += five ? 176 : 144, x += 256) {
    unpack_scales(block, scales);
    for (int v = 0; v < vectors; ++v)
      least[v] = _mm256_fmadd_ps(scales.least, _mm256_loadu_ps(sums.of[v] + super * 8), least[v]);
    i32x16 high_first = {}, high_second = {};
    if constexpr (five) {
      high_first = unsigned_bytes(block + 16);
      high_second = unsigned_bytes(block + 32);
    }
    const std::byte* quants = block + (five ? 48 : 16);
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; ++pair, quants += 32) {
      const i32x16 first = unsigned_bytes(quants), second = unsigned_bytes(quants + 16);
#pragma GCC unroll 2
      for (int nibble = 0; nibble < 2; ++nibble) {
        const int sub = pair * 2 + nibble;
        i32x16 q0 = nibble == 0 ? first & 15 : first >> 4, q1 = nibble == 0 ? second & 15 : second >> 4;
        if constexpr (five) {
          const __m512i bit = _mm512_set1_epi32(1 << sub);
          q0 = add_where_set(q0, _mm512_test_epi32_mask((__m512i)high_first, bit), 16);
          q1 = add_where_set(q1, _mm512_test_epi32_mask((__m512i)high_second, bit), 16);
        }
        const f32x16 f0 = to_float(q0), f1 = to_float(q1), scale = splat(scales.scale[sub]);
        for (int v = 0; v < vectors; ++v) {
          const float* input = x + static_cast<std::size_t>(v) * dot.x_stride + sub * 32;
          total[nibble][v] =
              multiply_add(multiply_add(f1, load(input + 16), f0 * load(input)), scale, total[nibble][v]);
        }
      }
    }
  }
  for (int v = 0; v < vectors; ++v) {
    const f32x16 minima = (f32x16)_mm512_zextps256_ps512(least[v]);
    dot.out[static_cast<std::size_t>(vector + v) * dot.out_stride + static_cast<std::size_t>(row)] =
        sum_lanes(total[0][v] + total[1][v] - minima);
  }
}

template <int vectors>
TOME_INLINE void q6_k_dot(const RowDot& dot, int row, int vector) {
  f32x16 total[2][vectors];
  for (int v = 0; v < vectors; ++v) total[0][v] = total[1][v] = f32x16{};
  const std::byte* block = dot.rows + static_cast<std::size_t>(row) * dot.row_stride;
  const float* x = dot.x + static_cast<std::size_t>(vector) * dot.x_stride;
  alignas(64) float scales[16];
  for (int super = 0; super < dot.k / 256; ++super, block += 210, x += 256) {
    store(scales, to_float(signed_bytes(block + 192)) * splat(half_at(block + 208)));
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      i32x16 low[4], high[2];
      for (int i = 0; i < 4; ++i) low[i] = unsigned_bytes(block + half * 64 + i * 16);
      for (int i = 0; i < 2; ++i) high[i] = unsigned_bytes(block + 128 + half * 32 + i * 16);
#pragma GCC unroll 4
      for (int quarter = 0; quarter < 4; ++quarter)
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
          const i32x16 nibble = quarter < 2 ? low[quarter * 2 + i] & 15 : low[(quarter - 2) * 2 + i] >> 4;
          const i32x16 bits = quarter < 3 ? high[i] << (4 - 2 * quarter) : high[i] >> 2;
          const f32x16 values = to_float((nibble | (bits & 48)) - 32),
                       scale = splat(scales[half * 8 + quarter * 2 + i]);
          for (int v = 0; v < vectors; ++v)
            total[i][v] = multiply_add(
                values * load(x + static_cast<std::size_t>(v) * dot.x_stride + half * 128 + quarter * 32 + i * 16),
                scale, total[i][v]);
        }
    }
  }
  for (int v = 0; v < vectors; ++v)
    dot.out[static_cast<std::size_t>(vector + v) * dot.out_stride + static_cast<std::size_t>(row)] =
        sum_lanes(total[0][v] + total[1][v]);
}

/// All rows against `vectors` inputs from number `vector` on.
template <DType type, int vectors>
static void block_dots(const RowDot& dot, int vector) {
  constexpr bool has_minimum = type == DType::q4_1 || type == DType::q5_1 || type == DType::q4_k || type == DType::q5_k;
  typename ChosenSums<vectors, has_minimum>::Type sums;
  sums.take(dot.x + static_cast<std::size_t>(vector) * dot.x_stride, dot.x_stride, dot.k);
  for (int row = 0; row < dot.row_count; ++row) {
    if constexpr (type == DType::q4_k || type == DType::q5_k)
      scaled_superblock_dot<type, vectors>(dot, row, vector, sums);
    else if constexpr (type == DType::q6_k)
      q6_k_dot<vectors>(dot, row, vector);
    else
      block32_dot<type, vectors>(dot, row, vector, sums);
  }
}
