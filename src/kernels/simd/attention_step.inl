// Scores, softmax and output of a run of pages for six query rows at a time, in registers from the product to the
// probability: 6 × 64 scores start at minus the row's reference point, so that 2^score is the probability and no score
// is written down. Pages that some row does not see whole, and rows that have no reference point yet, take the long way
// with a maximum and a mask; so do pages whose probabilities outgrow kLargestSum (their scores lie more than about 60
// above the reference point) or are no numbers. Included by the instruction set that has vdpbf16ps, once for each way
// of asking for lines to come (kBringHint, kPairsAhead, kPairsInSoftmax, kAskedEvery).

/// x + 127 in 256ths becomes 2^x by a correction that bits 1 … 7 choose: the fraction f lies above the mantissa 2^f − 1
/// by up to 22 of them. Here is kExp2Lead minus that, so that it is never negative: kExp2Base has as much less.
constexpr int kExp2Lead = 23;
struct Exp2Corrections {
  alignas(64) std::uint8_t of[128] = {};
  constexpr Exp2Corrections() {
    for (int i = 0; i < 128; ++i) {
      const int fraction = (4 * i + 1 + 2 * kExp2Lead) % 512;  // in 512ths, in the middle of two 256ths
      double power = 1.0;
      for (int f = 0; f < fraction; ++f) power *= 1.0013547198921082;  // 2^(1/512)
      of[i] = static_cast<std::uint8_t>(kExp2Lead - (fraction / 2.0 - 256.0 * (power - 1.0)));
    }
  }
};
static constexpr Exp2Corrections kExp2Corrections;

/// kExp2Corrections in registers.
struct Exp2Table {
  __m512i low, high;
};
TOME_INLINE Exp2Table exp2_table(const std::uint8_t* corrections) {
  return {_mm512_load_si512(corrections), _mm512_load_si512(corrections + 64)};
}

/// 1.5 · 2^15, whose last bits are 256ths, and 127 less kExp2Lead 256ths: the last 16 bits of kExp2Base + x have the
/// exponent of 2^x in place, and the fraction of x where the mantissa belongs.
constexpr float kExp2Least = 49152.0f, kExp2Base = kExp2Least + 127.0f - kExp2Lead / 256.0f;
/// A probability that is too large for its sum is above this.
constexpr float kLargestSum = 1.8446744e19f;  // 2^64

/// 2^x as bf16 from kExp2Base + x for 32 scores: half of the sum with a correction. The error is 1.12 times that of
/// rounding 2^x to bf16, at most 0.51 %. Below 2^-126 it becomes a denormal, which products take for nothing. `seen`
/// collects bits: in_range() tells whether all x were below 129 and numbers; else what is returned is worth nothing.
TOME_INLINE __m512i exp2_bf16(__m512 first, __m512 second, const Exp2Table& table, __m512i& seen) {
  const __m512i order = _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26, 24,
                                         22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  // The maximum with a NaN is what comes second, the NaN.
  const __m512 least = _mm512_set1_ps(kExp2Least);
  const __m512i low = _mm512_castps_si512(_mm512_max_ps(least, first)),
                high = _mm512_castps_si512(_mm512_max_ps(least, second));
  seen = _mm512_ternarylogic_epi32(seen, low, high, 0xfe);  // or
  const __m512i x = _mm512_permutex2var_epi16(low, order, high);
  const __m512i corrections =
      _mm512_maskz_permutex2var_epi8(0x5555555555555555, table.low, _mm512_srli_epi16(x, 1), table.high);
  return _mm512_avg_epu16(x, corrections);  // rounds up
}
/// Larger numbers and NaNs have other bits in their upper half than kExp2Least.
TOME_INLINE bool in_range(__m512i seen) {
  return _mm512_test_epi32_mask(seen, _mm512_set1_epi32(static_cast<int>(~0x4740ffffu))) == 0;
}

/// `sum` with what 64 stored probabilities add up to: a row's output is divided by what was multiplied.
TOME_INLINE __m512 add_probabilities(__m512 sum, const std::uint16_t* stored) {
  const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
  return _mm512_dpbf16_ps(_mm512_dpbf16_ps(sum, (__m512bh)_mm512_loadu_si512(stored), ones),
                          (__m512bh)_mm512_loadu_si512(stored + 32), ones);
}

