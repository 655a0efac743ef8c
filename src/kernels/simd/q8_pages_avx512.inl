// Scores and outputs of few query rows from q8_0 pages as they lie there (cache/kv_page.h), by 8-bit products: queries
// (coded_input_avx512.inl), and probabilities times a value's scale, are 16-bit codes, multiplied as two bytes each.
// That is finer than bf16, and no code is ever widened. For many rows a page is unpacked once instead. Included by
// attention_step.inl.

/// Scores of rows [row + first, row + first + rows) against a page of 8-bit keys, 32 keys at a time.
template <int rows, ScoreForm form>
TOME_ALONE bool score_page_q8(const AttentionStep& s, int row, int first, int page, const float* reference,
                              float* scores, std::uint16_t* probabilities, const std::byte* later) {
  bool in_range = true;
  const int blocks = s.dims / 32;
  const auto each = static_cast<std::ptrdiff_t>(coded_input_bytes(s.dims));
  const CodedInput queries(s.coded_queries + (row + first) * each, s.dims);
  for (int half = 0; half < 2; ++half) {
    const std::byte* keys = s.keys_8[page] + half * 128;
    const std::byte* keys_later = later + half * s.dims * kPanelColumns / 2;  // one after the other, as memory likes it
    const std::byte* scales_later = later + static_cast<std::size_t>(s.dims) * kPanelColumns + half * 64;
    const std::byte* key_scales = s.keys_8[page] + s.dims * kPanelColumns + half * 64;
    __m512 sums[rows][2];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) sums[r][0] = sums[r][1] = _mm512_set1_ps(-reference[first + r]);
#pragma GCC unroll 1
    for (int block = 0; block < blocks; ++block, key_scales += kPanelColumns * 2) {
      __m512i high[rows][2], low[rows][2];
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) {
        high[r][0] = high[r][1] = _mm512_setzero_si512();
        low[r][0] = low[r][1] =
            _mm512_set1_epi32(-128 * static_cast<int>(word_at(queries.code_sums + r * each + block * 4)));
      }
      bring_line(scales_later);
      scales_later += 128;
#pragma GCC unroll 1
      for (int dim = block * 32; dim < block * 32 + 32; dim += 4, keys += 4 * kPanelColumns) {
        const __m512i columns[2] = {_mm512_loadu_si512(keys), _mm512_loadu_si512(keys + 64)};
        bring_line(keys_later);
        bring_line(keys_later + 64);
        keys_later += 128;
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) {
          const __m512i upper = four_bytes(queries.high + r * each + dim),
                        lower = four_bytes(queries.low + r * each + dim);
#pragma GCC unroll 2
          for (int v = 0; v < 2; ++v) {
            dot_u8s8(high[r][v], columns[v], upper);
            dot_u8s8(low[r][v], columns[v], lower);
          }
        }
      }
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const __m512 scale = sixteen_halves(key_scales + v * 32);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) {
          const __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(high[r][v], 8), low[r][v]));
          sums[r][v] = _mm512_fmadd_ps(_mm512_mul_ps(sum, (__m512)four_bytes(queries.scales + r * each + block * 4)),
                                       scale, sums[r][v]);
        }
      }
    }
    if constexpr (form == ScoreForm::probabilities) {
      add_exp2_base(sums);
      in_range &= store_exponentials<rows, 2, 0>(
          sums, probabilities + static_cast<std::size_t>(first) * kStepStride + half * 32, nullptr);
    } else {
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v)
          _mm512_store_ps(scores + (first + r) * kPanelColumns + half * 32 + v * 16, sums[r][v]);
    }
  }
  return in_range;
}

constexpr std::size_t kQ8PanelCodes = static_cast<std::size_t>(kPanelColumns) * kPanelColumns;
constexpr std::size_t kQ8PanelBytes = kQ8PanelCodes + kPanelColumns * 4;  ///< with scales

/// A page's probabilities in fp32, and the largest of each row.
template <int rows>
struct Q8Probabilities {
  alignas(64) float of_keys[rows][kPanelColumns];
  float largest[rows];

  explicit Q8Probabilities(const std::uint16_t* probabilities) {
    for (int r = 0; r < rows; ++r, probabilities += kStepStride) {
      __m512 p[4];
      for (int v = 0; v < 4; ++v) {
        p[v] = sixteen_bf16(probabilities + v * 16);
        _mm512_store_ps(of_keys[r] + v * 16, p[v]);
      }
      largest[r] = max_lanes((f32x16)_mm512_max_ps(_mm512_max_ps(p[0], p[1]), _mm512_max_ps(p[2], p[3])));
    }
  }
};

/// The scales of 32 dimensions of a page's values, and the largest.
struct Q8ValueScales {
  __m512 of_keys[4];
  float largest;
};

/// Probabilities times the scales of their values, as (256 · high + low) · scale. The largest of both bound them.
template <int rows>
struct Q8Weights {
  alignas(64) std::uint8_t high[rows][kPanelColumns];
  alignas(64) std::uint8_t low[rows][kPanelColumns];
  float scales[rows];

