// Products and attention on bf16 panels for machines that multiply fp32 alone: the pairs of a panel become two fp32
// registers on their way (a shift, a mask), so panels and pages keep half the bytes of fp32. Probabilities stay fp32.
// Included by vector_kernels.inl for AVX2 and for AVX-512 without BF16. No std templates.

#if defined(__AVX512F__)
typedef __m512 Register;
constexpr int kLanes = 16;
TOME_INLINE Register first_of_pairs(const std::uint16_t* from) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(from), 16));
}
TOME_INLINE Register second_of_pairs(const std::uint16_t* from) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_loadu_si512(from), _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}
TOME_INLINE Register widened_bf16(const std::uint16_t* from) { return (Register)bf16_lanes((const std::byte*)from); }
TOME_INLINE Register load_register(const float* from) { return _mm512_loadu_ps(from); }
TOME_INLINE void store_register(float* to, Register v) { _mm512_storeu_ps(to, v); }
TOME_INLINE Register all_of(float value) { return _mm512_set1_ps(value); }
TOME_INLINE Register multiply_add_register(Register a, Register b, Register c) { return _mm512_fmadd_ps(a, b, c); }
TOME_INLINE Register min_register(Register a, Register b) { return _mm512_min_ps(a, b); }
TOME_INLINE Register max_register(Register a, Register b) { return _mm512_max_ps(a, b); }
TOME_INLINE Register times_power(Register p, Register shifted) {
  return _mm512_castsi512_ps(
      _mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(shifted), 23)));
}
TOME_INLINE bool any_outgrown(Register sum, Register largest) {
  return _mm512_cmp_ps_mask(sum, largest, _CMP_NLT_UQ) != 0;
}
TOME_INLINE bool any_unordered(Register v) { return _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q) != 0; }
/// v where the lane's bit is set, `otherwise` elsewhere.
TOME_INLINE Register where_seen(std::uint64_t bits, Register v, Register otherwise) {
  return _mm512_mask_mov_ps(otherwise, static_cast<__mmask16>(bits), v);
}
TOME_INLINE float largest_lane(Register v) { return max_lanes((f32x16)v); }
#else
typedef __m256 Register;
constexpr int kLanes = 8;
TOME_INLINE Register first_of_pairs(const std::uint16_t* from) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)), 16));
}
TOME_INLINE Register second_of_pairs(const std::uint16_t* from) {
  return _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)),
                                              _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}
TOME_INLINE Register widened_bf16(const std::uint16_t* from) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))), 16));
}
TOME_INLINE Register load_register(const float* from) { return _mm256_loadu_ps(from); }
TOME_INLINE void store_register(float* to, Register v) { _mm256_storeu_ps(to, v); }
TOME_INLINE Register all_of(float value) { return _mm256_set1_ps(value); }
TOME_INLINE Register multiply_add_register(Register a, Register b, Register c) { return _mm256_fmadd_ps(a, b, c); }
TOME_INLINE Register min_register(Register a, Register b) { return _mm256_min_ps(a, b); }
TOME_INLINE Register max_register(Register a, Register b) { return _mm256_max_ps(a, b); }
TOME_INLINE Register times_power(Register p, Register shifted) {
  return _mm256_castsi256_ps(
      _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
}
TOME_INLINE bool any_outgrown(Register sum, Register largest) {
  return _mm256_movemask_ps(_mm256_cmp_ps(sum, largest, _CMP_NLT_UQ)) != 0;
}
TOME_INLINE bool any_unordered(Register v) { return _mm256_movemask_ps(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)) != 0; }
TOME_INLINE Register where_seen(std::uint64_t bits, Register v, Register otherwise) {
  const __m256i lane_bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i seen =
      _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits & 255)), lane_bits), lane_bits);
  return _mm256_blendv_ps(otherwise, v, _mm256_castsi256_ps(seen));
}
TOME_INLINE float largest_lane(Register v) { return max_lanes(f32x16{v, v}); }
#endif