/// Into the second cache; a request is lost when too many are under way.
TOME_INLINE void ask_for_line(const void* line) { _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T1); }

/// For loops that wait for memory: into the cache that suits the machine (kBringHint, see who includes this).
TOME_INLINE void bring_line(const void* line) { _mm_prefetch(reinterpret_cast<const char*>(line), kBringHint); }

/// From the second cache into the first.
TOME_INLINE void bring_nearer(const void* line) { _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0); }

/// Every kAskedEvery-th of `lines` from `from`, which moves on; the compiler may not gather the requests of several
/// calls.
template <int lines>
TOME_INLINE void bring_lines(const std::byte*& from) {
  if constexpr (lines > 0) {
#pragma GCC unroll 32
    for (int i = 0; i < lines; i += kAskedEvery) bring_line(from + i * 64);
    from += lines * 64;
    __asm__ volatile("" ::: "memory");
  }
}

/// A single group of rows waits for memory: it asks for lines kPairsAhead pairs of rows of a panel (four lines each)
/// ahead of what it reads, in the order of reading. Asked for much earlier, most of them are lost (more are asked for
/// than memory brings), much later they are waited for. While probabilities are made nothing is read: the requests of
/// the last kPairsInSoftmax pairs are left to it by the products before.
/// Where the loop over a panel asks: for lines of its own as long as it has any so far ahead, then from `after`.
struct AskedFor {
  int inside;  ///< pairs that ask in the panel itself
  const std::byte* after;
};

constexpr std::size_t kStepStride = kStepPages * kPanelColumns;  ///< of the probabilities of a row

/// probabilities[r][0 … 64) = 2^x from kExp2Base + x, from the registers that these were made in. False when an x has
/// outgrown its range. The table is loaded only now: held during the products it would push accumulators into memory.
/// Asks for `lines` of what comes later, some after each vector.
template <int rows, int vectors, int lines>
TOME_INLINE bool store_exponentials(__m512 (&scores)[rows][vectors], std::uint16_t* probabilities,
                                    const std::byte* later) {
  constexpr int lines_each = (lines + rows * vectors / 2 - 1) / (rows * vectors / 2);
  const std::uint8_t* from = kExp2Corrections.of;
  __asm__ volatile("" : "+r"(from), "+v"(scores[rows - 1][vectors - 1]));
  const Exp2Table table = exp2_table(from);
  __m512i seen = _mm512_setzero_si512();
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v += 2) {
      _mm512_storeu_si512(probabilities + static_cast<std::size_t>(r) * kStepStride + v * 16,
                          exp2_bf16(scores[r][v], scores[r][v + 1], table, seen));
      bring_lines<lines_each>(later);
    }
  }
  return in_range(seen);
}

template <int rows, int vectors>
TOME_INLINE void add_exp2_base(__m512 (&scores)[rows][vectors]) {
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) scores[r][v] = _mm512_add_ps(scores[r][v], _mm512_set1_ps(kExp2Base));
}

/// Sixty-four bytes that stay in a register: GCC 12 takes what three rows read from memory three times.
TOME_INLINE __m512i load_once(const void* from) {
  __m512i value = _mm512_loadu_si512(from);
  __asm__("" : "+v"(value));
  return value;
}

/// What scores are made of: panels of bf16, of fp16 as they lie, 8-bit codes on both sides, or q8_0 pages as they lie.
enum class Products { bf16, f16, int8, q8 };

/// Thirty-two fp16, rounded to bf16.
TOME_INLINE __m512bh rounded_halves(const std::uint16_t* from) {
  const auto* halves = reinterpret_cast<const __m256i*>(from);
  return _mm512_cvtne2ps_pbh(_mm512_cvtph_ps(_mm256_loadu_si256(halves + 1)),
                             _mm512_cvtph_ps(_mm256_loadu_si256(halves)));
}

/// Thirty-two values of a panel as bf16, made once.
template <Products products>
TOME_INLINE __m512bh panel_row(const std::uint16_t* from) {
  if constexpr (products == Products::f16) {
    __m512bh row = rounded_halves(from);
    __asm__("" : "+v"(row));
    return row;
  } else {
    return (__m512bh)load_once(from);
  }
}

