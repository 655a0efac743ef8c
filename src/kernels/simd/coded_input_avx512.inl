// Inputs as codes of 16 bits, each 32 by their largest, that 8-bit products (VNNI) take as two signed bytes each:
// weights and KV pages stay as they are stored, and what is lost is finer than bf16. Included by
// vector_kernels_avx512bf16.cpp.

constexpr int kMostDotCode = 127 * 256;  ///< both bytes stay signed bytes

/// Four bytes in each lane.
TOME_INLINE __m512i four_bytes(const void* from) {
  std::int32_t four;
  __builtin_memcpy(&four, from, 4);
  return _mm512_set1_epi32(four);
}

/// 32 values of an input as codes.
struct BlockCodes {
  __m512i code[2], upper[2];  ///< code = 256 · upper + what is left, both signed bytes
  float scale, sum;           ///< of the values; what is not a number stays in the scale
  inline __attribute__((always_inline)) explicit BlockCodes(const float* x)
      : BlockCodes(_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)) {}
  inline __attribute__((always_inline)) BlockCodes(__m512 first, __m512 second) {
    const __mmask16 lost = _mm512_cmp_ps_mask(first, second, _CMP_UNORD_Q);
    const float largest = max_lanes((f32x16)_mm512_max_ps(_mm512_abs_ps(first), _mm512_abs_ps(second)));
    const __m512 inverse = _mm512_set1_ps(largest > 0.0f ? static_cast<float>(kMostDotCode) / largest : 0.0f);
    const bool finite = lost == 0 && largest <= __FLT_MAX__;  // else the scale alone says so
    const auto kept = static_cast<__mmask16>(finite ? 0xffff : 0);
    code[0] = _mm512_maskz_cvtps_epi32(kept, _mm512_mul_ps(first, inverse));
    code[1] = _mm512_maskz_cvtps_epi32(kept, _mm512_mul_ps(second, inverse));
    for (int half = 0; half < 2; ++half)
      upper[half] = _mm512_srai_epi32(_mm512_add_epi32(code[half], _mm512_set1_epi32(128)), 8);
    scale = lost != 0 ? __builtin_nanf("") : largest / static_cast<float>(kMostDotCode);
    sum = sum_lanes((f32x16)_mm512_add_ps(first, second));
  }
  inline __attribute__((always_inline)) void store_high(int half, void* to) const {
    _mm_storeu_si128(static_cast<__m128i*>(to), _mm512_cvtepi32_epi8(upper[half]));
  }
  inline __attribute__((always_inline)) void store_low(int half, void* to) const {
    _mm_storeu_si128(static_cast<__m128i*>(to),
                     _mm512_cvtepi32_epi8(_mm512_sub_epi32(code[half], _mm512_slli_epi32(upper[half], 8))));
  }
};

/// coded_input_bytes(k) bytes: the codes' high bytes, their low ones; then of each 32 the scale, the sum of the values,
/// the sum of the codes and the sum of the first 16.
template <class Byte>
struct CodedInputOf {
  Byte *high, *low, *scales, *sums, *code_sums, *first_sums;
  CodedInputOf(Byte* coded, int k)
      : high(coded),
        low(high + k),
        scales(low + k),
        sums(scales + k / 8),
        code_sums(sums + k / 8),
        first_sums(code_sums + k / 8) {}
};
using CodedInput = CodedInputOf<const std::byte>;

static void code_input(const float* x, int k, int first, int count, std::byte* coded) {
  const CodedInputOf<std::byte> to(coded, k);
  for (int block = first / 32; block < (first + count) / 32; ++block) {
    const BlockCodes codes(x + block * 32);
    for (int half = 0; half < 2; ++half) {
      codes.store_high(half, to.high + block * 32 + half * 16);
      codes.store_low(half, to.low + block * 32 + half * 16);
    }
    const float scale = codes.scale, sum = codes.sum;
    const int code_sum = _mm512_reduce_add_epi32(_mm512_add_epi32(codes.code[0], codes.code[1]));
    __builtin_memcpy(to.scales + block * 4, &scale, 4);
    __builtin_memcpy(to.sums + block * 4, &sum, 4);
    const int first_sum = _mm512_reduce_add_epi32(codes.code[0]);
    __builtin_memcpy(to.code_sums + block * 4, &code_sum, 4);
    __builtin_memcpy(to.first_sums + block * 4, &first_sum, 4);
  }
}