constexpr int kRegistersOf64 = kPanelColumns / kLanes;
/// Registers of columns that a block of `rows` rows holds at once: 12 sums of 16 registers (24 of 32) at most.
template <int rows>
constexpr int kBlockVectors = kLanes == 16 ? 4
                              : rows > 3   ? 2
                                           : 4;

/// A function of its own, so that its sums and nothing else take the registers.
#define TOME_ALONE static __attribute__((noinline))

/// total[r][v] += a[r] · columns[v]. In assembly, in this order: GCC 12 takes all loads first and spills sums for them.
template <int rows, int vectors>
TOME_INLINE void multiply_add_rows(Register (&total)[rows][vectors], const float* a, std::size_t a_stride,
                                   const Register (&columns)[vectors]) {
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
    Register x;
    __asm__ volatile("vbroadcastss %1, %0" : "=v"(x) : "m"(a[static_cast<std::size_t>(r) * a_stride]));
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(total[r][v]) : "v"(x), "v"(columns[v]));
  }
}

/// total[r][v] += Σ_k a[r][k] · panel[k][column + 8 v …], k ascending. With `ahead` as much of another panel is asked
/// for.
template <int rows, int vectors, bool fetches>
TOME_INLINE void pair_products(Register (&total)[rows][vectors], const float* a, std::size_t a_stride, int pairs,
                               const std::uint16_t* b, const std::uint16_t* ahead) {
#pragma GCC unroll 1
  for (int pair = 0; pair < pairs; ++pair, b += 2 * kPanelColumns, a += 2) {
    Register columns[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) columns[v] = first_of_pairs(b + v * 2 * kLanes);
    multiply_add_rows<rows, vectors>(total, a, a_stride, columns);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) columns[v] = second_of_pairs(b + v * 2 * kLanes);
    multiply_add_rows<rows, vectors>(total, a + 1, a_stride, columns);
    if constexpr (fetches) {
#pragma GCC unroll 4
      for (int line = 0; line < 4; ++line) _mm_prefetch(reinterpret_cast<const char*>(ahead + line * 32), _MM_HINT_T0);
      ahead += 2 * kPanelColumns;
    }
  }
}

/// `rows` rows of `count` bf16 values as fp32, stride `stride` both sides apart.
template <int rows>
TOME_INLINE void widen_rows(const std::uint16_t* from, std::size_t from_stride, int count, float* to,
                            std::size_t to_stride) {
  for (int r = 0; r < rows; ++r) {
    const std::uint16_t* row = from + static_cast<std::size_t>(r) * from_stride;
    float* out = to + static_cast<std::size_t>(r) * to_stride;
    int i = 0;
    for (; i + kLanes <= count; i += kLanes) store_register(out + i, widened_bf16(row + i));
    for (; i < count; ++i) out[i] = bf16_to_f32(row[i]);
  }
}

// ---- matrix products ------------------------------------------------------------------------------------------------

constexpr int kWidened = 512;  ///< k at a time: six rows of it stay in the first cache

template <int rows, int vectors>
TOME_ALONE void product_columns(const float* a, int pairs, const std::uint16_t* panel, float* c, std::size_t c_stride,
                                bool start) {
  Register total[rows][vectors];
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      total[r][v] = start ? all_of(0.0f) : load_register(c + static_cast<std::size_t>(r) * c_stride + v * kLanes);
  pair_products<rows, vectors, false>(total, a, kWidened, pairs, panel, nullptr);
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      store_register(c + static_cast<std::size_t>(r) * c_stride + v * kLanes, total[r][v]);
}

template <int rows>
static void product_rows_bf16(const PanelProduct<std::uint16_t>& p, int row) {
  constexpr int vectors = kBlockVectors<rows>;
  alignas(64) float widened[rows * kWidened];
  float* c = p.c + static_cast<std::size_t>(row) * p.c_stride;
  const std::uint16_t* a = p.a + static_cast<std::size_t>(row) * p.a_stride;
  bool start = p.accumulate == Accumulate::no;
  for (int panel = 0; panel < p.panel_count; ++panel)
    for (int k = 0; k < p.k_each; k += kWidened, start = false) {
      const int count = p.k_each - k < kWidened ? p.k_each - k : kWidened;
      widen_rows<rows>(a + static_cast<std::size_t>(panel) * static_cast<std::size_t>(p.k_each) + k, p.a_stride, count,
                       widened, kWidened);
      for (int column = 0; column < kPanelColumns; column += vectors * kLanes)
        product_columns<rows, vectors>(widened, count / 2,
                                       p.panels[panel] + static_cast<std::size_t>(k) * kPanelColumns + column * 2,
                                       c + column, p.c_stride, start);
    }
}

