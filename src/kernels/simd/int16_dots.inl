// Dot products of block-quantised rows for 256-bit registers: included by vector_kernels.inl. The inputs are rounded to
// 16 bits, each 32 of them with a scale of their own (32767 for the largest: a hundred times finer than bf16), and meet
// the blocks' integer codes as they are: vpmaddwd makes 16 products where an fp32 multiply-add makes 8, and nothing is
// converted but sums. Minima and offsets meet the fp32 inputs' sums.

/// Longest row whose inputs fit on the stack; longer ones take the way over unpacked values.
constexpr int kBlockDotColumns = 32768;
constexpr int kBlockDotVectors = 4;  ///< inputs at a time

/// Codes of 32 values, each at most `most`; returns the scale. What is not a number stays in it.
TOME_INLINE float block_codes(f32x16 first, f32x16 second, float total, float most, std::int16_t* codes) {
  const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  const float largest =
      max_lanes(f32x16{_mm256_max_ps(_mm256_and_ps(first.low, no_sign), _mm256_and_ps(first.high, no_sign)),
                       _mm256_max_ps(_mm256_and_ps(second.low, no_sign), _mm256_and_ps(second.high, no_sign))});
  const f32x16 inverse = splat(largest > 0.0f ? most / largest : 0.0f);
  const auto put = [&](f32x16 v, std::int16_t * to) __attribute__((always_inline)) {
    const f32x16 scaled = v * inverse;
    const __m256i packed = _mm256_packs_epi32(_mm256_cvtps_epi32(scaled.low), _mm256_cvtps_epi32(scaled.high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(packed, 0xd8));
  };
  put(first, codes);
  put(second, codes + 16);
  return largest * (1.0f / most) + 0.0f * total;
}

/// One input in 16 bits. Split, the 16 codes of even number come first of each 32, then the odd ones: the bytes of a
/// weight's codes become 16-bit integers by a mask and a shift of their words, without crossing lanes.
struct InputCodes {
  alignas(32) std::int16_t codes[kBlockDotColumns];
  alignas(32) float scale[kBlockDotColumns / 32 + 8];  ///< eight zeros behind the last
  alignas(32) float sum[kBlockDotColumns / 32 + 8];    ///< of the fp32 values

  void take(const float* x, int k, bool split) {
    const int parts = k / 32;
    for (int part = 0; part < parts; ++part, x += 32) {
      const f32x16 first = load(x), second = load(x + 16);
      sum[part] = sum_lanes(first + second);
      std::int16_t* to = codes + part * 32;
      scale[part] = block_codes(first, second, sum[part], kMostInputCode, to);
      if (!split) continue;
      const __m256i low = at(*this, part * 32), high = at(*this, part * 32 + 16);
      const __m256i even = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_slli_epi32(low, 16), 16),
                                              _mm256_srai_epi32(_mm256_slli_epi32(high, 16), 16));
      const __m256i odd = _mm256_packs_epi32(_mm256_srai_epi32(low, 16), _mm256_srai_epi32(high, 16));
      _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(even, 0xd8));
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + 16), _mm256_permute4x64_epi64(odd, 0xd8));
    }
    for (int part = parts; part < parts + 8; ++part) scale[part] = sum[part] = 0.0f;
  }
  TOME_INLINE __m256i at(const InputCodes& from, int index) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(from.codes + index));
  }
};

