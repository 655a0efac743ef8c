#pragma once
// Every kernel that has more than one implementation, as one table of entry points per instruction set. Kernels are
// stateless functions over spans; each has a plain-loop twin of the same name in kernels/reference/. Rooms above call
// kernels() and never name an instruction set. The table is chosen once from active_isa().
//
// Panel: 64 output columns of a matrix, laid out as the products read it.
//   bf16 panel: [k / 2][64][2] bf16 (pairs along k, as vdpbf16ps wants them; others widen them).
//   f32 panel: [k][64] f32.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu_features.h"
#include "tensor/dtype.h"

namespace tome::kernels {

inline constexpr int kPanelColumns = 64;

enum class Accumulate { no, yes };

/// c[row][0 … 64) (+)= Σ_panels Σ_k a[row][panel · k_each + k] · panel[k][column]. fp32 accumulators, k ascending: the
/// result of a row does not depend on the other rows.
template <class Element>
struct PanelProduct {
  const Element* a;  ///< [rows, panel_count · k_each], row stride `a_stride` elements
  std::size_t a_stride;
  const Element* const* panels;  ///< panel_count panels of k_each × 64
  int panel_count;
  int k_each;  ///< even for bf16
  float* c;    ///< [rows, 64], row stride `c_stride`
  std::size_t c_stride;
  int rows;
  Accumulate accumulate;
};

/// One step of online softmax (FlashAttention-2, section 3.1) in base 2 over a tile of scores that already carry
/// scale · log2 e. Masked scores are −inf. Rows whose maximum grew by at most 8 keep their old reference (exact, as the
/// reference point cancels at the end); others rescale `output` and the running sum.
struct SoftmaxTile {
  float* scores;  ///< [rows, keys], row stride `score_stride`; keys is a multiple of 16
  std::size_t score_stride;
  int rows, keys;
  float* reference;  ///< [rows] the running reference maximum, −inf before the first key
  float* sum;        ///< [rows]
  float* output;     ///< [rows, output_columns] fp32 accumulators
  std::size_t output_stride;
  int output_columns;    ///< a multiple of 16
  float* probabilities;  ///< [rows, keys] 2^(score − reference), row stride `probability_stride`
  std::size_t probability_stride;
};

/// Bytes of an input as code_input makes it.
inline constexpr std::size_t coded_input_bytes(int k) {
  return static_cast<std::size_t>(k) * 2 + static_cast<std::size_t>(k) / 32 * 16;
}

inline constexpr int kStepPages = 4;  ///< pages of 64 keys that an AttentionStep takes at most

/// One step of flash attention from scores to output: a few pages of 64 keys against the rows of a query tile.
/// Probabilities are 2^(score − reference), rounded to bf16; a row's reference is the (rounded up) maximum of the first
/// page of which it saw anything, raised when a later one would outgrow fp32's range or, where a page is looked at
/// closely, by more than 8. It cancels at the end: output / Σ sum, LSE₂ = reference + log2 Σ sum.
struct AttentionStep {
  const std::uint16_t* queries;  ///< [rows, dims] bf16, carrying scale · log2 e
  int rows;
  int dims;                          ///< even
  int pages;                         ///< 1 … kStepPages
  const std::uint16_t* const* keys;  ///< [pages] panels of [dims / 2][64][2]
  /// int8: scores are query_scales[row] · Σ_block (scale of the key's block) · (Σ codes of both + query_offsets[row,
  /// block]) over blocks of 32 dimensions. `queries` and `keys` are not read then.
  const std::int8_t* queries_8 = nullptr;       ///< [rows, dims]
  const float* query_scales = nullptr;          ///< [rows]
  const std::int32_t* query_offsets = nullptr;  ///< [rows, dims / 32] −128 · Σ queries_8
  const std::byte* const* keys_8 = nullptr;  ///< [pages] [dims / 4][64][4] of code + 128, fp16 scales [dims / 32][64]
  /// q8: coded_queries (`queries` where a set has no code_input), and keys_8 as above; values as q8_0 pages hold them,
  /// `values` is not read. Queries and probabilities may be rounded to 16 bits, each 32 dimensions or page by their
  /// largest.
  const std::byte* coded_queries = nullptr;    ///< [rows] as code_input makes them, if there is one
  const std::byte* const* values_8 = nullptr;  ///< [pages] value_panels panels as unpack_q8_values takes them
  const std::uint16_t* const* values;          ///< [pages] value_panels consecutive panels of [32][64][2]
  int value_panels;                            ///< ⌈dims / 64⌉
  const std::uint64_t* const* visible;  ///< [pages] words [rows], bit k: the row sees key k; nullptr: all rows see all
  /// [pages_ahead] what the next step will read, to be asked for while this one computes: stored_keys and stored_values
  /// bytes of each.
  const std::byte* const* keys_ahead = nullptr;
  const std::byte* const* values_ahead = nullptr;
  int pages_ahead = 0;
  int stored_keys = 0, stored_values = 0;
  bool unpacked = false;  ///< `keys` and `values` are no stored pages but were made from such for this step
  float* output;          ///< [rows, 64 · value_panels] accumulators
  float* reference;       ///< [rows], −inf before the first key
  float* sum;             ///< [rows, 16]; the lanes of a row add up to its sum
};

/// Bytes ahead of the weights that are read of which lines are asked for, where a machine does not say otherwise.
inline constexpr int kAskedAhead = 4096;
/// What suits a machine: runs of some MB are longer than the memory's own looking ahead needs to find its way, and
/// blocks of q8_0 are no whole lines.
struct AskedAhead {
  int in_short_runs = kAskedAhead, in_long_runs = kAskedAhead, of_q8_0 = kAskedAhead;
};

/// out[v · out_stride + r] = Σ_k rows[r][k] · x[v · x_stride + k], fp32 throughout; with quantised rows the inputs are
/// rounded to 16 bits (each 32 by their largest) by AVX2, and a single input by AVX-512 with 8-bit products. How rows
/// are grouped does not change a result: each output is its own sums in the same order.
struct RowDot {
  DType type;
  const std::byte* rows;  ///< row stride `row_stride` bytes
  std::size_t row_stride;
  int row_count, k;
  const float* x;
  std::size_t x_stride;
  int vectors;
  float* out;
  std::size_t out_stride;
  int asked_ahead = kAskedAhead;
};

/// out[v · out_stride + r] = Σ_k rows[r][k] · input v[k] for 16 · group_count interleaved rows
/// (tensor/interleaved_rows.h). An output is one sum over blocks of 32 in ascending order, whatever is beside it.
struct InterleavedDots {
  DType type;
  const std::byte* groups;
  int group_count, k;
  const std::byte* inputs;  ///< [vectors], coded_input_bytes(k) each
  int vectors;
  float* out;
  std::size_t out_stride;
  int asked_ahead = kAskedAhead;
  const std::byte* after = nullptr;  ///< what is read next, if not what follows these groups
};

inline constexpr int kCodeBlock = 32;         ///< values that share a scale
inline constexpr int kMostInputCode = 32767;  ///< of activations
inline constexpr int kMostWeightCode = 1023;  ///< of weights: 32 products of both fit 32 bits
/// Bytes of 64 weight rows as codes: [4][k / 2][16][2] int16 (pairs along k, 16 columns at a time), then fp32 scales
/// [k / 32][64].
inline constexpr std::size_t code_panel_bytes(int k) {
  return static_cast<std::size_t>(k) * kPanelColumns * 2 + static_cast<std::size_t>(k) / kCodeBlock * kPanelColumns * 4;
}

/// c[row][0 … 64) = Σ_block a_scales[row][block] · scale[block][column] · Σ a[row][k] · code[k][column], whole numbers
/// within a block, fp32 over blocks in ascending order: the result of a row does not depend on the other rows.
struct CodeProduct {
  const std::int16_t* a;   ///< [rows, k]
  const float* a_scales;   ///< [rows, k / 32]
  const std::byte* panel;  ///< code_panel_bytes(k)
  int k;                   ///< a multiple of 32
  float* c;                ///< [rows, 64], row stride `c_stride`
  std::size_t c_stride;
  int rows;
};

struct KernelTable {
  Isa isa;
  bool bf16_products;  ///< matrix products run on bf16 panels, else on f32 panels
  bool code_products;  ///< products of many rows run on codes of 16 bits where 32 divides k: faster and finer than bf16
  bool int8_scores;    ///< attention_step_int8 is faster than attention_step_bf16
  AskedAhead asked_ahead = {};  ///< of RowDot and InterleavedDots

