#pragma once
// Every kernel that has more than one implementation, as one table of entry points per instruction set. Kernels are
// stateless functions over spans; each has a plain-loop twin of the same name in kernels/reference/. Rooms above call
// kernels() and never name an instruction set. The table is chosen once from active_isa().
//
// Panel: 64 output columns of a matrix, laid out as the products read it.
//   bf16 panel: [k / 2][64][2] bf16 (pairs along k, as vdpbf16ps wants them);  f32 panel: [k][64] f32.
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
template <class Element>
struct SoftmaxTile {
  float* scores;  ///< [rows, keys], row stride `score_stride`; keys is a multiple of 16
  std::size_t score_stride;
  int rows, keys;
  float* reference;  ///< [rows] the running reference maximum, −inf before the first key
  float* sum;        ///< [rows]
  float* output;     ///< [rows, output_columns] fp32 accumulators
  std::size_t output_stride;
  int output_columns;      ///< a multiple of 16
  Element* probabilities;  ///< [rows, keys] 2^(score − reference), row stride `probability_stride`
  std::size_t probability_stride;
};

/// out[v · out_stride + r] = Σ_k rows[r][k] · x[v · x_stride + k], fp32 throughout. How rows are grouped does not
/// change a result: each output is its own sums in the same order.
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
};

struct KernelTable {
  Isa isa;
  bool bf16_products;  ///< matrix products run on bf16 panels (vdpbf16ps), else on f32 panels

  void (*panel_product_f32)(const PanelProduct<float>&);
  void (*panel_product_bf16)(const PanelProduct<std::uint16_t>&);
  void (*softmax_tile_f32)(const SoftmaxTile<float>&);
  void (*softmax_tile_bf16)(const SoftmaxTile<std::uint16_t>&);
  /// 64 weight rows (fewer: the rest is zero) of `k` values, row stride `row_stride` bytes, to one panel.
  void (*pack_panel_f32)(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k, float* panel);
  void (*pack_panel_bf16)(DType type, const std::byte* rows, std::size_t row_stride, int row_count, int k,
                          std::uint16_t* panel);
  void (*row_dot)(const RowDot&);
  void (*dequantize_row)(DType type, const std::byte* row, std::uint64_t count, float* values);
  /// y = x / √(mean(x²) + ε) · weight.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, int count, float* y);
  void (*gated_silu)(const float* gate, const float* up, int count, float* y);
  void (*gated_gelu_tanh)(const float* gate, const float* up, int count, float* y);
  void (*to_bf16)(const float* x, std::size_t count, std::uint16_t* y);
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