/// 32 codes of a block as 16-bit integers.
struct Codes32 {
  __m256i first, second;
};
TOME_INLINE __m256i bytes32(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
TOME_INLINE Codes32 widen_unsigned(__m256i bytes) {
  return {_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16(bytes, 8)};
}
TOME_INLINE Codes32 widen_signed(__m256i bytes) {
  return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
}
/// 16 bytes of two nibbles as 32 bytes: the lower nibbles are the first 16.
TOME_INLINE __m256i nibbles(const std::byte* from) {
  const __m256i both =
      _mm256_srlv_epi32(_mm256_broadcastsi128_si256(bytes16(from)), _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}
/// The same with a fifth bit each: bit i of `high` belongs to code i.
TOME_INLINE __m256i five_bits(const std::byte* from, std::uint32_t high) {
  const __m256i spread =
      _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(high)),
                          _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
  const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
  return _mm256_or_si256(nibbles(from), _mm256_and_si256(set, _mm256_set1_epi8(16)));
}

/// A block of 32: its codes, its scale in its first two bytes, and dot = scale · Σ codes · x + least · Σ x, where least
/// is `offset` times the scale, or the block's minimum in the next two bytes.
template <DType type>
struct Block32 {};
template <>
struct Block32<DType::q4_0> {
  static constexpr int bytes = 18;
  static constexpr bool has_minimum = false;
  static constexpr float offset = -8.0f;
  TOME_INLINE Codes32 codes(const std::byte* b) { return widen_unsigned(nibbles(b + 2)); }
};
template <>
struct Block32<DType::q4_1> {
  static constexpr int bytes = 20;
  static constexpr bool has_minimum = true;
  TOME_INLINE Codes32 codes(const std::byte* b) { return widen_unsigned(nibbles(b + 4)); }
};
template <>
struct Block32<DType::q5_0> {
  static constexpr int bytes = 22;
  static constexpr bool has_minimum = false;
  static constexpr float offset = -16.0f;
  TOME_INLINE Codes32 codes(const std::byte* b) { return widen_unsigned(five_bits(b + 6, word_at(b + 2))); }
};
template <>
struct Block32<DType::q5_1> {
  static constexpr int bytes = 24;
  static constexpr bool has_minimum = true;
  TOME_INLINE Codes32 codes(const std::byte* b) { return widen_unsigned(five_bits(b + 8, word_at(b + 4))); }
};

/// Σ codes · x of 32, as fp32 sums of four.
TOME_INLINE __m256 code_products(const Codes32& c, const InputCodes& x, int index) {
  return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(c.first, InputCodes::at(x, index)),
                                             _mm256_madd_epi16(c.second, InputCodes::at(x, index + 16))));
}
TOME_INLINE float sum_of(__m256 v) { return sum_lanes(f32x16{v, _mm256_setzero_ps()}); }

/// The 16-bit floats at `from`, `from + stride`, …: `count` of them, then zeros.
template <int count>
TOME_INLINE __m256 halves(const std::byte* from, int stride) {
  const auto half = [&](int i) __attribute__((always_inline)) {
    std::uint16_t bits = 0;
    if (i < count) __builtin_memcpy(&bits, from + i * stride, 2);
    return static_cast<short>(bits);
  };
  return _mm256_cvtph_ps(_mm_setr_epi16(half(0), half(1), half(2), half(3), half(4), half(5), half(6), half(7)));
}

/// One row: its sums with each input.
template <DType type, int vectors>
struct BlockDotRow {
  using Block = Block32<type>;
  const InputCodes* inputs;
  __m256 total[vectors], least[vectors];

  /// `count` blocks (at most eight), the first of them number `part` of the row.
  template <int count>
  TOME_INLINE void add(BlockDotRow& row, const std::byte* block, int part) {
    alignas(32) float scales[vectors][8];
    const __m256 scale = halves<count>(block, Block::bytes);
    for (int v = 0; v < vectors; ++v) {
      _mm256_store_ps(scales[v], _mm256_mul_ps(scale, _mm256_loadu_ps(row.inputs[v].scale + part)));
      const __m256 sum = _mm256_loadu_ps(row.inputs[v].sum + part);
      if constexpr (Block::has_minimum)
        row.least[v] = _mm256_fmadd_ps(halves<count>(block + 2, Block::bytes), sum, row.least[v]);
      else if constexpr (Block::offset != 0.0f)
        row.least[v] = _mm256_fmadd_ps(_mm256_mul_ps(scale, _mm256_set1_ps(Block::offset)), sum, row.least[v]);
    }
#pragma GCC unroll 8
    for (int at = 0; at < count; ++at) {
      const Codes32 codes = Block::codes(block + at * Block::bytes);
      for (int v = 0; v < vectors; ++v)
        row.total[v] = _mm256_fmadd_ps(code_products(codes, row.inputs[v], (part + at) * 32),
                                       _mm256_set1_ps(scales[v][at]), row.total[v]);
    }
  }
};

