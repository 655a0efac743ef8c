#pragma once
// safetensors: an 8-byte length, a JSON header, then the tensors' bytes without holes. Views point into the bytes that
// were parsed, which must outlive them. Immutable after parsing, any thread.
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace tome {

struct SafeTensor {
  std::string name;
  std::string type_name;             ///< as written: "BF16"
  std::optional<DType> type;         ///< nullopt for types that Tome does not compute with (BOOL, U8, F8_E4M3 …)
  std::vector<std::uint64_t> shape;  ///< slowest first; may be empty (a scalar) or hold zeros
  std::span<const std::byte> data;
};

/// Tensors in the order of their bytes. Errors: format, naming tensor, found and expected; unsupported for a type that
/// the format does not name.
Result<std::vector<SafeTensor>> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

/// weight_map of model.safetensors.index.json: tensor → file name inside the same folder. Errors: format.
Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view text, const std::string& name);

struct SafetensorsFolder {
  std::vector<SafeTensor> tensors;
  std::vector<std::shared_ptr<const MappedFile>> storage;
};
/// model.safetensors, or all the shards that model.safetensors.index.json names. Errors: io, format, unsupported.
Result<SafetensorsFolder> open_safetensors_folder(const std::string& folder);

}  // namespace tome