/// total[r][v] += Σ_k a[r][k] · panel[k][16 v …]; asks for as many lines of what comes later, if there is any.
template <int rows, Products products, bool asks>
TOME_INLINE void step_products(__m512 (&total)[rows][4], const std::uint16_t* a, std::size_t a_stride, int pairs,
                               const std::uint16_t* b, const std::byte* later) {
#pragma GCC unroll 1
  for (int pair = 0; pair < pairs; ++pair, b += 2 * kPanelColumns) {
    __m512bh columns[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) columns[v] = panel_row<products>(b + v * 32);
    if constexpr (asks) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; v += kAskedEvery) bring_line(later + v * 64);
      later += 256;
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
      std::int32_t both;
      __builtin_memcpy(&both, a + static_cast<std::size_t>(r) * a_stride + pair * 2, 4);
      const __m512bh broadcast = (__m512bh)_mm512_set1_epi32(both);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) total[r][v] = _mm512_dpbf16_ps(total[r][v], broadcast, columns[v]);
    }
  }
}

/// The first `pairs` of a panel, asking as `later` says, whose `after` moves on.
template <int rows, Products products>
TOME_INLINE void products_asking(__m512 (&total)[rows][4], const std::uint16_t* a, std::size_t a_stride, int pairs,
                                 const std::uint16_t* panel, AskedFor& later) {
  const int inside = later.inside;
  step_products<rows, products, true>(total, a, a_stride, inside, panel,
                                      reinterpret_cast<const std::byte*>(panel) + kPairsAhead * 256);
  step_products<rows, products, true>(total, a + inside * 2, a_stride, pairs - inside,
                                      panel + inside * 2 * kPanelColumns, later.after);
  later.after += (pairs - inside) * 256;
}

/// Asks for the pages of the next step: for many rows a few lines before each product (in one go they would hold up the
/// products' own lines, which come from the second cache); for a single group of rows, which waits for memory and not
/// for products, line by line with what it reads itself.
class StepAhead {
 public:
  /// asked: by ask(), and not only in the loops' own way.
  StepAhead(const AttentionStep& s, bool asked)
      : step_(s), key_lines_((s.stored_keys + 63) / 64), value_lines_((s.stored_values + 63) / 64) {
    if (!asked) return;
    const int lines = s.pages_ahead * (key_lines_ + value_lines_), groups = (s.rows + 5) / 6;
    const int products = groups * s.pages * (1 + s.value_panels);
    each_ = (lines + products - 1) / products;
  }
  inline __attribute__((always_inline)) void ask() {
    if (page_ == step_.pages_ahead) return;
    const std::byte* from = values_ ? step_.values_ahead[page_] : step_.keys_ahead[page_];
    from += static_cast<std::size_t>(line_) * 64;
    for (int i = 0; i < each_; ++i) ask_for_line(from + i * 64);
    line_ += each_;
    if (line_ < (values_ ? value_lines_ : key_lines_)) return;
    line_ = 0;
    if (values_) ++page_;
    values_ = !values_;
  }
  /// What a single group of rows asks for while it reads the keys of a page, or a panel of its values. Where pages are
  /// unpacked, their panels lie in a cache and the lines of the page to come are asked for in step.
  AskedFor beside_keys(int page) const {
    if (step_.unpacked) return {0, keys_after(page, step_.keys)};
    const int pairs = step_.dims / 2;
    return {pairs > kPairsAhead ? pairs - kPairsAhead : 0, reinterpret_cast<const std::byte*>(step_.values[page])};
  }
  AskedFor beside_values(int page, int panel) const {
    const std::size_t next = static_cast<std::size_t>(panel) * kPanelColumns * kPanelColumns * 2;
    if (step_.unpacked) return {0, values_after(page, step_.values) + next};
    const int inside = kPanelColumns / 2 - kPairsAhead;
    if (panel + 1 == step_.value_panels) return {inside, keys_after(page, step_.keys)};
    return {inside, reinterpret_cast<const std::byte*>(step_.values[page]) + next + kPanelColumns * kPanelColumns * 2};
  }