template <DType type, int vectors>
TOME_INLINE void block_dot_row(const std::byte* block, int k, const InputCodes* inputs, float* sums) {
  using Row = BlockDotRow<type, vectors>;
  Row row;
  row.inputs = inputs;
  for (int v = 0; v < vectors; ++v) row.total[v] = row.least[v] = _mm256_setzero_ps();
  const int parts = k / 32, bytes = Block32<type>::bytes;
  int part = 0;
  for (; part + 8 <= parts; part += 8) Row::template add<8>(row, block + part * bytes, part);
  for (; part + 4 <= parts; part += 4) Row::template add<4>(row, block + part * bytes, part);
  for (; part + 2 <= parts; part += 2) Row::template add<2>(row, block + part * bytes, part);
  if (part < parts) Row::template add<1>(row, block + part * bytes, part);
  for (int v = 0; v < vectors; ++v) sums[v] = sum_of(_mm256_add_ps(row.total[v], row.least[v]));
}

/// q8_0, whose inputs are not split: bytes that lie in memory are widened as they are loaded.
template <int vectors>
TOME_INLINE void q8_0_row(const std::byte* block, int k, const InputCodes* inputs, float* sums) {
  __m256 total[vectors];
  for (int v = 0; v < vectors; ++v) total[v] = _mm256_setzero_ps();
  for (int part = 0; part < k / 32; ++part, block += 34) {
    const Codes32 codes = {_mm256_cvtepi8_epi16(bytes16(block + 2)), _mm256_cvtepi8_epi16(bytes16(block + 18))};
    const float scale = half_at(block);
    for (int v = 0; v < vectors; ++v)
      total[v] = _mm256_fmadd_ps(code_products(codes, inputs[v], part * 32),
                                 _mm256_set1_ps(scale * inputs[v].scale[part]), total[v]);
  }
  for (int v = 0; v < vectors; ++v) sums[v] = sum_of(total[v]);
}

/// The eight 6-bit scales and minima of a super-block of 256, times d and dmin.
TOME_INLINE __m256 bytes8_to_float(std::uint64_t bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes))));
}
TOME_INLINE void unpack_scales(const std::byte* block, __m256& scales, __m256& minima) {
  const std::uint32_t a = word_at(block + 4), b = word_at(block + 8), c = word_at(block + 12);
  const std::uint64_t scale_bytes =
      (a & 0x3f3f3f3fu) | static_cast<std::uint64_t>((c & 0x0f0f0f0fu) | ((a >> 2) & 0x30303030u)) << 32;
  const std::uint64_t least_bytes =
      (b & 0x3f3f3f3fu) | static_cast<std::uint64_t>(((c >> 4) & 0x0f0f0f0fu) | ((b >> 2) & 0x30303030u)) << 32;
  scales = _mm256_mul_ps(bytes8_to_float(scale_bytes), _mm256_set1_ps(half_at(block)));
  minima = _mm256_mul_ps(bytes8_to_float(least_bytes), _mm256_set1_ps(half_at(block + 2)));
}

/// q4_k and q5_k: super-blocks of 256 in eight parts.
template <DType type, int vectors>
TOME_INLINE void scaled_superblock_row(const std::byte* block, int k, const InputCodes* inputs, float* sums) {
  constexpr bool five = type == DType::q5_k;
  __m256 total[vectors], least[vectors];
  for (int v = 0; v < vectors; ++v) total[v] = least[v] = _mm256_setzero_ps();
  alignas(32) float scales[vectors][8];
  for (int super = 0; super < k / 256; ++super, block += five ? 176 : 144) {
    __m256 scale, minimum;
    unpack_scales(block, scale, minimum);
    for (int v = 0; v < vectors; ++v) {
      _mm256_store_ps(scales[v], _mm256_mul_ps(scale, _mm256_load_ps(inputs[v].scale + super * 8)));
      least[v] = _mm256_fmadd_ps(minimum, _mm256_load_ps(inputs[v].sum + super * 8), least[v]);
    }
    const __m256i high = five ? bytes32(block + 16) : _mm256_setzero_si256();
    const std::byte* quants = block + (five ? 48 : 16);
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; ++pair, quants += 32) {
      const __m256i both = bytes32(quants);
#pragma GCC unroll 2
      for (int nibble = 0; nibble < 2; ++nibble) {
        const int sub = pair * 2 + nibble;
        __m256i bytes = _mm256_and_si256(nibble == 0 ? both : _mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
        if constexpr (five) {
          const __m256i bit = _mm256_set1_epi8(static_cast<char>(1 << sub));
          const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(high, bit), bit);
          bytes = _mm256_or_si256(bytes, _mm256_and_si256(set, _mm256_set1_epi8(16)));
        }
        const Codes32 codes = widen_unsigned(bytes);
        for (int v = 0; v < vectors; ++v)
          total[v] = _mm256_fmadd_ps(code_products(codes, inputs[v], super * 256 + sub * 32),
                                     _mm256_set1_ps(scales[v][sub]), total[v]);
      }
    }
  }
  for (int v = 0; v < vectors; ++v) sums[v] = sum_of(_mm256_sub_ps(total[v], least[v]));
}

