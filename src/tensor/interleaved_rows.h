#pragma once
// Quantised matrices with 16 rows side by side: for each 32 columns the 16 scales, then the 16 minima if the type has
// them, then each word of four bytes of the blocks (fifth bits, weights) for the 16 rows; of K-quants likewise for each
// 256 columns, in the order of their super-blocks. As many bytes as before, in the order in which a register takes
// them: a lane is a row, and a dot product needs no sum over lanes.
#include <vector>

#include "tensor/tensor_view.h"

namespace tome {

/// q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k; whole blocks, rows by 16.
bool can_interleave(const TensorView& matrix);
/// 16 rows, one after the other, of `columns` values.
void interleave_rows(DType type, const std::byte* rows, std::uint64_t columns, std::byte* group);
/// Rows [first, first + count) of an interleaved matrix, one after the other.
void separate_rows(const TensorView& matrix, std::uint64_t first, std::uint64_t count, std::byte* rows);
/// Rows [first, first + count) of any matrix, one after the other: where they lie, or in `apart`.
const std::byte* rows_apart(const TensorView& matrix, std::uint64_t first, std::uint64_t count,
                            std::vector<std::byte>& apart);

}  // namespace tome
