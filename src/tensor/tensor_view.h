#pragma once
// A tensor that somebody else owns: a type, a shape (slowest dimension first) and the first byte. Rows are contiguous,
// or 16 lie side by side.
// Device and stream are part of the contract from the first day; only the CPU exists so far.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "tensor/dtype.h"

namespace tome {

enum class Device { cpu, cuda };

inline constexpr int kInterleavedRows = 16;

struct TensorView {
  DType type = DType::f32;
  std::vector<std::uint64_t> shape;  ///< [rows, columns] for a weight matrix: rows are outputs
  const std::byte* data = nullptr;
  Device device = Device::cpu;
  bool interleaved = false;  ///< 16 rows lie side by side (tensor/interleaved_rows.h): no row lies by itself

  std::uint64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  std::uint64_t elements() const {
    std::uint64_t count = 1;
    for (const std::uint64_t extent : shape) count *= extent;
    return count;
  }
  std::uint64_t rows() const {
    std::uint64_t count = columns() == 0 ? 0 : 1;
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) count *= shape[i];
    return count;
  }
  std::uint64_t bytes() const { return row_bytes(type, elements()); }
  /// Not of an interleaved matrix, but for where a group of 16 rows begins.
  const std::byte* row(std::uint64_t index) const {
    CHECK(!interleaved || index % kInterleavedRows == 0);
    return data + index * row_bytes(type, columns());
  }
};

}  // namespace tome
