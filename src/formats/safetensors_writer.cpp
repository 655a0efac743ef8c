#include "formats/safetensors_writer.h"

#include <cstring>
#include <set>
#include <string_view>

#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/printable.h"

namespace tome {

Status write_safetensors(const std::string& path, const std::vector<SafeTensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const SafeTensorToWrite& tensor : tensors) {
    const char* type = tensor.type == DType::f32    ? "F32"
                       : tensor.type == DType::f16  ? "F16"
                       : tensor.type == DType::bf16 ? "BF16"
                                                    : nullptr;
    if (type == nullptr)
      return fail(ErrorKind::usage, "[safetensors] '{}': type {}, expected f32, f16 or bf16", printable(tensor.name),
                  dtype_name(tensor.type));
    if (!names.insert(tensor.name).second)
      return fail(ErrorKind::usage, "[safetensors] '{}' is given twice", printable(tensor.name));
    std::uint64_t elements = 1;
    for (const std::uint64_t extent : tensor.shape) elements *= extent;
    if (row_bytes(tensor.type, elements) != tensor.data.size())
      return fail(ErrorKind::usage, "[safetensors] '{}': {} bytes do not match its shape", printable(tensor.name),
                  tensor.data.size());
    header[tensor.name] = {
        {"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.data.size()}}};
    offset += tensor.data.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data are aligned
  const std::uint64_t length = text.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  file += text;
  file.reserve(file.size() + offset);
  for (const SafeTensorToWrite& tensor : tensors)
    file.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
  return write_file_atomically(path, file);
}

}  // namespace tome
