// 16 lanes of fp32 or int32: one register with AVX-512, two with AVX2 (a pair by hand: GCC 12 keeps vectors that are
// wider than the machine's in memory). Included once per namespace of kernels. No std templates.

#define TOME_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)

typedef float f32x16 __attribute__((vector_size(64), aligned(1), may_alias));
typedef std::int32_t i32x16 __attribute__((vector_size(64), aligned(1), may_alias));
typedef std::uint16_t u16x16 __attribute__((vector_size(32), aligned(1), may_alias));

TOME_INLINE f32x16 splat(float value) { return value - f32x16{}; }
TOME_INLINE i32x16 splat_int(std::int32_t value) { return value - i32x16{}; }
TOME_INLINE f32x16 load(const float* from) { return *reinterpret_cast<const f32x16*>(from); }
TOME_INLINE void store(float* to, f32x16 value) { *reinterpret_cast<f32x16*>(to) = value; }
TOME_INLINE i32x16 as_int(f32x16 v) { return (i32x16)v; }
TOME_INLINE f32x16 as_float(i32x16 v) { return (f32x16)v; }
TOME_INLINE i32x16 less(f32x16 a, f32x16 b) { return (i32x16)(a < b); }
TOME_INLINE f32x16 to_float(i32x16 value) { return __builtin_convertvector(value, f32x16); }
TOME_INLINE f32x16 larger(f32x16 a, f32x16 b) {
  const i32x16 above = (i32x16)(a > b);
  return (f32x16)(((i32x16)a & above) | ((i32x16)b & ~above));
}
TOME_INLINE f32x16 multiply_add(f32x16 a, f32x16 b, f32x16 c) {
  return (f32x16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
TOME_INLINE __m256 half_of(f32x16 v, int half) {
  return half == 0 ? _mm512_castps512_ps256((__m512)v) : _mm512_extractf32x8_ps((__m512)v, 1);
}
TOME_INLINE i32x16 lane_numbers() { return i32x16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }

#else

struct f32x16 {
  __m256 low, high;
  inline __attribute__((always_inline)) float operator[](int) const { return _mm256_cvtss_f32(low); }  // lane 0 alone
};
struct i32x16 {
  __m256i low, high;
};

TOME_INLINE f32x16 operator+(f32x16 a, f32x16 b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
TOME_INLINE f32x16 operator-(f32x16 a, f32x16 b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
TOME_INLINE f32x16 operator*(f32x16 a, f32x16 b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
TOME_INLINE f32x16 operator/(f32x16 a, f32x16 b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
TOME_INLINE f32x16 operator-(f32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_xor_ps(a.low, sign), _mm256_xor_ps(a.high, sign)};
}
TOME_INLINE f32x16& operator+=(f32x16& a, f32x16 b) { return a = a + b; }
TOME_INLINE f32x16& operator*=(f32x16& a, f32x16 b) { return a = a * b; }
TOME_INLINE i32x16 operator+(i32x16 a, i32x16 b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
TOME_INLINE i32x16 operator-(i32x16 a, i32x16 b) {
  return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}
TOME_INLINE i32x16 operator&(i32x16 a, i32x16 b) {
  return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
}
TOME_INLINE i32x16 operator|(i32x16 a, i32x16 b) {
  return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
}
TOME_INLINE i32x16 splat_int(std::int32_t value) { return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)}; }
TOME_INLINE i32x16 operator-(i32x16 a, int b) { return a - splat_int(b); }
TOME_INLINE i32x16 operator+(i32x16 a, int b) { return a + splat_int(b); }
TOME_INLINE i32x16 operator&(i32x16 a, int b) { return a & splat_int(b); }
TOME_INLINE i32x16 operator<<(i32x16 a, int bits) {
  return {_mm256_slli_epi32(a.low, bits), _mm256_slli_epi32(a.high, bits)};
}
TOME_INLINE i32x16 operator>>(i32x16 a, int bits) {
  return {_mm256_srai_epi32(a.low, bits), _mm256_srai_epi32(a.high, bits)};
}
TOME_INLINE i32x16 operator>>(i32x16 a, i32x16 bits) {
  return {_mm256_srav_epi32(a.low, bits.low), _mm256_srav_epi32(a.high, bits.high)};
}

TOME_INLINE f32x16 splat(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
TOME_INLINE f32x16 load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
TOME_INLINE void store(float* to, f32x16 value) {
  _mm256_storeu_ps(to, value.low);
  _mm256_storeu_ps(to + 8, value.high);
}
TOME_INLINE i32x16 as_int(f32x16 v) { return {_mm256_castps_si256(v.low), _mm256_castps_si256(v.high)}; }
TOME_INLINE f32x16 as_float(i32x16 v) { return {_mm256_castsi256_ps(v.low), _mm256_castsi256_ps(v.high)}; }
TOME_INLINE i32x16 less(f32x16 a, f32x16 b) {
  return as_int(f32x16{_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ)});
}
TOME_INLINE f32x16 to_float(i32x16 v) { return {_mm256_cvtepi32_ps(v.low), _mm256_cvtepi32_ps(v.high)}; }
TOME_INLINE f32x16 larger(f32x16 a, f32x16 b) {  // b where either is not a number, as a > b ? a : b
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
TOME_INLINE f32x16 multiply_add(f32x16 a, f32x16 b, f32x16 c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
TOME_INLINE __m256 half_of(f32x16 v, int half) { return half == 0 ? v.low : v.high; }
/// Each lane rounded to bf16 (nearest even; NaN stays NaN), in its upper 16 bits; the lower ones are anything.
TOME_INLINE __m256i bf16_rounded(__m256 v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}
TOME_INLINE i32x16 lane_numbers() {
  return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}

#endif

/// 0 where the condition holds.
#if defined(__AVX512F__)
TOME_INLINE f32x16 unless(i32x16 condition, f32x16 v) { return (f32x16)((i32x16)v & ~condition); }
#else
TOME_INLINE f32x16 unless(i32x16 condition, f32x16 v) {
  return {_mm256_andnot_ps(_mm256_castsi256_ps(condition.low), v.low),
          _mm256_andnot_ps(_mm256_castsi256_ps(condition.high), v.high)};
}
#endif
/// Lane i with lane i + 8, then + 4, + 2, + 1. By intrinsics: GCC 12 takes a loop over lanes through memory.
TOME_INLINE float sum_lanes(f32x16 v) {
  const __m256 eight = _mm256_add_ps(half_of(v, 0), half_of(v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
TOME_INLINE float max_lanes(f32x16 v) {
  const __m256 eight = _mm256_max_ps(half_of(v, 0), half_of(v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/// 2^x by rounding to the nearest integer and a Taylor polynomial of degree 6 on [−½, ½]: exact to 2e-7. Below −126 the
/// result is 0.
TOME_INLINE f32x16 exp2_lanes(f32x16 x) {
  const i32x16 vanishes = less(x, splat(-126.0f));
  const f32x16 clamped = larger(x, splat(-126.0f));
  const f32x16 shifted = clamped + splat(12582912.0f);
  const f32x16 fraction = clamped - (shifted - splat(12582912.0f));
  f32x16 polynomial = splat(1.5403530e-4f);
  polynomial = multiply_add(polynomial, fraction, splat(1.3333558e-3f));
  polynomial = multiply_add(polynomial, fraction, splat(9.6181291e-3f));
  polynomial = multiply_add(polynomial, fraction, splat(5.5504109e-2f));
  polynomial = multiply_add(polynomial, fraction, splat(2.4022651e-1f));
  polynomial = multiply_add(polynomial, fraction, splat(6.9314718e-1f));
  polynomial = multiply_add(polynomial, fraction, splat(1.0f));
  return unless(vanishes, as_float(as_int(polynomial) + (as_int(shifted) << 23)));
}

TOME_INLINE std::uint32_t word_at(const std::byte* from) {
  std::uint32_t word;
  __builtin_memcpy(&word, from, 4);
  return word;
}