/// q6_k: super-blocks of 256 in sixteen parts.
template <int vectors>
TOME_INLINE void q6_k_row(const std::byte* block, int k, const InputCodes* inputs, float* sums) {
  __m256 total[vectors];
  for (int v = 0; v < vectors; ++v) total[v] = _mm256_setzero_ps();
  alignas(32) float scales[vectors][16];
  for (int super = 0; super < k / 256; ++super, block += 210) {
    const f32x16 scale = to_float(signed_bytes(block + 192)) * splat(half_at(block + 208));
    for (int v = 0; v < vectors; ++v) {
      const __m256 eight = _mm256_load_ps(inputs[v].scale + super * 8);
      const f32x16 each = {_mm256_permutevar8x32_ps(eight, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)),
                           _mm256_permutevar8x32_ps(eight, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7))};
      store(scales[v], scale * each);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256i low[2] = {bytes32(block + half * 64), bytes32(block + half * 64 + 32)};
      const __m256i high = bytes32(block + 128 + half * 32);
#pragma GCC unroll 4
      for (int quarter = 0; quarter < 4; ++quarter) {
        const __m256i four =
            _mm256_and_si256(quarter < 2 ? low[quarter] : _mm256_srli_epi16(low[quarter - 2], 4), _mm256_set1_epi8(15));
        const __m256i two = _mm256_and_si256(
            quarter < 2 ? _mm256_slli_epi16(high, 4 - 2 * quarter) : _mm256_srli_epi16(high, 2 * quarter - 4),
            _mm256_set1_epi8(48));
        const Codes32 codes = widen_signed(_mm256_sub_epi8(_mm256_or_si256(four, two), _mm256_set1_epi8(32)));
        const int part = half * 8 + quarter * 2;
        for (int v = 0; v < vectors; ++v) {
          const int index = super * 256 + part * 16;
          // The lower lane holds codes 0 … 15, the upper one 16 … 31: a part each.
          const __m256 both = _mm256_set_m128(_mm_set1_ps(scales[v][part + 1]), _mm_set1_ps(scales[v][part]));
          total[v] = _mm256_fmadd_ps(code_products(codes, inputs[v], index), both, total[v]);
        }
      }
    }
  }
  for (int v = 0; v < vectors; ++v) sums[v] = sum_of(total[v]);
}

/// All rows against `vectors` inputs from number `vector` on.
template <DType type, int vectors>
static void block_dots(const RowDot& dot, int vector) {
  InputCodes inputs[vectors];
  for (int v = 0; v < vectors; ++v)
    inputs[v].take(dot.x + static_cast<std::size_t>(vector + v) * dot.x_stride, dot.k, type != DType::q8_0);
  const std::byte* from = dot.rows;
  for (int row = 0; row < dot.row_count; ++row, from += dot.row_stride) {
    float sums[vectors];
    if constexpr (type == DType::q4_k || type == DType::q5_k)
      scaled_superblock_row<type, vectors>(from, dot.k, inputs, sums);
    else if constexpr (type == DType::q6_k)
      q6_k_row<vectors>(from, dot.k, inputs, sums);
    else if constexpr (type == DType::q8_0)
      q8_0_row<vectors>(from, dot.k, inputs, sums);
    else
      block_dot_row<type, vectors>(from, dot.k, inputs, sums);
    for (int v = 0; v < vectors; ++v)
      dot.out[static_cast<std::size_t>(vector + v) * dot.out_stride + static_cast<std::size_t>(row)] = sums[v];
  }
}