  Q8Weights(const Q8Probabilities<rows>& probabilities, const Q8ValueScales& values) {
    // Packing works in quarters: the quarters of four registers lie side by side.
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i bytes = _mm512_set1_epi16(255);
    for (int r = 0; r < rows; ++r) {
      const float largest = probabilities.largest[r] * values.largest;
      scales[r] = largest / 65535.0f;
      const __m512 inverse = _mm512_set1_ps(largest > 0.0f ? 65535.0f / largest : 0.0f);
      __m512i codes[4];
      for (int v = 0; v < 4; ++v)
        codes[v] = _mm512_cvtps_epi32(_mm512_mul_ps(
            _mm512_mul_ps(_mm512_load_ps(probabilities.of_keys[r] + v * 16), values.of_keys[v]), inverse));
      const __m512i first = _mm512_packus_epi32(codes[0], codes[1]), second = _mm512_packus_epi32(codes[2], codes[3]);
      const __m512i upper = _mm512_packus_epi16(_mm512_srli_epi16(first, 8), _mm512_srli_epi16(second, 8)),
                    lower = _mm512_packus_epi16(_mm512_and_si512(first, bytes), _mm512_and_si512(second, bytes));
      _mm512_store_si512(high[r], _mm512_permutexvar_epi32(order, upper));
      _mm512_store_si512(low[r], _mm512_permutexvar_epi32(order, lower));
    }
  }
};

/// Of two pairs of keys ([key 0, key 1] of 16 bytes each, twice), 16 dimensions' codes of the four keys side by side.
struct Q8Order {
  alignas(64) std::uint8_t bytes[2][64] = {};
  constexpr Q8Order() {
    for (int half = 0; half < 2; ++half)
      for (int dim = 0; dim < 16; ++dim)
        for (int key = 0; key < 4; ++key)
          bytes[half][dim * 4 + key] = static_cast<std::uint8_t>(key / 2 * 64 + half * 32 + key % 2 * 16 + dim);
  }
};
static constexpr Q8Order kQ8Order;

/// output[r][0 … 32) += Σ_key weights[r][key] · code for half a panel. codes: of its first key pair.
template <int rows, int all_rows>
TOME_ALONE void q8_output_columns(const Q8Weights<all_rows>& weights, int first, const std::byte* codes,
                                  const std::byte* later, float* output, std::size_t columns) {
  const __m512i order[2] = {_mm512_load_si512(kQ8Order.bytes[0]), _mm512_load_si512(kQ8Order.bytes[1])};
  __m512i high[rows][2], low[rows][2];
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) high[r][0] = high[r][1] = low[r][0] = low[r][1] = _mm512_setzero_si512();
#pragma GCC unroll 1
  for (int key = 0; key < kPanelColumns; key += 4, codes += 256, later += 128) {
    const __m512i pairs[2] = {_mm512_loadu_si512(codes), _mm512_loadu_si512(codes + 128)};
    bring_line(later);
    bring_line(later + 64);
    const __m512i values[2] = {_mm512_permutex2var_epi8(pairs[0], order[0], pairs[1]),
                               _mm512_permutex2var_epi8(pairs[0], order[1], pairs[1])};
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const __m512i upper = four_bytes(weights.high[first + r] + key), lower = four_bytes(weights.low[first + r] + key);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        dot_u8s8(high[r][v], upper, values[v]);
        dot_u8s8(low[r][v], lower, values[v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      float* to = output + static_cast<std::size_t>(first + r) * columns + v * 16;
      const __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(high[r][v], 8), low[r][v]));
      _mm512_storeu_ps(to, _mm512_fmadd_ps(sum, _mm512_set1_ps(weights.scales[first + r]), _mm512_loadu_ps(to)));
    }
}

/// output += probabilities · values of pages [first, last).
template <int rows>
TOME_INLINE void q8_output(const AttentionStep& s, StepAhead& ahead, int row, int first, int last,
                           const std::uint16_t* probabilities) {
  const std::size_t columns = static_cast<std::size_t>(s.value_panels) * kPanelColumns;
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0),
                odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  for (int page = first; page < last; ++page) {
    const Q8Probabilities<rows> page_probabilities(probabilities + page * kPanelColumns);
    const std::byte* after = ahead.beside_stored_values(page);
    for (int panel = 0; panel < s.value_panels; ++panel) {
      const std::size_t offset = static_cast<std::size_t>(panel) * kQ8PanelBytes;
      const std::byte *codes = s.values_8[page] + offset, *later = after + offset;
      Q8ValueScales scales[2];
      for (int v = 0; v < 4; ++v) {
        const std::size_t at = kQ8PanelCodes + static_cast<std::size_t>(v) * 64;
        bring_line(later + at);
        const __m512 low = sixteen_halves(codes + at), high = sixteen_halves(codes + at + 32);
        scales[0].of_keys[v] = _mm512_permutex2var_ps(low, even, high);
        scales[1].of_keys[v] = _mm512_permutex2var_ps(low, odd, high);
      }
      for (Q8ValueScales& half : scales)
        half.largest = max_lanes((f32x16)_mm512_max_ps(_mm512_max_ps(half.of_keys[0], half.of_keys[1]),
                                                       _mm512_max_ps(half.of_keys[2], half.of_keys[3])));
      // Both before the products, which would hide neither from the other: they are long chains.
      const Q8Weights<rows> weights[2] = {{page_probabilities, scales[0]}, {page_probabilities, scales[1]}};
      for (int half = 0; half < 2; ++half) {
        float* output = s.output + static_cast<std::size_t>(row) * columns + panel * kPanelColumns + half * 32;
        q8_output_columns<(rows > 4 ? 3 : rows)>(weights[half], 0, codes + half * 64, later + half * 2048, output,
                                                 columns);
        if constexpr (rows > 4)
          q8_output_columns<rows - 3>(weights[half], 3, codes + half * 64, later + half * 2048, output, columns);
      }
    }
  }
}
