// Scores and outputs of few query rows from q8_0 pages as they lie there (cache/kv_page.h): codes become fp32 on their
// way, a key's scale meets the sum of 32 dimensions, a value's scale its probability. For many rows a page is unpacked
// once instead. Included by bf16_in_f32.inl.

/// scores[r][0 … 16) = Σ_block scale · Σ queries · (code − 128) − reference[r] for 16 keys.
template <int rows, bool fetches>
TOME_ALONE void q8_score_columns(const float* queries, std::size_t stride, int blocks, const std::byte* codes,
                                 const std::byte* scales, const std::byte* ahead, const float* reference,
                                 float* scores) {
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < 2; ++v)
      store_register(scores + static_cast<std::size_t>(r) * kStepKeys + v * 8, all_of(-reference[r]));
  const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 1
  for (int block = 0; block < blocks; ++block, scales += kPanelColumns * 2) {
    __m256 total[rows][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) total[r][0] = total[r][1] = _mm256_setzero_ps();
#pragma GCC unroll 1
    for (int quad = 0; quad < 8; ++quad, codes += 4 * kPanelColumns, queries += 4) {
      const __m256i first = _mm256_xor_si256(bytes32(codes), sign),
                    second = _mm256_xor_si256(bytes32(codes + 32), sign);
      if constexpr (fetches) {
#pragma GCC unroll 4
        for (int line = 0; line < 4; ++line)
          _mm_prefetch(reinterpret_cast<const char*>(ahead + line * 64), _MM_HINT_T0);
        ahead += 4 * kPanelColumns;
      }
#pragma GCC unroll 4
      for (int dim = 0; dim < 4; ++dim) {
        const __m256 columns[2] = {_mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(first, 24 - 8 * dim), 24)),
                                   _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(second, 24 - 8 * dim), 24))};
        multiply_add_rows<rows, 2>(total, queries + dim, stride, columns);
      }
    }
    const __m256 low = _mm256_cvtph_ps(bytes16(scales)), high = _mm256_cvtph_ps(bytes16(scales + 16));
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
      float* to = scores + static_cast<std::size_t>(r) * kStepKeys;
      store_register(to, _mm256_fmadd_ps(total[r][0], low, load_register(to)));
      store_register(to + 8, _mm256_fmadd_ps(total[r][1], high, load_register(to + 8)));
    }
  }
}

template <int rows>
TOME_INLINE void q8_scores(const AttentionStep& s, const float* queries, std::size_t stride, int page,
                           const std::byte* ahead, const float* reference, float* scores) {
  const std::byte* scales = s.keys_8[page] + s.dims * kPanelColumns;
  q8_score_columns<rows, true>(queries, stride, s.dims / 32, s.keys_8[page], scales, ahead, reference, scores);
  for (int column = 16; column < kPanelColumns; column += 16)
    q8_score_columns<rows, false>(queries, stride, s.dims / 32, s.keys_8[page] + column * 4, scales + column * 2,
                                  nullptr, reference, scores + column);
}

constexpr std::size_t kQ8PanelCodes = static_cast<std::size_t>(kPanelColumns) * kPanelColumns;
constexpr std::size_t kQ8PanelBytes = kQ8PanelCodes + kPanelColumns * 4;  ///< with scales

/// output[r][0 … 16) += Σ_key weights[r][key][half] · code for 16 dimensions of one panel.
template <int rows, bool fetches>
TOME_ALONE void q8_output_columns(const float* weights, const std::byte* codes, const std::byte* ahead, float* output,
                                  std::size_t columns) {
  __m256 total[rows][2];
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < 2; ++v) total[r][v] = load_register(output + static_cast<std::size_t>(r) * columns + v * 8);
#pragma GCC unroll 1
  for (int pair = 0; pair < kPanelColumns / 2; ++pair, codes += 128, weights += 4) {
    if constexpr (fetches) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(ahead + 64), _MM_HINT_T0);
      ahead += 128;
    }
#pragma GCC unroll 2
    for (int key = 0; key < 2; ++key) {
      const f32x16 values = to_float(signed_bytes(codes + key * 16));
      const __m256 both[2] = {values.low, values.high};
      multiply_add_rows<rows, 2>(total, weights + key * 2, 2 * kPanelColumns, both);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < 2; ++v) store_register(output + static_cast<std::size_t>(r) * columns + v * 8, total[r][v]);
}

template <int rows>
TOME_INLINE void q8_output(const AttentionStep& s, int row, int first, int last, const float* probabilities) {
  const std::size_t columns = static_cast<std::size_t>(s.value_panels) * kPanelColumns;
  alignas(64) float scales[2 * kPanelColumns];         // [key][half]
  alignas(64) float weights[rows][2 * kPanelColumns];  // probability · scale
  for (int panel = 0; panel < s.value_panels; ++panel)
    for (int page = first; page < last; ++page) {
      const std::byte* codes = s.values_8[page] + static_cast<std::size_t>(panel) * kQ8PanelBytes;
      for (int i = 0; i < 2 * kPanelColumns; i += 16) store(scales + i, half_lanes(codes + kQ8PanelCodes + i * 2));
      for (int r = 0; r < rows; ++r)
        for (int key = 0; key < kPanelColumns; key += 8) {
          const __m256 p =
              load_register(probabilities + static_cast<std::size_t>(r) * kStepKeys + page * kPanelColumns + key);
          const __m256 low = _mm256_unpacklo_ps(p, p), high = _mm256_unpackhi_ps(p, p);
          store_register(weights[r] + key * 2,
                         _mm256_mul_ps(_mm256_permute2f128_ps(low, high, 0x20), load_register(scales + key * 2)));
          store_register(weights[r] + key * 2 + 8,
                         _mm256_mul_ps(_mm256_permute2f128_ps(low, high, 0x31), load_register(scales + key * 2 + 8)));
        }
      float* to = s.output + static_cast<std::size_t>(row) * columns + panel * kPanelColumns;
      const std::byte* ahead = page + 1 < last ? s.values_8[page + 1] + static_cast<std::size_t>(panel) * kQ8PanelBytes
                               : panel + 1 < s.value_panels
                                   ? s.values_8[first] + static_cast<std::size_t>(panel + 1) * kQ8PanelBytes
                               : s.pages_ahead > 0 ? s.keys_ahead[0]
                                                   : codes;
      q8_output_columns<rows, true>(weights[0], codes, ahead, to, columns);
      for (int group = 1; group < 4; ++group)
        q8_output_columns<rows, false>(weights[0] + group / 2, codes + group * 32, nullptr, to + group * 16, columns);
    }
}