  /// As the two above, of q8_0 pages as they lie: lines are asked for some 8 KB before they are read. Keys ask for the
  /// next page's, values for values; where a page has more, keys ask for its own values and those for the next page's
  /// keys (Zen 5, one row, one core: head dim 128 from 29 to 35 GB/s, 256 from 28 to 33).
  const std::byte* beside_stored_keys(int page) const {
    return by_halves() ? step_.values_8[page] : keys_after(page, step_.keys_8);
  }
  const std::byte* beside_stored_values(int page) const {
    return by_halves() ? keys_after(page, step_.keys_8) : values_after(page, step_.values_8);
  }

 private:
  bool by_halves() const { return step_.dims >= (step_.rows == 1 ? 128 : 256); }
  /// The keys and the values of the page that will be read after this one, of this step (`here`) or the next; those of
  /// this page itself where none is known. Where pages are unpacked, of the page that takes this one's place a step
  /// later; if they are shorter than their panels, asking for as many bytes as a panel of keys has covers the values
  /// too.
  template <class T>
  const std::byte* keys_after(int page, const T* const* here) const {
    if (step_.unpacked && page < step_.pages_ahead) return step_.keys_ahead[page];
    if (!step_.unpacked && page + 1 < step_.pages) return reinterpret_cast<const std::byte*>(here[page + 1]);
    if (!step_.unpacked && step_.pages_ahead > 0) return step_.keys_ahead[0];
    return reinterpret_cast<const std::byte*>(here[page]);
  }
  template <class T>
  const std::byte* values_after(int page, const T* const* here) const {
    const bool asked_with_keys = step_.stored_values < step_.value_panels * kPanelColumns * kPanelColumns * 2;
    if (step_.unpacked && !asked_with_keys && page < step_.pages_ahead) return step_.values_ahead[page];
    if (!step_.unpacked && page + 1 < step_.pages) return reinterpret_cast<const std::byte*>(here[page + 1]);
    if (!step_.unpacked && step_.pages_ahead > 0) return step_.values_ahead[0];
    return reinterpret_cast<const std::byte*>(here[page]);
  }
  const AttentionStep& step_;
  int key_lines_, value_lines_, each_ = 0, page_ = 0, line_ = 0;
  bool values_ = false;
};

/// A function of its own: beside the exponential's constants GCC 12 would keep accumulators in memory.
#define TOME_ALONE static __attribute__((noinline))

/// Where the scores of a page go: as they are, or as probabilities.
enum class ScoreForm { scores, probabilities };

/// a[r] · panel − reference[r]: as scores[r][0 … 64), or 2 to their power as probabilities.
template <int rows, ScoreForm form, Products products, bool asks>
TOME_ALONE bool score_page(const std::uint16_t* a, int dims, const std::uint16_t* panel, const float* reference,
                           float* scores, std::uint16_t* probabilities, AskedFor later) {
  __m512 total[rows][4];
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
    const __m512 start = _mm512_set1_ps(-reference[r]);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) total[r][v] = start;
  }
  const auto stride = static_cast<std::size_t>(dims);
  constexpr int left = asks && form == ScoreForm::probabilities ? kPairsInSoftmax : 0;
  if constexpr (asks) {
    const int pairs = dims / 2, asking = pairs - (left < pairs - later.inside ? left : pairs - later.inside);
    products_asking<rows, products>(total, a, stride, asking, panel, later);
    a += asking * 2, panel += asking * 2 * kPanelColumns, dims -= asking * 2;
  }
  step_products<rows, products, false>(total, a, stride, dims / 2, panel, nullptr);
  if constexpr (form == ScoreForm::probabilities) {
    add_exp2_base(total);
    return store_exponentials<rows, 4, left * 4>(total, probabilities, later.after);
  } else {
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) _mm512_store_ps(scores + r * kPanelColumns + v * 16, total[r][v]);
    return true;
  }
}

/// GCC 12 spills accumulators around the VNNI intrinsic.
TOME_INLINE void dot_u8s8(__m512i& total, __m512i unsigned_codes, __m512i signed_codes) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(total) : "v"(unsigned_codes), "v"(signed_codes));
}

