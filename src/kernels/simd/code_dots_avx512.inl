// Dot products of block-quantised rows with one input by 8-bit products (VNNI): what bounds decoding shall be the
// memory. The input becomes codes of 16 bits (coded_input_avx512.inl), multiplied as two bytes each; four blocks of 32
// weights are taken at a time, the first and the second halves of their weights in a register each, so that four lanes
// belong to a block. Included by vector_kernels_avx512bf16.cpp.

constexpr int kCodeDotColumns = 16384;  ///< longest row; longer ones take the way over fp32
constexpr int kGroup = 4;               ///< blocks
constexpr int kGroupColumns = 32 * kGroup;

/// One input: for each group the high bytes of the first and of the second halves of its blocks, then the low ones;
/// what the products start at; and per block four lanes of its scale, and the sum of its values in the first of four
/// lanes.
struct DotInput {
  alignas(64) std::int8_t high[2 * kCodeDotColumns];  // 64 bytes of each kind in turn
  alignas(64) std::int32_t start[kCodeDotColumns / 8];
  alignas(64) float scales[kCodeDotColumns / 8];
  alignas(64) float sums[kCodeDotColumns / 8];

  /// Weights are stored plus `offset`.
  void take(const float* x, int k, int offset) {
    const int blocks = k / 32, padded = (blocks + kGroup - 1) / kGroup * kGroup;
    for (int block = 0; block < padded; ++block) {
      std::int8_t* to = high + block / kGroup * 256 + block % kGroup * 16;
      const BlockCodes codes = block < blocks ? BlockCodes(x + block * 32) : BlockCodes(__m512{}, __m512{});
      __m128i sums_of_four = _mm_setzero_si128();
      for (int half = 0; half < 2; ++half) {
        codes.store_high(half, to + half * 64);
        codes.store_low(half, to + 128 + half * 64);
        const __m256i eight =
            _mm256_hadd_epi32(_mm512_castsi512_si256(codes.code[half]), _mm512_extracti64x4_epi64(codes.code[half], 1));
        const __m128i four = _mm_hadd_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
        // 0…3, 8…11, 4…7, 12…15
        sums_of_four = _mm_add_epi32(sums_of_four, _mm_shuffle_epi32(four, _MM_SHUFFLE(3, 1, 2, 0)));
      }
      _mm_store_si128(reinterpret_cast<__m128i*>(start + block * 4),
                      _mm_mullo_epi32(sums_of_four, _mm_set1_epi32(-offset)));
      _mm_store_ps(scales + block * 4, _mm_set1_ps(codes.scale));
      _mm_store_ps(sums + block * 4, _mm_set_ss(codes.sum));
    }
  }
};

/// Where the bytes of a type lie in its block: the weights' first (0: none) high bits, the weights, the minimum (0:
/// none).
template <DType type>
struct CodeLayout {};
template <>
struct CodeLayout<DType::q4_0> {
  static constexpr int bytes = 18, bits = 0, weights = 2, minimum = 0, offset = 8;
};
template <>
struct CodeLayout<DType::q4_1> {
  static constexpr int bytes = 20, bits = 0, weights = 4, minimum = 2, offset = 0;
};
template <>
struct CodeLayout<DType::q5_0> {
  static constexpr int bytes = 22, bits = 2, weights = 6, minimum = 0, offset = 16;
};
template <>
struct CodeLayout<DType::q5_1> {
  static constexpr int bytes = 24, bits = 4, weights = 8, minimum = 2, offset = 0;
};
template <>
struct CodeLayout<DType::q8_0> {
  static constexpr int bytes = 34, bits = 0, weights = 2, minimum = 0, offset = 128;
};

/// A group's bytes are read in pairs of registers; byte p of the group is the index() of one of a pair.
template <DType type>
struct CodeOrder {
  using Layout = CodeLayout<type>;
  static constexpr bool nibbles = type != DType::q8_0;
  static constexpr int last_load = kGroup * Layout::bytes - 64;  ///< so that the group's last byte is read
  static constexpr int index(int byte, int second_load) { return byte < 64 ? byte : byte - second_load + 64; }
  alignas(64) std::uint8_t first[64] = {};    // nibbles: both halves
  alignas(64) std::uint8_t second[64] = {};   // whole bytes: the second half, of registers read 8 bytes later
  alignas(64) std::uint8_t bits[2][64] = {};  // the byte with a weight's high bit
  alignas(64) std::uint16_t scales[32] = {};  // four times each block's
  alignas(64) std::uint16_t minimum[32] = {};
  constexpr CodeOrder() {
    constexpr int seam = nibbles ? last_load : 64;
    for (int block = 0; block < kGroup; ++block) {
      const int at = block * Layout::bytes;
      for (int i = 0; i < 16; ++i) {
        first[block * 16 + i] = static_cast<std::uint8_t>(index(at + Layout::weights + i, seam));
        if (!nibbles) {
          const int byte = at + Layout::weights + 16 + i;
          second[block * 16 + i] = static_cast<std::uint8_t>(byte < 72 ? byte - 8 : byte - last_load + 64);
        }
        for (int half = 0; half < 2; ++half)
          bits[half][block * 16 + i] = static_cast<std::uint8_t>(index(at + Layout::bits + half * 2 + i / 8, seam));
      }
      for (int lane = 0; lane < 4; ++lane) {
        scales[block * 4 + lane] = static_cast<std::uint16_t>(index(at, seam) / 2);
        minimum[block * 4 + lane] = static_cast<std::uint16_t>(index(at + Layout::minimum, seam) / 2);
      }
    }
  }
};
template <DType type>
static constexpr CodeOrder<type> kCodeOrder;

