#pragma once
// Products of activations with weights that stay as the file stores them. Many rows: 64 weight rows at a time are
// unpacked into one panel (in the cache, never a copy of the model) and multiplied with all activations. Few rows: each
// weight row is read once and dotted with all of them (decode is bound by reading the weights). Interleaved weights are
// taken as they are where the machine's kernels can, else their rows are taken apart first. Results do not depend
// on the thread count: an output is one sum in a fixed order.
#include <cstdint>
#include <initializer_list>
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
};

/// One weight of a group that shares its input: output[row][weight row] for row in [0, rows), stride `output_stride`.
struct MatmulWeight {
  const TensorView* weight;  ///< [outputs, columns]
  float* output;
  std::size_t output_stride;
};

/// Reusable scratch: copies of the input in bf16 or in codes, and one panel a thread. One owner, one call at a time.
struct MatmulScratch {
  AlignedBuffer<std::uint16_t> input_bf16;
  AlignedBuffer<std::int16_t> input_codes;
  AlignedBuffer<float> input_scales;
  AlignedBuffer<std::byte> coded_inputs;
  AlignedBuffer<std::byte> panels;
};

/// output = input · weightᵀ for every weight of the group, in one parallel run.
void matmul(const MatmulInput& input, std::span<const MatmulWeight> group, ProductPrecision precision,
            MatmulScratch& scratch);

/// Before the run that comes before a product of these weights with `rows` rows of input: lets threads that have
/// nothing left to do ask for what they will read first of it (base/thread_pool.h). Of many rows nothing.
void expect_weights(std::initializer_list<const TensorView*> group, int rows);

}  // namespace tome::kernels
