#include "tensor/interleaved_rows.h"

#include <cstring>

namespace tome {
namespace {

/// A block is so many halves (scale, minimum), then words of four bytes.
struct BlockParts {
  std::size_t halves, words;
};

BlockParts parts_of(DType type) {
  const std::size_t halves = type == DType::q4_1 || type == DType::q5_1 ? 2 : 1;
  return {halves, (dtype_info(type)->block_bytes - 2 * halves) / 4};
}

/// copy(bytes of `size`, where they lie in the group, where in the block of a row) for every part of a row.
template <class Copy>
void for_each_part(DType type, std::uint64_t columns, std::size_t row, const Copy& copy) {
  const BlockParts parts = parts_of(type);
  const std::size_t block_bytes = dtype_info(type)->block_bytes;
  for (std::size_t block = 0; block < columns / 32; ++block) {
    const std::size_t group = block * block_bytes * kInterleavedRows, apart = block * block_bytes;
    for (std::size_t i = 0; i < parts.halves; ++i) copy(2, group + (i * kInterleavedRows + row) * 2, apart + i * 2);
    const std::size_t halves = parts.halves * 2;
    for (std::size_t i = 0; i < parts.words; ++i)
      copy(4, group + halves * kInterleavedRows + (i * kInterleavedRows + row) * 4, apart + halves + i * 4);
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
      return matrix.rows() % kInterleavedRows == 0 && matrix.columns() % 32 == 0;
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