TOME_INLINE __m512 sixteen_halves(const std::byte* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

/// Sixteen bf16 as fp32.
TOME_INLINE __m512 sixteen_bf16(const std::uint16_t* from) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))), 16));
}

/// Scores of up to three rows against a page of 8-bit keys: 12 integer sums of a block of 32 dimensions and 12 of the
/// whole row in registers.
template <int rows, ScoreForm form, bool brings>
TOME_ALONE bool score_page_int8(const AttentionStep& s, int row, int page, const float* reference, float* scores,
                                std::uint16_t* probabilities, const std::byte* next) {
  const int blocks = s.dims / 32;
  const std::int8_t* queries = s.queries_8 + static_cast<std::size_t>(row) * static_cast<std::size_t>(s.dims);
  const std::byte* keys = s.keys_8[page];
  __m512 sums[rows][4];
#pragma GCC unroll 3
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) sums[r][v] = _mm512_setzero_ps();
#pragma GCC unroll 1
  for (int block = 0; block < blocks; ++block) {
    __m512i codes[rows][4];
#pragma GCC unroll 3
    for (int r = 0; r < rows; ++r) {
      const __m512i offset = _mm512_set1_epi32(s.query_offsets[(row + r) * blocks + block]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) codes[r][v] = offset;
    }
#pragma GCC unroll 1
    for (int quad = 0; quad < 8; ++quad, keys += 4 * kPanelColumns, queries += 4) {
      __m512i columns[4];
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) columns[v] = load_once(keys + v * 64);
      if constexpr (brings) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) bring_nearer(next + v * 64);
        next += 256;
      }
#pragma GCC unroll 3
      for (int r = 0; r < rows; ++r) {
        std::int32_t four;
        __builtin_memcpy(&four, queries + static_cast<std::size_t>(r) * static_cast<std::size_t>(s.dims), 4);
        const __m512i broadcast = _mm512_set1_epi32(four);
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) dot_u8s8(codes[r][v], columns[v], broadcast);
      }
    }
    const std::byte* key_scales = s.keys_8[page] + (s.dims + block * 2) * kPanelColumns;
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const __m512 scale = sixteen_halves(key_scales + v * 32);
#pragma GCC unroll 3
      for (int r = 0; r < rows; ++r) sums[r][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(codes[r][v]), scale, sums[r][v]);
    }
  }
#pragma GCC unroll 3
  for (int r = 0; r < rows; ++r) {
    constexpr float base = form == ScoreForm::probabilities ? kExp2Base : 0.0f;
    const __m512 scale = _mm512_set1_ps(s.query_scales[row + r]), start = _mm512_set1_ps(base - reference[r]);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      sums[r][v] = _mm512_fmadd_ps(sums[r][v], scale, start);
      if constexpr (form == ScoreForm::scores) _mm512_store_ps(scores + r * kPanelColumns + v * 16, sums[r][v]);
    }
  }
  if constexpr (form == ScoreForm::probabilities) return store_exponentials<rows, 4, 0>(sums, probabilities, nullptr);
  return true;
}

#include "kernels/simd/q8_pages_avx512.inl"