static void panel_product_bf16(const PanelProduct<std::uint16_t>& p) {
  int row = 0;
  for (; row + 6 <= p.rows; row += 6) product_rows_bf16<6>(p, row);
  switch (p.rows - row) {
    case 5:
      return product_rows_bf16<5>(p, row);
    case 4:
      return product_rows_bf16<4>(p, row);
    case 3:
      return product_rows_bf16<3>(p, row);
    case 2:
      return product_rows_bf16<2>(p, row);
    case 1:
      return product_rows_bf16<1>(p, row);
    default:
      return;
  }
}

// ---- attention ------------------------------------------------------------------------------------------------------

constexpr int kMostWidenedDims = 1024;
constexpr std::size_t kStepKeys = kStepPages * kPanelColumns;  ///< stride of a row's probabilities
constexpr float kLargestSum = 1.8446744e19f;                   ///< 2^64: a probability above it, or not a number

/// 2^x by the nearest integer and a cubic on [−½, ½] (minimax, relative error 7.5e-5). Above 128 infinity or not a
/// number; NaN stays.
TOME_INLINE Register probability_of(Register x) {
  // The second operand is what an unordered comparison gives.
  const Register clamped = max_register(all_of(-126.0f), min_register(all_of(128.0f), x));
  const Register shifted = clamped + all_of(12582912.0f);
  const Register fraction = clamped - (shifted - all_of(12582912.0f));
  Register p = multiply_add_register(all_of(0.0551716691f), fraction, all_of(0.242611122f));
  p = multiply_add_register(p, fraction, all_of(0.693260985f));
  p = multiply_add_register(p, fraction, all_of(0.999928074f));
  return times_power(p, shifted);
}

/// scores[r][column …] = a[r] · panel − reference[r].
template <int rows, int vectors, bool fetches>
TOME_ALONE void score_columns(const float* queries, std::size_t stride, int pairs, const std::uint16_t* panel,
                              const std::uint16_t* ahead, const float* reference, float* scores) {
  Register total[rows][vectors];
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
    const Register start = all_of(-reference[r]);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) total[r][v] = start;
  }
  pair_products<rows, vectors, fetches>(total, queries, stride, pairs, panel, ahead);
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      store_register(scores + static_cast<std::size_t>(r) * kStepKeys + v * kLanes, total[r][v]);
}

/// output[r][column …] += probabilities[r] · one panel of values.
template <int rows, int vectors, bool fetches>
TOME_ALONE void output_columns(const float* probabilities, const std::uint16_t* panel, const std::uint16_t* ahead,
                               float* output, std::size_t columns) {
  Register total[rows][vectors];
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      total[r][v] = load_register(output + static_cast<std::size_t>(r) * columns + v * kLanes);
  pair_products<rows, vectors, fetches>(total, probabilities, kStepKeys, kPanelColumns / 2, panel, ahead);
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      store_register(output + static_cast<std::size_t>(r) * columns + v * kLanes, total[r][v]);
}

#if !defined(__AVX512F__)
#include "kernels/simd/q8_pages_avx2.inl"
#endif

/// The rows of a group: their queries as fp32, their probabilities for the pages of the step. q8: keys and values are
/// read as q8_0 pages hold them.
template <int rows, bool q8>
struct StepRows {
  const AttentionStep& s;
  int row;
  const float* queries;
  std::size_t query_stride;
  float* probabilities;  // [rows][kStepKeys]
  static constexpr int vectors = kBlockVectors<rows>;

