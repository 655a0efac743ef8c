#pragma once
// Writes a safetensors file: header, then the tensors' bytes in the order given, without holes. Beside its target,
// synced and renamed.
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace tome {

struct SafeTensorToWrite {
  std::string name;
  DType type = DType::f32;  ///< f32, f16 or bf16
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> data;
};

/// metadata becomes "__metadata__". Errors: io; usage for another type, bytes that do not match the shape, a name
/// twice.
Status write_safetensors(const std::string& path, const std::vector<SafeTensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata);

}  // namespace tome