/// Which bytes of 64 that are read `skipped` bytes into a group of `bytes` belong to it.
TOME_INLINE __mmask64 bytes_in_group(int bytes, int skipped) {
  return bytes <= skipped ? 0 : bytes >= skipped + 64 ? ~__mmask64{0} : (__mmask64{1} << (bytes - skipped)) - 1;
}

template <bool whole>
TOME_INLINE __m512i group_bytes(const std::byte* group, int skipped, int bytes) {
  if constexpr (whole) return _mm512_loadu_si512(group + skipped);
  return _mm512_maskz_loadu_epi8(bytes_in_group(bytes, skipped), group + skipped);
}

TOME_INLINE __m512i order_of(const void* indices) { return _mm512_load_si512(indices); }

/// total += the products of a group of blocks, `bytes` of them there.
template <DType type, bool whole>
TOME_INLINE __m512 group_dot(const std::byte* group, int bytes, const DotInput& input, int number, __m512 total) {
  using Layout = CodeLayout<type>;
  using Order = CodeOrder<type>;
  constexpr const Order& order = kCodeOrder<type>;
  const __m512i start = group_bytes<whole>(group, 0, bytes),
                end = group_bytes<whole>(group, Order::nibbles ? Order::last_load : 64, bytes);
  __m512i weights[2];
  const __m512i both = _mm512_permutex2var_epi8(start, order_of(order.first), end);
  if constexpr (Order::nibbles) {
    const __m512i nibble = _mm512_set1_epi8(15);
    weights[0] = _mm512_and_si512(both, nibble);
    weights[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
    if constexpr (Layout::bits != 0)
      for (int half = 0; half < 2; ++half) {
        const __mmask64 set = _mm512_test_epi8_mask(_mm512_permutex2var_epi8(start, order_of(order.bits[half]), end),
                                                    _mm512_set1_epi64(static_cast<long long>(0x8040201008040201)));
        weights[half] = _mm512_mask_add_epi8(weights[half], set, weights[half], _mm512_set1_epi8(16));
      }
  } else {
    const __m512i plus = _mm512_set1_epi8(-128);
    weights[0] = _mm512_xor_si512(both, plus);
    weights[1] = _mm512_xor_si512(_mm512_permutex2var_epi8(group_bytes<whole>(group, 8, bytes), order_of(order.second),
                                                           group_bytes<whole>(group, Order::last_load, bytes)),
                                  plus);
  }
  const std::int8_t* codes = input.high + number * 256;
  __m512i high = _mm512_setzero_si512(), low = _mm512_load_si512(input.start + number * 16);
  for (int half = 0; half < 2; ++half) {
    dot_u8s8(high, weights[half], _mm512_load_si512(codes + half * 64));
    dot_u8s8(low, weights[half], _mm512_load_si512(codes + 128 + half * 64));
  }
  const auto halves = [&](const std::uint16_t* indices) __attribute__((always_inline)) {
    return _mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_permutex2var_epi16(start, order_of(indices), end)));
  };
  const __m512 scale = _mm512_mul_ps(halves(order.scales), _mm512_load_ps(input.scales + number * 16));
  total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low)), scale, total);
  if constexpr (Layout::minimum != 0)
    total = _mm512_fmadd_ps(halves(order.minimum), _mm512_load_ps(input.sums + number * 16), total);
  return total;
}

/// All rows against one input.
template <DType type>
static void code_dots(const RowDot& dot, int vector) {
  using Layout = CodeLayout<type>;
  DotInput input;
  input.take(dot.x + static_cast<std::size_t>(vector) * dot.x_stride, dot.k, Layout::offset);
  const int groups = dot.k / kGroupColumns, left = dot.k % kGroupColumns / 32;
  float* out = dot.out + static_cast<std::size_t>(vector) * dot.out_stride;
  for (int row = 0; row < dot.row_count; ++row) {
    const std::byte* group = dot.rows + static_cast<std::size_t>(row) * dot.row_stride;
    __m512 total = _mm512_setzero_ps();
    for (int number = 0; number < groups; ++number, group += kGroup * Layout::bytes) {
      // Groups lie across lines, and the memory's own looking ahead does not cope: a third of its speed without this.
      for (int line = 0; line < kGroup * Layout::bytes; line += 64) ask_for_line(group + dot.asked_ahead + line);
      total = group_dot<type, true>(group, kGroup * Layout::bytes, input, number, total);
    }
    if (left > 0) total = group_dot<type, false>(group, left * Layout::bytes, input, groups, total);
    out[row] = sum_lanes((f32x16)total);
  }
}

/// One input at a time where that is bound by memory; more share the unpacking of a row in fp32.
static void row_dot_by_codes(const RowDot& dot) {
  if (dot.vectors == 1 && dot.k % 32 == 0 && dot.k <= kCodeDotColumns) {
    switch (dot.type) {
      case DType::q4_0:
        return code_dots<DType::q4_0>(dot, 0);
      case DType::q4_1:
        return code_dots<DType::q4_1>(dot, 0);
      case DType::q5_0:
        return code_dots<DType::q5_0>(dot, 0);
      case DType::q5_1:
        return code_dots<DType::q5_1>(dot, 0);
      case DType::q8_0:
        return code_dots<DType::q8_0>(dot, 0);
      default:
        break;
    }
  }
  row_dot(dot);
}
