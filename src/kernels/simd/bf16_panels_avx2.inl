// bf16 panels made with AVX2: from weights, and from pages of f16, q8_0 and q4_0. Included by vector_kernels.inl;
// machines with AVX-512 but without its BF16 instructions take these too.

/// Two registers of fp32 as pairs of bf16: (first[0], second[0]), (first[1], second[1]) …
TOME_INLINE __m256i interleaved_bf16(__m256 first, __m256 second) {
  return _mm256_blend_epi16(_mm256_srli_epi32(bf16_rounded(first), 16), bf16_rounded(second), 0xaa);
}

/// Turns 8 rows of 8 32-bit units into 8 columns.
TOME_INLINE void transpose8(__m256i (&r)[8]) {
  __m256i t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  __m256i u[8];
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
  }
}

static void pack_panel_bf16(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                            std::uint16_t* panel) {
  if (k % 32 != 0) return reference::pack_panel_bf16(type, rows, row_stride, row_count, k, panel);
  alignas(64) float values[kPackStep];
  alignas(64) std::uint16_t halves[8][kPackStep];
  for (int group = 0; group < kPanelColumns; group += 8) {
    for (int start = 0; start < k; start += kPackStep) {
      const int count = k - start < kPackStep ? k - start : kPackStep;
      for (int row = 0; row < 8; ++row) {
        if (group + row >= row_count) {
          __builtin_memset(halves[row], 0, sizeof halves[row]);
          continue;
        }
        dequantize_row(type,
                       rows + static_cast<std::size_t>(group + row) * row_stride +
                           row_bytes(type, static_cast<std::uint64_t>(start)),
                       static_cast<std::uint64_t>(count), values);
        for (int i = 0; i < count; i += 16) store_bf16(halves[row] + i, load(values + i));
      }
      for (int i = 0; i < count; i += 16) {
        __m256i block[8];
        for (int row = 0; row < 8; ++row)
          block[row] = _mm256_load_si256(reinterpret_cast<const __m256i*>(halves[row] + i));
        transpose8(block);
        std::uint16_t* to = panel + (static_cast<std::size_t>(start + i) / 2 * kPanelColumns + group) * 2;
        for (int pair = 0; pair < 8; ++pair, to += 2 * kPanelColumns)
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), block[pair]);
      }
    }
  }
}

static void f16_to_bf16(const std::uint16_t* x, std::size_t count, std::uint16_t* y) {
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) store_bf16(y + i, half_lanes(reinterpret_cast<const std::byte*>(x + i)));
  reference::f16_to_bf16(x + i, count - i, y + i);
}

static void unpack_q8_keys(const std::byte* keys, int dims, std::uint16_t* panel) {
  const std::byte* scales = keys + static_cast<std::size_t>(dims) * kPanelColumns;
  for (int block = 0; block < dims / 32; ++block) {
    for (int group = 0; group < kPanelColumns; group += 8) {
      const __m256 scale = _mm256_cvtph_ps(bytes16(scales + (block * kPanelColumns + group) * 2));
      for (int quad = block * 8; quad < block * 8 + 8; ++quad) {
        const __m256i codes = _mm256_xor_si256(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(keys + (quad * kPanelColumns + group) * 4)),
            _mm256_set1_epi8(static_cast<char>(0x80)));
        const auto scaled = [&](__m256i dim) __attribute__((always_inline)) {
          return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srai_epi32(dim, 24)), scale);
        };
        std::uint16_t* to = panel + (quad * 2 * kPanelColumns + group) * 2;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), interleaved_bf16(scaled(_mm256_slli_epi32(codes, 24)),
                                                                             scaled(_mm256_slli_epi32(codes, 16))));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 2 * kPanelColumns),
                            interleaved_bf16(scaled(_mm256_slli_epi32(codes, 8)), scaled(codes)));
      }
    }
  }
}

static void unpack_q8_values(const std::byte* values, std::uint16_t* panel) {
  alignas(64) float scales[kPanelColumns * 2];
  for (int i = 0; i < kPanelColumns * 2; i += 8)
    _mm256_store_ps(scales + i, _mm256_cvtph_ps(bytes16(values + kPanelColumns * kPanelColumns + i * 2)));
  for (int pair = 0; pair < kPanelColumns / 2; ++pair) {
    for (int group = 0; group < 4; ++group, values += 32, panel += 32) {
      const f32x16 first = to_float(signed_bytes(values)) * splat(scales[pair * 4 + group / 2]),
                   second = to_float(signed_bytes(values + 16)) * splat(scales[pair * 4 + 2 + group / 2]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(panel), interleaved_bf16(first.low, second.low));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(panel + 16), interleaved_bf16(first.high, second.high));
    }
  }
}

static void unpack_q4_keys(const std::byte* keys, int dims, std::uint16_t* panel) {
  const std::byte* scales = keys + static_cast<std::size_t>(dims) * (kPanelColumns / 2);
  for (int block = 0; block < dims / 32; ++block)
    for (int group = 0; group < kPanelColumns; group += 8) {
      const __m256 scale = _mm256_cvtph_ps(bytes16(scales + (block * kPanelColumns + group) * 2));
      for (int quad = block * 8; quad < block * 8 + 8; ++quad) {
        const __m256i codes = _mm256_cvtepu16_epi32(bytes16(keys + (quad * kPanelColumns + group) * 2));
        const auto scaled = [&](int dim) __attribute__((always_inline)) {
          const __m256i code = _mm256_and_si256(_mm256_srli_epi32(codes, dim * 4), _mm256_set1_epi32(15));
          return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(code, _mm256_set1_epi32(8))), scale);
        };
        std::uint16_t* to = panel + (quad * 2 * kPanelColumns + group) * 2;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), interleaved_bf16(scaled(0), scaled(1)));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 2 * kPanelColumns), interleaved_bf16(scaled(2), scaled(3)));
      }
    }
}

static void unpack_q4_values(const std::byte* values, std::uint16_t* panel) {
  alignas(64) float scales[kPanelColumns * 2];
  for (int i = 0; i < kPanelColumns * 2; i += 8)
    _mm256_store_ps(scales + i, _mm256_cvtph_ps(bytes16(values + kPanelColumns * kPanelColumns / 2 + i * 2)));
  const auto codes = [](const std::byte* from) __attribute__((always_inline)) {
    const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    return to_float(i32x16{_mm256_and_si256(bytes, _mm256_set1_epi32(15)), _mm256_srli_epi32(bytes, 4)} - 8);
  };
  for (int pair = 0; pair < kPanelColumns / 2; ++pair)
    for (int group = 0; group < 4; ++group, values += 16, panel += 32) {
      const f32x16 first = codes(values) * splat(scales[pair * 4 + group / 2]),
                   second = codes(values + 8) * splat(scales[pair * 4 + 2 + group / 2]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(panel), interleaved_bf16(first.low, second.low));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(panel + 16), interleaved_bf16(first.high, second.high));
    }
}
