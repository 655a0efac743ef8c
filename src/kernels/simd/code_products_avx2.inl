// Products of many rows on codes of 16 bits: vpmaddwd makes 16 products where an fp32 multiply-add makes 8. Weights of
// any type become codes of 11 bits, each 32 of them with a scale, activations codes of 16 bits: both finer than bf16.
// Included by vector_kernels.inl.

static void input_codes(const float* x, int k, std::int16_t* codes, float* scales) {
  for (int part = 0; part < k / kCodeBlock; ++part, x += kCodeBlock, codes += kCodeBlock) {
    const f32x16 first = load(x), second = load(x + 16);
    scales[part] = block_codes(first, second, sum_lanes(first + second), kMostInputCode, codes);
  }
}

static void pack_panel_codes(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                             std::byte* panel) {
  alignas(64) float values[kPackStep];
  alignas(64) std::int16_t codes[8][kPackStep];
  float* scales = reinterpret_cast<float*>(panel + static_cast<std::size_t>(k) * kPanelColumns * 2);
  for (int group = 0; group < kPanelColumns; group += 8) {
    std::byte* columns = panel + static_cast<std::size_t>(group / 16) * static_cast<std::size_t>(k) * 32 +
                         static_cast<std::size_t>(group % 16) * 4;
    for (int start = 0; start < k; start += kPackStep) {
      const int count = k - start < kPackStep ? k - start : kPackStep;
      for (int row = 0; row < 8; ++row) {
        float* scale = scales + start / kCodeBlock * kPanelColumns + group + row;
        if (group + row >= row_count) {
          __builtin_memset(codes[row], 0, sizeof codes[row]);
          for (int i = 0; i < count / kCodeBlock; ++i) scale[i * kPanelColumns] = 0.0f;
          continue;
        }
        dequantize_row(type,
                       rows + static_cast<std::size_t>(group + row) * row_stride +
                           row_bytes(type, static_cast<std::uint64_t>(start)),
                       static_cast<std::uint64_t>(count), values);
        for (int i = 0; i < count / kCodeBlock; ++i) {
          const f32x16 first = load(values + i * kCodeBlock), second = load(values + i * kCodeBlock + 16);
          scale[i * kPanelColumns] =
              block_codes(first, second, sum_lanes(first + second), kMostWeightCode, codes[row] + i * kCodeBlock);
        }
      }
      for (int i = 0; i < count; i += 16) {
        __m256i block[8];
        for (int row = 0; row < 8; ++row)
          block[row] = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes[row] + i));
        transpose8(block);
        std::byte* to = columns + static_cast<std::size_t>(start + i) * 32;
        for (int pair = 0; pair < 8; ++pair, to += 64) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), block[pair]);
      }
    }
  }
}

template <int number>
struct Count {
  static constexpr int value = number;
};

/// k at a time: 16 columns of it stay in the first cache while all rows pass.
constexpr int kCodeStep = 512;

/// c[r][0 … 16) += blocks of 32 along k. Whole numbers in registers, in assembly, in this order (GCC 12 takes all loads
/// first and spills sums for them); fp32 sums in c.
template <int rows>
TOME_ALONE void code_block(const std::int16_t* a, std::size_t a_stride, const float* a_scales, std::size_t scale_stride,
                           const std::byte* b, const float* b_scales, int blocks, float* c, std::size_t c_stride,
                           bool start) {
  alignas(32) __m256 sums[rows][2];
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < 2; ++v)
      sums[r][v] = start ? _mm256_setzero_ps() : _mm256_loadu_ps(c + static_cast<std::size_t>(r) * c_stride + v * 8);
#pragma GCC unroll 1
  for (int block = 0; block < blocks; ++block, b_scales += kPanelColumns) {
    __m256i total[rows][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) total[r][0] = total[r][1] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int pair = 0; pair < kCodeBlock / 2; ++pair, b += 64, a += 2) {
      const __m256i first = bytes32(b), second = bytes32(b + 32);
#pragma GCC unroll 6
      for (int r = 0; r < rows; ++r) {
        __m256i x, product;
        __asm__ volatile(
            "vpbroadcastd %[a], %[x]\n\t"
            "vpmaddwd %[first], %[x], %[product]\n\t"
            "vpaddd %[product], %[low], %[low]\n\t"
            "vpmaddwd %[second], %[x], %[x]\n\t"
            "vpaddd %[x], %[high], %[high]"
            : [low] "+x"(total[r][0]), [high] "+x"(total[r][1]), [x] "=&x"(x), [product] "=&x"(product)
            : [a] "m"(*reinterpret_cast<const std::int32_t*>(a + static_cast<std::size_t>(r) * a_stride)),
              [first] "x"(first), [second] "x"(second));
      }
    }
    const __m256 low = _mm256_loadu_ps(b_scales), high = _mm256_loadu_ps(b_scales + 8);
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
      const __m256 scale = _mm256_set1_ps(a_scales[static_cast<std::size_t>(r) * scale_stride + block]);
      sums[r][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total[r][0]), _mm256_mul_ps(scale, low), sums[r][0]);
      sums[r][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total[r][1]), _mm256_mul_ps(scale, high), sums[r][1]);
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < 2; ++v) _mm256_storeu_ps(c + static_cast<std::size_t>(r) * c_stride + v * 8, sums[r][v]);
}

static void panel_product_codes(const CodeProduct& p) {
  const auto* scales = reinterpret_cast<const float*>(p.panel + static_cast<std::size_t>(p.k) * kPanelColumns * 2);
  const auto k_all = static_cast<std::size_t>(p.k);
  for (int column = 0; column < kPanelColumns; column += 16)
    for (int k = 0; k < p.k; k += kCodeStep) {
      const int blocks = (p.k - k < kCodeStep ? p.k - k : kCodeStep) / kCodeBlock;
      const std::byte* b = p.panel + static_cast<std::size_t>(column) * k_all * 2 + static_cast<std::size_t>(k) * 32;
      const float* b_scales = scales + k / kCodeBlock * kPanelColumns + column;
      const auto run = [&](auto rows, int row) __attribute__((always_inline)) {
        code_block<decltype(rows)::value>(
            p.a + static_cast<std::size_t>(row) * k_all + k, k_all,
            p.a_scales + static_cast<std::size_t>(row) * (k_all / kCodeBlock) + k / kCodeBlock, k_all / kCodeBlock, b,
            b_scales, blocks, p.c + static_cast<std::size_t>(row) * p.c_stride + column, p.c_stride, k == 0);
      };
      int row = 0;
      for (; row + 6 <= p.rows; row += 6) run(Count<6>{}, row);
      for (; row + 3 <= p.rows; row += 3) run(Count<3>{}, row);
      for (; row < p.rows; ++row) run(Count<1>{}, row);
    }
}
