// Interleaved super-blocks of 256 columns (tensor/interleaved_rows.h): q4_k, q5_k, q6_k. Included by
// interleaved_dots_avx512.inl.

template <DType type>
static constexpr bool kSuperBlocks = type == DType::q4_k || type == DType::q5_k || type == DType::q6_k;

/// Where a super-block's parts lie. Its eight blocks of 32 columns come in pairs whose codes share bytes.
template <DType type>
struct SuperBlock {
  static constexpr bool six_bits = type == DType::q6_k;
  static constexpr int fifth_bits = 4 * 16 + 12 * 16;  ///< of q5_k; the scale, the minimum's, twelve bytes of scales
  static constexpr int nibbles = type == DType::q5_k ? fifth_bits + 32 * 16 : fifth_bits;
  static constexpr int upper_bits = 128 * 16, scales = 192 * 16, scale = 208 * 16;  ///< of q6_k
  static constexpr int weights(int pair) { return (six_bits ? 0 : nibbles) + pair * 32 * 16; }
  static constexpr int bytes = (type == DType::q4_k ? 144 : type == DType::q5_k ? 176 : 210) * 16;
  /// The number of a pair's first or second block.
  static constexpr int block(int pair, int second) {
    return six_bits ? pair / 2 * 4 + pair % 2 + second * 2 : pair * 2 + second;
  }
};

/// Of the blocks of a pair the columns 4 word … 4 word + 3 of 16 rows: codes as unsigned bytes.
template <DType type, int pair>
TOME_INLINE void codes_of_pair(const std::byte* block, int word, __m512i (&codes)[2]) {
  using Block = SuperBlock<type>;
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i both = _mm512_loadu_si512(block + Block::weights(pair) + word * 64);
  codes[0] = _mm512_and_si512(both, nibble);
  codes[1] = _mm512_and_si512(_mm512_srli_epi32(both, 4), nibble);
  constexpr int or_and = 0xf8;  // a | (b & c)
  if constexpr (type == DType::q5_k) {
    const __m512i bits = _mm512_loadu_si512(block + Block::fifth_bits + word * 64), fifth = _mm512_set1_epi8(16);
#pragma GCC unroll 2
    for (int second = 0; second < 2; ++second) {
      const int bit = pair * 2 + second;
      const __m512i moved =
          bit <= 4 ? _mm512_slli_epi32(bits, static_cast<unsigned>(4 - bit)) : _mm512_srli_epi32(bits, bit - 4);
      codes[second] = _mm512_ternarylogic_epi32(codes[second], moved, fifth, or_and);
    }
  }
  if constexpr (type == DType::q6_k) {
    const __m512i bits = _mm512_loadu_si512(block + Block::upper_bits + (pair / 2 * 8 + word) * 64);
    const __m512i upper = _mm512_set1_epi8(48);
#pragma GCC unroll 2
    for (int second = 0; second < 2; ++second) {
      const int bit = (pair % 2 + second * 2) * 2;
      const __m512i moved =
          bit <= 4 ? _mm512_slli_epi32(bits, static_cast<unsigned>(4 - bit)) : _mm512_srli_epi32(bits, bit - 4);
      codes[second] = _mm512_ternarylogic_epi32(codes[second], moved, upper, or_and);
    }
  }
}

/// Byte `number` of each word.
TOME_INLINE __m512 byte_as_float(__m512i words, int number) {
  return _mm512_cvtepi32_ps(
      _mm512_and_si512(_mm512_srli_epi32(words, static_cast<unsigned>(number * 8)), _mm512_set1_epi32(255)));
}
TOME_INLINE __m512 signed_byte_as_float(__m512i words, int number) {
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(words, static_cast<unsigned>(24 - number * 8)), 24));
}