/// False when a probability has outgrown its range.
template <int rows, Products products, ScoreForm form>
TOME_INLINE bool step_scores(const AttentionStep& s, StepAhead& ahead, int row, int page, const float* reference,
                             float* scores, std::uint16_t* probabilities) {
  const bool single = s.rows <= 6;
  if (!single || products == Products::int8) ahead.ask();
  if constexpr (products == Products::q8) {
    const std::byte* later = ahead.beside_stored_keys(page);
    bool in_range =
        score_page_q8<(rows > 4 ? 3 : rows), form>(s, row, 0, page, reference, scores, probabilities, later);
    if constexpr (rows > 4)
      in_range &= score_page_q8<rows - 3, form>(s, row, 3, page, reference, scores, probabilities, later);
    return in_range;
  } else if constexpr (products == Products::int8) {
    bool in_range =
        score_page_int8<(rows > 3 ? 3 : rows), form, false>(s, row, page, reference, scores, probabilities, nullptr);
    if constexpr (rows > 3) {
      // Rows read a page from the second cache as fast as that gives it: where a page has many, the next one is brought
      // nearer by those that find theirs in the first (Zen 5: head dims 128, 256 one in a hundred faster, 64 slower).
      const std::byte* next = page + 1 < s.pages ? s.keys_8[page + 1] : reinterpret_cast<const std::byte*>(s.values[0]);
      constexpr auto score_long = score_page_int8<rows - 3, form, true>,
                     score_short = score_page_int8<rows - 3, form, false>;
      in_range &= (s.dims >= 128 ? score_long : score_short)(
          s, row + 3, page, reference + 3, scores + 3 * kPanelColumns, probabilities + 3 * kStepStride, next);
    }
    return in_range;
  } else {
    const std::uint16_t* queries_here = s.queries + static_cast<std::size_t>(row) * static_cast<std::size_t>(s.dims);
    if (single)
      return score_page<rows, form, products, true>(queries_here, s.dims, s.keys[page], reference, scores,
                                                    probabilities, ahead.beside_keys(page));
    return score_page<rows, form, products, false>(queries_here, s.dims, s.keys[page], reference, scores, probabilities,
                                                   {});
  }
}

/// output += probabilities · values of pages [first, last).
template <int rows, Products products, bool asks>
TOME_ALONE void panel_output(const AttentionStep& s, StepAhead& ahead, int row, int first, int last,
                             const std::uint16_t* probabilities) {
  const std::size_t columns = static_cast<std::size_t>(s.value_panels) * kPanelColumns;
  for (int panel = 0; panel < s.value_panels; ++panel) {
    float* output =
        s.output + static_cast<std::size_t>(row) * columns + static_cast<std::size_t>(panel) * kPanelColumns;
    __m512 total[rows][4];
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v)
        total[r][v] = _mm512_loadu_ps(output + static_cast<std::size_t>(r) * columns + v * 16);
    for (int page = first; page < last; ++page) {
      const std::uint16_t* values = s.values[page] + static_cast<std::size_t>(panel) * kPanelColumns * kPanelColumns;
      if constexpr (asks) {
        AskedFor later = ahead.beside_values(page, panel);
        products_asking<rows, products>(total, probabilities + page * kPanelColumns, kStepStride, kPanelColumns / 2,
                                        values, later);
      } else {
        ahead.ask();
        step_products<rows, products, false>(total, probabilities + page * kPanelColumns, kStepStride,
                                             kPanelColumns / 2, values, nullptr);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v)
        _mm512_storeu_ps(output + static_cast<std::size_t>(r) * columns + v * 16, total[r][v]);
  }
}

template <int rows, Products products>
TOME_INLINE void step_output(const AttentionStep& s, StepAhead& ahead, int row, int first, int last,
                             const std::uint16_t* probabilities) {
  if constexpr (products == Products::q8)
    q8_output<rows>(s, ahead, row, first, last, probabilities);
  else if constexpr (products == Products::int8)
    panel_output<rows, Products::bf16, false>(s, ahead, row, first, last, probabilities);
  else if (s.rows <= 6)
    panel_output<rows, products, true>(s, ahead, row, first, last, probabilities);
  else
    panel_output<rows, products, false>(s, ahead, row, first, last, probabilities);
}

/// Pages [first, last), seen whole by rows that all have a reference point. False (and nothing done) when a probability
/// outgrew its range.
template <int rows, Products products>
TOME_INLINE bool step_seen_whole(const AttentionStep& s, StepAhead& ahead, int row, int first, int last,
                                 std::uint16_t* probabilities) {
  bool in_range = true;
  for (int page = first; page < last; ++page)
    in_range &= step_scores<rows, products, ScoreForm::probabilities>(s, ahead, row, page, s.reference + row, nullptr,
                                                                      probabilities + page * kPanelColumns);
  if (!in_range) return false;
  __m512 sums[rows];
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) sums[r] = _mm512_setzero_ps();
  for (int page = first; page < last; ++page)
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r)
      sums[r] =
          add_probabilities(sums[r], probabilities + static_cast<std::size_t>(r) * kStepStride + page * kPanelColumns);
  __mmask16 outgrown = 0;
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) outgrown |= _mm512_cmp_ps_mask(sums[r], _mm512_set1_ps(kLargestSum), _CMP_NLT_UQ);
  if (outgrown != 0) return false;
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
    float* sum = s.sum + static_cast<std::size_t>(row + r) * 16;
    _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), sums[r]));
  }
  step_output<rows, products>(s, ahead, row, first, last, probabilities);
  return true;
}

