// Dot products of interleaved rows (tensor/interleaved_rows.h) by 8-bit products (VNNI): 16 rows at a time, a lane a
// row, every line read once and in order. The input is coded once a product. Included by
// vector_kernels_avx512bf16.cpp.

/// Where an interleaved block's parts lie.
template <DType type>
struct InterleavedBlock {
  using Layout = CodeLayout<type>;
  static constexpr int minimum = 32;  ///< if there is one
  static constexpr int bits = Layout::minimum != 0 ? 64 : 32;
  static constexpr int weights = bits + (Layout::bits != 0 ? 64 : 0);
  static constexpr int bytes = Layout::bytes * 16;
  static constexpr bool nibbles = type != DType::q8_0;
};

/// Adds 16 to the weights 4 w … 4 w + 3 of each row whose fifth bit is set.
TOME_INLINE __m512i with_fifth_bits(__m512i weights, __m512i bits, int word) {
  const __m512i byte =
      _mm512_shuffle_epi8(bits, _mm512_add_epi8(_mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0),
                                                _mm512_set1_epi8(static_cast<char>(word / 2))));
  const __mmask64 set = _mm512_test_epi8_mask(byte, _mm512_set1_epi32(word % 2 == 0 ? 0x08040201 : 0x80402010));
  return _mm512_mask_add_epi8(weights, set, weights, _mm512_set1_epi8(16));
}

/// take(weights, word) for each word of a block: the stored codes 4 word … 4 word + 3 of 16 rows, as unsigned bytes.
template <DType type, class Take>
TOME_INLINE void for_each_word(const std::byte* block, const Take& take) {
  using Layout = CodeLayout<type>;
  using Block = InterleavedBlock<type>;
  if constexpr (Block::nibbles) {
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512i bits;
    if constexpr (Layout::bits != 0) bits = _mm512_loadu_si512(block + Block::bits);
#pragma GCC unroll 4
    for (int word = 0; word < 4; ++word) {
      const __m512i both = _mm512_loadu_si512(block + Block::weights + word * 64);
      __m512i first = _mm512_and_si512(both, nibble), second = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
      if constexpr (Layout::bits != 0) {
        first = with_fifth_bits(first, bits, word);
        second = with_fifth_bits(second, bits, word + 4);
      }
      take(first, word);
      take(second, word + 4);
    }
  } else {
#pragma GCC unroll 8
    for (int word = 0; word < 8; ++word)
      take(_mm512_xor_si512(_mm512_loadu_si512(block + Block::weights + word * 64), _mm512_set1_epi8(-128)), word);
  }
}

TOME_INLINE __m512 in_all_lanes(const std::byte* value) { return (__m512)four_bytes(value); }

/// Where lines are asked for, ahead of what is read.
class LinesAhead {
 public:
  LinesAhead(const InterleavedDots& dots, std::size_t bytes)
      : at_(address(dots.groups) + static_cast<std::uintptr_t>(dots.asked_ahead)),
        end_(dots.after == nullptr ? ~std::uintptr_t{0} : address(dots.groups) + bytes),
        jump_(address(dots.after) - end_) {}
  template <int bytes>
  __attribute__((always_inline)) void ask() {
    if (at_ >= end_) {
      at_ += jump_;
      end_ = ~std::uintptr_t{0};
    }
#pragma GCC unroll 16
    for (int line = 0; line < bytes; line += 64) ask_for_line(reinterpret_cast<const std::byte*>(at_) + line);
    at_ += bytes;
  }

 private:
  static std::uintptr_t address(const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at); }
  std::uintptr_t at_, end_, jump_;
};

/// 16 outputs of one input; `asks`: for lines, too.
template <DType type, bool asks>
TOME_INLINE __m512 interleaved_dot(const std::byte* block, int blocks, const CodedInput& input, LinesAhead& ahead) {
  using Layout = CodeLayout<type>;
  using Block = InterleavedBlock<type>;
  __m512 total = _mm512_setzero_ps();
#pragma GCC unroll 1
  for (int number = 0; number < blocks; ++number, block += Block::bytes) {
    if constexpr (asks) ahead.ask<Block::bytes>();
    const std::byte *high_codes = input.high + number * 32, *low_codes = input.low + number * 32;
    // Two chains each, so that the products of a block need not wait for each other.
    __m512i high[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, low[2] = {high[0], high[0]};
    if constexpr (Layout::offset != 0)
      low[0] = _mm512_set1_epi32(-Layout::offset * static_cast<int>(word_at(input.code_sums + number * 4)));
    for_each_word<type>(
        block, [&](__m512i weights, int word) __attribute__((always_inline)) {
          const int chain = Block::nibbles ? word / 4 : word % 2;
          dot_u8s8(high[chain], weights, four_bytes(high_codes + word * 4));
          dot_u8s8(low[chain], weights, four_bytes(low_codes + word * 4));
        });
    const __m512i codes =
        _mm512_add_epi32(_mm512_slli_epi32(_mm512_add_epi32(high[0], high[1]), 8), _mm512_add_epi32(low[0], low[1]));
    const __m512 scale = _mm512_mul_ps(sixteen_halves(block), in_all_lanes(input.scales + number * 4));
    total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(codes), scale, total);
    if constexpr (Layout::minimum != 0)
      total = _mm512_fmadd_ps(sixteen_halves(block + Block::minimum), in_all_lanes(input.sums + number * 4), total);
  }
  return total;
}

