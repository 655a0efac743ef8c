#include "tensor/interleaved_rows.h"

#include <cstring>

namespace tome {
namespace {

/// A block is so many halves (scale, minimum), then words of four bytes, then (q6_k) its scale.
struct BlockParts {
  std::size_t halves, words, last_halves;
};

BlockParts parts_of(DType type) {
  const bool two = type == DType::q4_1 || type == DType::q5_1 || type == DType::q4_k || type == DType::q5_k;
  const std::size_t last = type == DType::q6_k ? 1 : 0, halves = two ? 2 : 1 - last;
  return {halves, (dtype_info(type)->block_bytes - 2 * (halves + last)) / 4, last};
}

/// copy(bytes of `size`, where they lie in the group, where in the block of a row) for every part of a row.
template <class Copy>
void for_each_part(DType type, std::uint64_t columns, std::size_t row, const Copy& copy) {
  const BlockParts parts = parts_of(type);
  std::size_t apart = 0;
  const auto take = [&](std::size_t size, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i, apart += size) copy(size, apart * kInterleavedRows + row * size, apart);
  };
  for (std::size_t block = 0; block < columns / dtype_info(type)->block_size; ++block) {
    take(2, parts.halves);
    take(4, parts.words);
    take(2, parts.last_halves);
  }
}

}  // namespace

bool can_interleave(const TensorView& matrix) {
  switch (matrix.type) {
    case DType::q4_0:
    case DType::q4_1:
    case DType::q5_0:
    case DType::q5_1:
    case DType::q8_0:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
      return matrix.rows() % kInterleavedRows == 0 && matrix.columns() % dtype_info(matrix.type)->block_size == 0;
    default:
      return false;
  }
}

void interleave_rows(DType type, const std::byte* rows, std::uint64_t columns, std::byte* group) {
  for (std::size_t row = 0; row < kInterleavedRows; ++row, rows += row_bytes(type, columns))
    for_each_part(type, columns, row, [&](std::size_t size, std::size_t in_group, std::size_t in_row) {
      std::memcpy(group + in_group, rows + in_row, size);
    });
}

const std::byte* rows_apart(const TensorView& matrix, std::uint64_t first, std::uint64_t count,
                            std::vector<std::byte>& apart) {
  if (!matrix.interleaved) return matrix.row(first);
  apart.resize(row_bytes(matrix.type, matrix.columns()) * count);
  separate_rows(matrix, first, count, apart.data());
  return apart.data();
}

void separate_rows(const TensorView& matrix, std::uint64_t first, std::uint64_t count, std::byte* rows) {
  const std::uint64_t columns = matrix.columns(), stride = row_bytes(matrix.type, columns);
  for (std::uint64_t row = first; row < first + count; ++row, rows += stride) {
    const std::byte* group = matrix.data + row / kInterleavedRows * kInterleavedRows * stride;
    for_each_part(matrix.type, columns, row % kInterleavedRows,
                  [&](std::size_t size, std::size_t in_group, std::size_t in_row) {
                    std::memcpy(rows + in_row, group + in_group, size);
                  });
  }
}

}  // namespace tome