/// One page the long way: masked, with its own maximum.
template <int rows, Products products>
static void step_seen_in_part(const AttentionStep& s, StepAhead& ahead, int row, int page,
                              std::uint16_t* probabilities) {
  const std::size_t columns = static_cast<std::size_t>(s.value_panels) * kPanelColumns;
  alignas(64) float scores[rows][kPanelColumns];
  const float nothing[rows] = {};
  step_scores<rows, products, ScoreForm::scores>(s, ahead, row, page, nothing, scores[0], nullptr);
  const Exp2Table table = exp2_table(kExp2Corrections.of);
  const float infinity = __builtin_inff();
  for (int r = 0; r < rows; ++r) {
    const std::uint64_t seen = s.visible[page] == nullptr ? ~std::uint64_t{0} : s.visible[page][row + r];
    std::uint16_t* to = probabilities + static_cast<std::size_t>(r) * kStepStride + page * kPanelColumns;
    __m512 highest_lanes = _mm512_set1_ps(-infinity);
    __mmask16 unordered = 0;
    for (int v = 0; v < 4; ++v) {
      const auto mask = static_cast<__mmask16>(seen >> (v * 16));
      const __m512 score = _mm512_mask_mov_ps(_mm512_set1_ps(-infinity), mask, _mm512_load_ps(scores[r] + v * 16));
      unordered |= _mm512_cmp_ps_mask(score, score, _CMP_UNORD_Q);
      highest_lanes = _mm512_max_ps(highest_lanes, score);
    }
    const float highest = unordered != 0 ? __builtin_nanf("") : max_lanes((f32x16)highest_lanes);
    if (highest == -infinity) {
      _mm512_storeu_si512(to, _mm512_setzero_si512());
      _mm512_storeu_si512(to + 32, _mm512_setzero_si512());
      continue;
    }
    float* sum = s.sum + static_cast<std::size_t>(row + r) * 16;
    float& reference = s.reference[row + r];
    if (!(highest <= reference + 8.0f)) {
      const float raised = __builtin_ceilf(highest);
      const float factor = reference == -infinity ? 0.0f : exp2_lanes(splat(reference - raised))[0];
      reference = raised;
      _mm512_storeu_ps(sum, _mm512_mul_ps(_mm512_loadu_ps(sum), _mm512_set1_ps(factor)));
      float* output = s.output + static_cast<std::size_t>(row + r) * columns;
      for (std::size_t column = 0; column < columns; column += 16)
        _mm512_storeu_ps(output + column, _mm512_mul_ps(_mm512_loadu_ps(output + column), _mm512_set1_ps(factor)));
    }
    const __m512 start = _mm512_set1_ps(reference);
    for (int v = 0; v < 4; v += 2) {
      const __m512 low = _mm512_sub_ps(_mm512_load_ps(scores[r] + v * 16), start),
                   high = _mm512_sub_ps(_mm512_load_ps(scores[r] + v * 16 + 16), start);
      const __m512 base = _mm512_set1_ps(kExp2Base);
      __m512i unused = _mm512_setzero_si512();
      __m512i both = exp2_bf16(_mm512_add_ps(base, low), _mm512_add_ps(base, high), table, unused);
      const __mmask32 lost =
          _mm512_kunpackw(_mm512_cmp_ps_mask(high, high, _CMP_UNORD_Q), _mm512_cmp_ps_mask(low, low, _CMP_UNORD_Q));
      both = _mm512_mask_mov_epi16(both, lost, _mm512_set1_epi16(0x7fff));
      _mm512_storeu_si512(to + v * 16, _mm512_maskz_mov_epi16(static_cast<__mmask32>(seen >> (v * 16)), both));
    }
    _mm512_storeu_ps(sum, add_probabilities(_mm512_loadu_ps(sum), to));
  }
  step_output<rows, products>(s, ahead, row, page, page + 1, probabilities);
}

