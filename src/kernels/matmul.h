#pragma once
// Products of activations with weights that stay as the file stores them. Many rows: 64 weight rows at a time are
// unpacked into one panel (in the cache, never a copy of the model) and multiplied with all activations. Few rows: each
// weight row is read once and dotted with all of them (decode is bound by reading the weights). Interleaved weights are
// taken as they are where the machine's kernels can, else their rows are taken apart first. Results do not depend
// on the thread count: an output is one sum in a fixed order.
#include <cstdint>
#include <span>

#include "kernels/kernel_table.h"
#include "tensor/aligned_buffer.h"
#include "tensor/tensor_view.h"

namespace tome::kernels {

/// fp32: weights and activations in fp32 panels, whatever the machine has (the reference path of the engine).
enum class ProductPrecision { native, fp32 };

/// Activations: fp32 rows. The products make their own copy in bf16 or in codes of 16 bits.
struct MatmulInput {
  const float* values;  ///< [rows, columns], contiguous
  int rows;
  int columns;
  const std::byte* coded = nullptr;  ///< the same as MatmulWeight::coded, where the products take_codes()
};

/// One weight of a group that shares its input: output[row][weight row] for row in [0, rows), stride `output_stride`.
/// With a gate of the same shape (SwiGLU, GeGLU), whose rows the weight's thread takes beside them: output =
/// gated(input · gateᵀ, input · weightᵀ), by a kernel as gated_silu.
struct MatmulWeight {
  const TensorView* weight;  ///< [outputs, columns]
  float* output = nullptr;
  std::size_t output_stride = 0;
  const TensorView* gate = nullptr;
  void (*gated)(const float* gate, const float* values, int count, float* output) = nullptr;
  /// [rows, coded_input_bytes(outputs)]: the output as code_input makes it, besides, by the threads that make it;
  /// outputs: a multiple of 32.
  std::byte* coded = nullptr;
};

/// Reusable scratch: copies of the input in bf16 or in codes, and a thread's panel and what it gates. One owner, one
/// call at a time.
struct MatmulScratch {
  AlignedBuffer<std::uint16_t> input_bf16;
  AlignedBuffer<std::int16_t> input_codes;
  AlignedBuffer<float> input_scales;
  AlignedBuffer<std::byte> coded_inputs;
  AlignedBuffer<std::byte> panels;
  AlignedBuffer<float> to_gate;
};

/// output = input · weightᵀ (or gated) for every weight of the group, in one parallel run.
void matmul(const MatmulInput& input, std::span<const MatmulWeight> group, ProductPrecision precision,
            MatmulScratch& scratch);

/// Whether products of `rows` rows with this weight take coded input.
bool take_codes(const TensorView& weight, int rows, ProductPrecision precision);

/// Before the run that comes before a product of these weights (and gates) with `rows` rows of input: lets threads that
/// have nothing left to do ask for what they will read first of it (base/thread_pool.h). Of many rows nothing.
void expect_weights(std::span<const MatmulWeight> group, int rows);

}  // namespace tome::kernels