  void (*panel_product_f32)(const PanelProduct<float>&);
  void (*panel_product_bf16)(const PanelProduct<std::uint16_t>&);
  void (*softmax_tile_f32)(const SoftmaxTile&);
  void (*attention_step_bf16)(const AttentionStep&);
  void (*attention_step_int8)(const AttentionStep&);
  /// bf16 [rows, dims] to what attention_step_int8 reads: a row by its largest; what is not a number stays in the
  /// scale.
  void (*quantize_queries)(const std::uint16_t* queries, int rows, int dims, std::int8_t* codes, float* scales,
                           std::int32_t* offsets);
  /// For few rows; nullptr: unpacking the pages first is as fast. f16: `keys` and `values` are fp16 (each rounded to
  /// bf16).
  void (*attention_step_q8)(const AttentionStep&);
  void (*attention_step_f16)(const AttentionStep&);
  /// 64 weight rows (fewer: the rest is zero) of `k` values, row stride `row_stride` bytes, to one panel.
  void (*pack_panel_f32)(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k, float* panel);
  void (*pack_panel_bf16)(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                          std::uint16_t* panel);
  /// x[0 … k) as codes of at most kMostInputCode, each 32 by their largest; what is not a number stays in the scale.
  void (*input_codes)(const float* x, int k, std::int16_t* codes, float* scales);
  /// 64 weight rows (fewer: the rest is zero) as codes of at most kMostWeightCode, each 32 along k by their largest.
  void (*pack_panel_codes)(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                           std::byte* panel);
  void (*panel_product_codes)(const CodeProduct&);
  void (*row_dot)(const RowDot&);
  /// Of x[0 … k) for interleaved_dots and attention_step_q8 the values [first, first + count), multiples of 32: codes
  /// of at most 127 · 256, each 32 by their largest; what is not a number stays in the scale. These three: nullptr
  /// where a set has no 8-bit products for them.
  void (*code_input)(const float* x, int k, int first, int count, std::byte* coded);
  void (*interleaved_dots)(const InterleavedDots&);
  /// 16 · group_count ≤ 64 interleaved rows (the rest is zero) to the panel that pack_panel_bf16 makes of them.
  void (*pack_interleaved_bf16)(DType type, const std::byte* groups, int group_count, int k, std::uint16_t* panel);
  void (*dequantize_row)(DType type, const std::byte* row, std::uint64_t count, float* values);
  /// y = x / √(mean(x²) + ε) · weight.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, int count, float* y);
  void (*gated_silu)(const float* gate, const float* up, int count, float* y);
  void (*gated_gelu_tanh)(const float* gate, const float* up, int count, float* y);
  void (*to_bf16)(const float* x, std::size_t count, std::uint16_t* y);
  void (*f16_to_bf16)(const std::uint16_t* x, std::size_t count, std::uint16_t* y);
  /// 64 keys of 8 bits to one bf16 panel [dims / 2][64][2]. keys: [dims / 4][64][4] of value + 128, then fp16 scales
  /// [dims / 32][64]. dims: a multiple of 32.
  void (*unpack_q8_keys)(const std::byte* keys, int dims, std::uint16_t* panel);
  /// 64 dimensions of 64 values of 8 bits to one bf16 panel [32][64][2]. values: [32 pairs][4][2][16] (16 dimensions of
  /// one, then of the other value of a pair), then fp16 scales [64][2], one for each 32 dimensions.
  void (*unpack_q8_values)(const std::byte* values, std::uint16_t* panel);
  /// The same of 4 bits (code + 8): keys [dims / 4][64][2 bytes, the first dim lowest], then the scales; values [32
  /// pairs][4][2][8 bytes, dims 0 … 7 below 8 … 15], then the scales.
  void (*unpack_q4_keys)(const std::byte* keys, int dims, std::uint16_t* panel);
  void (*unpack_q4_values)(const std::byte* values, std::uint16_t* panel);
  /// Rotates (x[i], x[i + half]) by (cosine[i], sine[i]), in place.
  void (*rotate_halves)(float* x, const float* cosine, const float* sine, int half);

  /// Multiply-adds that never leave the registers, for machine_peak.h: does `rounds` of them and returns how many
  /// operations (two a multiply-add) that were. nullptr: the set has no such instruction.
  std::uint64_t (*burn_f32)(std::uint64_t rounds);
  std::uint64_t (*burn_bf16)(std::uint64_t rounds);
  std::uint64_t (*burn_int8)(std::uint64_t rounds);
};

/// The table of active_isa().
const KernelTable& kernels();
const KernelTable& kernel_table(Isa isa);
/// (kernel, implementation) rows for `tome info --kernels`.
std::vector<std::pair<std::string, std::string>> kernel_report();

}  // namespace tome::kernels
