#pragma once
// Block-quantised rows to fp32. Stateless; the plain twin is kernels/reference/dequantize.cpp.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace tome::kernels {

/// values[0 … count) from `count / block_size` blocks at `row`; every type of DType that a weight may have
/// (f32 f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 q2_k … q6_k iq4_nl iq4_xs). count: multiple of the type's block size.
void dequantize_row(DType type, const std::byte* row, std::uint64_t count, float* values);

/// The inverse for the types Tome writes (f32, f16, bf16, q8_0, q4_0); false when it cannot write `type`.
bool quantize_row(DType type, const float* values, std::uint64_t count, std::byte* row);

namespace reference {
void dequantize_row(DType type, const std::byte* row, std::uint64_t count, float* values);
}  // namespace reference

}  // namespace tome::kernels