  /// The first group brings the step's panels into the cache, each while the one before it is multiplied; the last one
  /// asks for the next step's first.
  inline __attribute__((always_inline)) const std::uint16_t* fetched(const std::uint16_t* next) const {
    return row == 0 ? next : nullptr;
  }
  inline __attribute__((always_inline)) const std::uint16_t* value_panel(int page, int panel) const {
    return s.values[page] + static_cast<std::size_t>(panel) * kPanelColumns * kPanelColumns;
  }

  inline __attribute__((always_inline)) void scores(int page, int first, int last, const float* reference) const {
#if !defined(__AVX512F__)
    if constexpr (q8)
      return q8_scores<rows>(s, queries, query_stride, page, page + 1 < last ? s.keys_8[page + 1] : s.values_8[first],
                             reference, probabilities + page * kPanelColumns);
#endif
    const std::uint16_t* ahead = fetched(page + 1 < last ? s.keys[page + 1] : s.values[first]);
    float* to = probabilities + page * kPanelColumns;
    const int pairs = s.dims / 2;
    int column = 0;
    if (ahead != nullptr) {
      score_columns<rows, vectors, true>(queries, query_stride, pairs, s.keys[page], ahead, reference, to);
      column = vectors * kLanes;
    }
    for (; column < kPanelColumns; column += vectors * kLanes)
      score_columns<rows, vectors, false>(queries, query_stride, pairs, s.keys[page] + column * 2, nullptr, reference,
                                          to + column);
  }
  inline __attribute__((always_inline)) void output(int first, int last) const {
#if !defined(__AVX512F__)
    if constexpr (q8) return q8_output<rows>(s, row, first, last, probabilities);
#endif
    const std::size_t columns = static_cast<std::size_t>(s.value_panels) * kPanelColumns;
    const auto* next_step =
        s.pages_ahead > 0 && s.rows - row <= 6 ? reinterpret_cast<const std::uint16_t*>(s.keys_ahead[0]) : nullptr;
    for (int panel = 0; panel < s.value_panels; ++panel)
      for (int page = first; page < last; ++page) {
        const float* p = probabilities + page * kPanelColumns;
        float* to = s.output + static_cast<std::size_t>(row) * columns + panel * kPanelColumns;
        const std::uint16_t* ahead = page + 1 < last              ? fetched(value_panel(page + 1, panel))
                                     : panel + 1 < s.value_panels ? fetched(value_panel(first, panel + 1))
                                                                  : next_step;
        int column = 0;
        if (ahead != nullptr) {
          output_columns<rows, vectors, true>(p, value_panel(page, panel), ahead, to, columns);
          column = vectors * kLanes;
        }
        for (; column < kPanelColumns; column += vectors * kLanes)
          output_columns<rows, vectors, false>(p, value_panel(page, panel) + column * 2, nullptr, to + column, columns);
      }
  }

  /// Pages [first, last), seen whole by rows that all have a reference point. False (and nothing done) when a
  /// probability outgrew its range.
  inline __attribute__((always_inline)) bool seen_whole(int first, int last) const {
    Register sums[rows];
    for (int r = 0; r < rows; ++r) sums[r] = all_of(0.0f);
    for (int page = first; page < last; ++page) {
      scores(page, first, last, s.reference + row);
      for (int r = 0; r < rows; ++r) {
        float* p = probabilities + static_cast<std::size_t>(r) * kStepKeys + page * kPanelColumns;
#pragma GCC unroll 8
        for (int v = 0; v < kRegistersOf64; ++v) {
          const Register probability = probability_of(load_register(p + v * kLanes));
          sums[r] += probability;
          store_register(p + v * kLanes, probability);
        }
      }
    }
    bool outgrown = false;
    for (int r = 0; r < rows; ++r) outgrown = outgrown || any_outgrown(sums[r], all_of(kLargestSum));
    if (outgrown) return false;
    for (int r = 0; r < rows; ++r) {
      float* sum = s.sum + static_cast<std::size_t>(row + r) * 16;
      store_register(sum, load_register(sum) + sums[r]);
    }
    output(first, last);
    return true;
  }

