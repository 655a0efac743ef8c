#include "formats/hf_folder.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "formats/hf_config.h"
#include "formats/printable.h"
#include "tensor/aligned_buffer.h"

namespace tome {
namespace {

const std::byte* aligned_data(const SafeTensor& tensor, std::vector<std::shared_ptr<const void>>& storage) {
  const std::size_t alignment = dtype_info(*tensor.type)->block_bytes;
  if (reinterpret_cast<std::uintptr_t>(tensor.data.data()) % alignment == 0) return tensor.data.data();
  report_fallback("safetensors", "tensors at unaligned offsets are copied into memory");
  auto copy = std::make_shared<AlignedBuffer<std::byte>>(tensor.data.size());
  std::memcpy(copy->data(), tensor.data.data(), tensor.data.size());
  storage.push_back(copy);
  return copy->data();
}

}  // namespace

std::string folder_name(const std::string& folder) {
  const std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  return path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
}

Result<std::string> read_optional_file(const std::string& path, std::uint64_t limit) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::string();
  return read_file(path, limit);
}

Result<TokenizerSpec> read_folder_tokenizer(const std::string& folder, HfTokenizerContext context) {
  TOME_ASSIGN(const std::string tokenizer, read_file(folder + "/tokenizer.json", max_tokenizer_bytes));
  TOME_ASSIGN(const std::string config, read_optional_file(folder + "/tokenizer_config.json", max_config_bytes));
  TOME_ASSIGN(const std::string chat_template, read_optional_file(folder + "/chat_template.jinja", max_config_bytes));
  TOME_ASSIGN(const std::string generation, read_optional_file(folder + "/generation_config.json", max_config_bytes));
  std::vector<std::int64_t> ends;
  if (!generation.empty()) {
    TOME_ASSIGN(ends, parse_hf_generation_config(generation, folder + "/generation_config.json"));
  }
  for (const std::int64_t id : context.ends)
    if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  context.ends = std::move(ends);
  return parse_hf_tokenizer({folder, tokenizer, config, chat_template}, context);
}

Result<std::vector<NamedTensor>> name_tensors(const SafetensorsFolder& folder, std::string_view where,
                                              const std::function<bool(std::string_view)>& carries_nothing,
                                              std::vector<std::shared_ptr<const void>>& storage) {
  std::vector<NamedTensor> named;
  for (const SafeTensor& tensor : folder.tensors) {
    if (carries_nothing(tensor.name)) continue;
    if (!tensor.type)
      return fail(ErrorKind::unsupported, "{}: tensor '{}': type {} is not supported", where, printable(tensor.name),
                  tensor.type_name);
    if (tensor.data.empty()) return fail(ErrorKind::format, "{}: tensor '{}' is empty", where, printable(tensor.name));
    TensorView view;
    view.type = *tensor.type;
    view.shape = tensor.shape;
    view.data = aligned_data(tensor, storage);
    named.push_back({tensor.name, std::move(view)});
  }
  return named;
}

}  // namespace tome