/// The 6-bit scales and minima of q4_k and q5_k, four blocks a word.
struct SuperScales {
  __m512i scales[2], minima[2];
  inline __attribute__((always_inline)) explicit SuperScales(const std::byte* block) {
    const __m512i first = _mm512_loadu_si512(block + 64), second = _mm512_loadu_si512(block + 128),
                  third = _mm512_loadu_si512(block + 192);
    const __m512i six = _mm512_set1_epi8(63), four = _mm512_set1_epi8(15), upper = _mm512_set1_epi8(48);
    const auto with_upper = [&](__m512i low, __m512i from) __attribute__((always_inline)) {
      return _mm512_or_si512(_mm512_and_si512(low, four), _mm512_and_si512(_mm512_srli_epi32(from, 2), upper));
    };
    scales[0] = _mm512_and_si512(first, six);
    minima[0] = _mm512_and_si512(second, six);
    scales[1] = with_upper(third, first);
    minima[1] = with_upper(_mm512_srli_epi32(third, 4), second);
  }
  inline __attribute__((always_inline)) __m512 scale(int number) const {
    return byte_as_float(scales[number / 4], number % 4);
  }
  inline __attribute__((always_inline)) __m512 minimum(int number) const {
    return byte_as_float(minima[number / 4], number % 4);
  }
};

/// 256 times the sum of high codes and the sum of low ones, as fp32.
TOME_INLINE __m512 code_products(__m512i high, __m512i low) {
  return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low));
}

/// Adds a pair of blocks of super-block `number` to the outputs of 16 rows.
template <DType type, int pair>
TOME_INLINE void add_pair(const std::byte* block, int number, const CodedInput& input, __m512 (&scale)[2],
                          const SuperScales* scales, __m512& total) {
  using Block = SuperBlock<type>;
  constexpr int parts = Block::six_bits ? 2 : 1;  // of a block, with scales of their own
#pragma GCC unroll 2
  for (int part = 0; part < parts; ++part) {
    __m512i high[2], low[2];
#pragma GCC unroll 2
    for (int second = 0; second < 2; ++second) {
      high[second] = low[second] = _mm512_setzero_si512();
      if constexpr (Block::six_bits) {
        const int at = (number * 8 + Block::block(pair, second)) * 4;
        const auto first = static_cast<int>(word_at(input.first_sums + at)),
                   both = static_cast<int>(word_at(input.code_sums + at));
        low[second] = _mm512_set1_epi32(-32 * (part == 0 ? first : both - first));
      }
    }
#pragma GCC unroll 8
    for (int word = part * 4; word < (part + 1) * 8 / parts; ++word) {
      __m512i codes[2];
      codes_of_pair<type, pair>(block, word, codes);
#pragma GCC unroll 2
      for (int second = 0; second < 2; ++second) {
        const int at = (number * 8 + Block::block(pair, second)) * 32 + word * 4;
        dot_u8s8(high[second], codes[second], four_bytes(input.high + at));
        dot_u8s8(low[second], codes[second], four_bytes(input.low + at));
      }
    }
#pragma GCC unroll 2
    for (int second = 0; second < 2; ++second) {
      const int in_block = Block::block(pair, second), at = (number * 8 + in_block) * 4;
      __m512 own;
      if constexpr (Block::six_bits) {
        const int scale_number = in_block * 2 + part;
        own = signed_byte_as_float(_mm512_loadu_si512(block + Block::scales + scale_number / 4 * 64), scale_number % 4);
      } else {
        own = scales->scale(in_block);
        const __m512 least = _mm512_mul_ps(scale[1], scales->minimum(in_block));
        total = _mm512_fnmadd_ps(least, in_all_lanes(input.sums + at), total);
      }
      own = _mm512_mul_ps(_mm512_mul_ps(own, scale[0]), in_all_lanes(input.scales + at));
      total = _mm512_fmadd_ps(code_products(high[second], low[second]), own, total);
    }
  }
}