template <int rows, Products products>
static void step_rows(const AttentionStep& s, StepAhead& ahead, int row) {
  alignas(64) std::uint16_t probabilities[rows * kStepStride];
  // A group that waits for memory takes page by page: between keys and values nothing is asked for, and what has been
  // asked for lasts for one page's softmax and not for four.
  const int span = products != Products::int8 && s.rows <= 6 ? 1 : kStepPages;
  bool started = true;
  for (int r = 0; r < rows; ++r) started = started && s.reference[row + r] > -__builtin_inff();
  for (int page = 0; page < s.pages;) {
    int whole = page;
    while (started && whole < s.pages && s.visible[whole] == nullptr && whole - page < span) ++whole;
    if (whole > page && step_seen_whole<rows, products>(s, ahead, row, page, whole, probabilities)) {
      page = whole;
      continue;
    }
    const int last = whole > page ? whole : page + 1;
    for (; page < last; ++page) step_seen_in_part<rows, products>(s, ahead, row, page, probabilities);
    started = true;
    for (int r = 0; r < rows; ++r) started = started && s.reference[row + r] > -__builtin_inff();
  }
}

template <Products products>
TOME_INLINE void attention_step(const AttentionStep& s) {
  const int groups = (s.rows + 5) / 6;
  StepAhead ahead(s, products == Products::int8 || s.rows > 6);
  for (int group = 0; group < groups; ++group) {
    const int row = group * 6;
    switch (s.rows - row) {
      case 1:
        step_rows<1, products>(s, ahead, row);
        break;
      case 2:
        step_rows<2, products>(s, ahead, row);
        break;
      case 3:
        step_rows<3, products>(s, ahead, row);
        break;
      case 4:
        step_rows<4, products>(s, ahead, row);
        break;
      case 5:
        step_rows<5, products>(s, ahead, row);
        break;
      default:
        step_rows<6, products>(s, ahead, row);
    }
  }
}

static void attention_step_bf16(const AttentionStep& s) { attention_step<Products::bf16>(s); }
static void quantize_queries(const std::uint16_t* queries, int rows, int dims, std::int8_t* codes, float* scales,
                             std::int32_t* offsets) {
  for (int row = 0; row < rows; ++row, queries += dims, codes += dims) {
    __m512 sizes = _mm512_setzero_ps();
    __mmask16 lost = 0;
    for (int dim = 0; dim < dims; dim += 16) {
      const __m512 x = sixteen_bf16(queries + dim);
      lost |= _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
      sizes = _mm512_max_ps(sizes, _mm512_abs_ps(x));
    }
    const float largest = lost != 0 ? __builtin_nanf("") : max_lanes((f32x16)sizes);
    scales[row] = largest / 127.0f;
    const auto kept = static_cast<__mmask16>(largest <= __FLT_MAX__ ? 0xffff : 0);  // else the scale alone says so
    const __m512 inverse = _mm512_set1_ps(largest > 0.0f ? 127.0f / largest : 0.0f);
    for (int block = 0; block < dims / 32; ++block) {
      __m512i sum = _mm512_setzero_si512();
      for (int dim = block * 32; dim < block * 32 + 32; dim += 16) {
        const __m512i code = _mm512_maskz_cvtps_epi32(kept, _mm512_mul_ps(sixteen_bf16(queries + dim), inverse));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + dim), _mm512_cvtepi32_epi8(code));
        sum = _mm512_add_epi32(sum, code);
      }
      *offsets++ = -128 * _mm512_reduce_add_epi32(sum);
    }
  }
}

static void attention_step_int8(const AttentionStep& s) { attention_step<Products::int8>(s); }
static void attention_step_q8(const AttentionStep& s) { attention_step<Products::q8>(s); }
static void attention_step_f16(const AttentionStep& s) { attention_step<Products::f16>(s); }

static void fill_attention_steps(KernelTable& table) {
  table.code_input = code_input;
  table.quantize_queries = quantize_queries;
  table.attention_step_bf16 = attention_step_bf16;
  table.attention_step_int8 = attention_step_int8;
  table.attention_step_q8 = attention_step_q8;
  table.attention_step_f16 = attention_step_f16;
}