#include "kernels/simd/interleaved_k_dots_avx512.inl"

template <DType type, bool asks>
TOME_INLINE __m512 interleaved_row_dot(const std::byte* group, const CodedInput& input, int k, LinesAhead& ahead) {
  if constexpr (kSuperBlocks<type>)
    return interleaved_super_dot<type, asks>(group, k / 256, input, ahead);
  else
    return interleaved_dot<type, asks>(group, k / 32, input, ahead);
}

template <DType type>
static void interleaved_dots_of(const InterleavedDots& dots) {
  const std::size_t group_bytes = 16 * row_bytes(type, static_cast<std::uint64_t>(dots.k));
  LinesAhead ahead(dots, static_cast<std::size_t>(dots.group_count) * group_bytes);
  for (int group = 0; group < dots.group_count; ++group) {
    const std::byte* at = dots.groups + static_cast<std::size_t>(group) * group_bytes;
    for (int vector = 0; vector < dots.vectors; ++vector) {
      const CodedInput input(dots.inputs + static_cast<std::size_t>(vector) * coded_input_bytes(dots.k), dots.k);
      const __m512 total = vector == 0 ? interleaved_row_dot<type, true>(at, input, dots.k, ahead)
                                       : interleaved_row_dot<type, false>(at, input, dots.k, ahead);
      _mm512_storeu_ps(dots.out + static_cast<std::size_t>(vector) * dots.out_stride + group * 16, total);
    }
  }
}

/// Columns 4 word … 4 word + 3 of 16 rows, from codes in bytes, to a panel.
template <class Value>
TOME_INLINE void pack_word(__m512i codes, int word, std::uint16_t* panel, const Value& value) {
  for (int pair = 0; pair < 2; ++pair)
    _mm512_storeu_si512(panel + (word * 2 + pair) * 2 * kPanelColumns,
                        interleaved_bf16(value(codes, pair * 2), value(codes, pair * 2 + 1)));
}

/// The values of 16 rows at one column each step, in the arithmetic of dequantize_row.
template <DType type>
static void pack_interleaved_of(const std::byte* groups, int group_count, int k, std::uint16_t* panel) {
  using Layout = CodeLayout<type>;
  using Block = InterleavedBlock<type>;
  for (int group = 0; group < kPanelColumns / 16; ++group, panel += 32) {
    std::uint16_t* to = panel;
    if (group >= group_count) {
      for (int pair = 0; pair < k / 2; ++pair) _mm512_storeu_si512(to + pair * 2 * kPanelColumns, __m512i{});
      continue;
    }
    if constexpr (kSuperBlocks<type>) {
      for (int number = 0; number < k / 256; ++number, groups += SuperBlock<type>::bytes, to += 256 * kPanelColumns)
        pack_super_block<type>(groups, to);
      continue;
    } else
      for (int number = 0; number < k / 32; ++number, groups += Block::bytes, to += 32 * kPanelColumns) {
        const __m512 scale = sixteen_halves(groups);
        __m512 least = _mm512_setzero_ps();
        if constexpr (Layout::minimum != 0) least = sixteen_halves(groups + Block::minimum);
        const auto value = [&](__m512i word, int byte) __attribute__((always_inline)) {
          const __m512i code = _mm512_and_si512(_mm512_srli_epi32(word, byte * 8), _mm512_set1_epi32(255));
          const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(code, _mm512_set1_epi32(Layout::offset)));
          return Layout::minimum != 0 ? _mm512_fmadd_ps(whole, scale, least) : _mm512_mul_ps(whole, scale);
        };
        for_each_word<type>(
            groups, [&](__m512i weights, int word)
                        __attribute__((always_inline)) { pack_word(weights, word, to, value); });
      }
  }
}

#define TOME_FOR_EACH_INTERLEAVED_TYPE(CASE) \
  CASE(q4_0) CASE(q4_1) CASE(q5_0) CASE(q5_1) CASE(q8_0) CASE(q4_k) CASE(q5_k) CASE(q6_k)

static void interleaved_dots(const InterleavedDots& dots) {
  switch (dots.type) {
#define CASE(name)  \
  case DType::name: \
    return interleaved_dots_of<DType::name>(dots);
    TOME_FOR_EACH_INTERLEAVED_TYPE(CASE)
#undef CASE
    default:
      __builtin_trap();
  }
}

static void pack_interleaved_bf16(DType type, const std::byte* groups, int group_count, int k, std::uint16_t* panel) {
  switch (type) {
#define CASE(name)  \
  case DType::name: \
    return pack_interleaved_of<DType::name>(groups, group_count, k, panel);
    TOME_FOR_EACH_INTERLEAVED_TYPE(CASE)
#undef CASE
    default:
      __builtin_trap();
  }
}