/// The super-block's scale and, if there is one, its minima's.
template <DType type>
TOME_INLINE void super_scales(const std::byte* block, __m512 (&scale)[2]) {
  scale[0] = sixteen_halves(block + (SuperBlock<type>::six_bits ? SuperBlock<type>::scale : 0));
  scale[1] = SuperBlock<type>::six_bits ? scale[0] : sixteen_halves(block + 32);
}

/// 16 outputs of one input; `asks`: for lines, too.
template <DType type, bool asks>
TOME_INLINE __m512 interleaved_super_dot(const std::byte* block, int blocks, const CodedInput& input,
                                         LinesAhead& ahead) {
  using Block = SuperBlock<type>;
  __m512 total = _mm512_setzero_ps();
#pragma GCC unroll 1
  for (int number = 0; number < blocks; ++number, block += Block::bytes) {
    __m512 scale[2];
    super_scales<type>(block, scale);
    const auto add = [&](const SuperScales* scales) __attribute__((always_inline)) {
      if constexpr (asks) ahead.ask<Block::bytes / 4>();
      add_pair<type, 0>(block, number, input, scale, scales, total);
      if constexpr (asks) ahead.ask<Block::bytes / 4>();
      add_pair<type, 1>(block, number, input, scale, scales, total);
      if constexpr (asks) ahead.ask<Block::bytes / 4>();
      add_pair<type, 2>(block, number, input, scale, scales, total);
      if constexpr (asks) ahead.ask<Block::bytes / 4>();
      add_pair<type, 3>(block, number, input, scale, scales, total);
    };
    if constexpr (Block::six_bits) {
      add(nullptr);
    } else {
      const SuperScales scales(block);
      add(&scales);
    }
  }
  return total;
}

/// A pair of blocks of 16 rows to a panel of bf16, in the arithmetic of dequantize_row.
template <DType type, int pair>
TOME_INLINE void pack_pair(const std::byte* block, const __m512 (&scale)[2], const SuperScales* scales,
                           std::uint16_t* panel) {
  using Block = SuperBlock<type>;
#pragma GCC unroll 8
  for (int word = 0; word < 8; ++word) {
    __m512i codes[2];
    codes_of_pair<type, pair>(block, word, codes);
#pragma GCC unroll 2
    for (int second = 0; second < 2; ++second) {
      const int in_block = Block::block(pair, second);
      __m512 own, least = _mm512_setzero_ps();
      if constexpr (Block::six_bits) {
        const int number = in_block * 2 + word / 4;
        own = _mm512_mul_ps(
            scale[0], signed_byte_as_float(_mm512_loadu_si512(block + Block::scales + number / 4 * 64), number % 4));
      } else {
        own = _mm512_mul_ps(scale[0], scales->scale(in_block));
        least = _mm512_xor_ps(_mm512_mul_ps(scale[1], scales->minimum(in_block)), _mm512_set1_ps(-0.0f));
      }
      pack_word(
          codes[second], word,
          panel + in_block * 32 * kPanelColumns, [&](__m512i words, int byte) __attribute__((always_inline)) {
            const __m512 code = byte_as_float(words, byte);
            return Block::six_bits ? _mm512_mul_ps(_mm512_sub_ps(code, _mm512_set1_ps(32.0f)), own)
                                   : _mm512_fmadd_ps(code, own, least);
          });
    }
  }
}
template <DType type>
TOME_INLINE void pack_super_block(const std::byte* block, std::uint16_t* panel) {
  __m512 scale[2];
  super_scales<type>(block, scale);
  const auto pack = [&](const SuperScales* scales) __attribute__((always_inline)) {
    pack_pair<type, 0>(block, scale, scales, panel);
    pack_pair<type, 1>(block, scale, scales, panel);
    pack_pair<type, 2>(block, scale, scales, panel);
    pack_pair<type, 3>(block, scale, scales, panel);
  };
  if constexpr (SuperBlock<type>::six_bits) {
    pack(nullptr);
  } else {
    const SuperScales scales(block);
    pack(&scales);
  }
}