  /// One page the long way: masked, with its own maximum.
  inline __attribute__((always_inline)) void seen_in_part(int page) const {
    const std::size_t columns = static_cast<std::size_t>(s.value_panels) * kPanelColumns;
    const float nothing[rows] = {};
    const float infinity = __builtin_inff();
    scores(page, page, page + 1, nothing);
    for (int r = 0; r < rows; ++r) {
      const std::uint64_t seen = s.visible[page] == nullptr ? ~std::uint64_t{0} : s.visible[page][row + r];
      float* p = probabilities + static_cast<std::size_t>(r) * kStepKeys + page * kPanelColumns;
      Register highest_lanes = all_of(-infinity);
      bool unordered = false;
      for (int v = 0; v < kRegistersOf64; ++v) {
        const Register score = where_seen(seen >> (v * kLanes), load_register(p + v * kLanes), all_of(-infinity));
        unordered = unordered || any_unordered(score);
        highest_lanes = max_register(highest_lanes, score);
      }
      const float highest = unordered ? __builtin_nanf("") : largest_lane(highest_lanes);
      if (highest == -infinity) {
        for (int v = 0; v < kRegistersOf64; ++v) store_register(p + v * kLanes, all_of(0.0f));
        continue;
      }
      float* sum = s.sum + static_cast<std::size_t>(row + r) * 16;
      float& reference = s.reference[row + r];
      if (!(highest <= reference + 8.0f)) {
        const float raised = __builtin_ceilf(highest);
        const float factor = reference == -infinity ? 0.0f : exp2_lanes(splat(reference - raised))[0];
        reference = raised;
        for (int lane = 0; lane < 16; ++lane) sum[lane] *= factor;
        float* out = s.output + static_cast<std::size_t>(row + r) * columns;
        for (std::size_t column = 0; column < columns; ++column) out[column] *= factor;
      }
      Register total = load_register(sum);
      for (int v = 0; v < kRegistersOf64; ++v) {
        const Register probability = where_seen(
            seen >> (v * kLanes), probability_of(load_register(p + v * kLanes) - all_of(reference)), all_of(0.0f));
        total += probability;
        store_register(p + v * kLanes, probability);
      }
      store_register(sum, total);
    }
    output(page, page + 1);
  }

  inline __attribute__((always_inline)) bool started() const {
    bool all = true;
    for (int r = 0; r < rows; ++r) all = all && s.reference[row + r] > -__builtin_inff();
    return all;
  }
};

template <int rows, bool q8>
static void step_rows(const AttentionStep& s, int row) {
  alignas(64) float probabilities[rows * kStepKeys];
  alignas(64) float queries[rows * kMostWidenedDims];
  const auto dims = static_cast<std::size_t>(s.dims);
  widen_rows<rows>(s.queries + static_cast<std::size_t>(row) * dims, dims, s.dims, queries, dims);
  const StepRows<rows, q8> group{s, row, queries, dims, probabilities};
  bool started = group.started();
  for (int page = 0; page < s.pages;) {
    int whole = page;
    while (started && whole < s.pages && s.visible[whole] == nullptr) ++whole;
    if (whole > page && group.seen_whole(page, whole)) {
      page = whole;
      continue;
    }
    const int last = whole > page ? whole : page + 1;
    for (; page < last; ++page) group.seen_in_part(page);
    started = group.started();
  }
}

template <bool q8>
TOME_INLINE void attention_step(const AttentionStep& s) {
  int row = 0;
  for (; row + 6 <= s.rows; row += 6) step_rows<6, q8>(s, row);
  switch (s.rows - row) {
    case 5:
      return step_rows<5, q8>(s, row);
    case 4:
      return step_rows<4, q8>(s, row);
    case 3:
      return step_rows<3, q8>(s, row);
    case 2:
      return step_rows<2, q8>(s, row);
    case 1:
      return step_rows<1, q8>(s, row);
    default:
      return;
  }
}

static void attention_step_bf16(const AttentionStep& s) { attention_step<false>(s); }
#if !defined(__AVX512F__)
static void attention_step_q8(const AttentionStep& s) { attention_step<true>(s); }
#endif
