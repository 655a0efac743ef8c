#include "formats/gguf_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "formats/printable.h"

namespace tome {
namespace {

constexpr std::uint64_t default_alignment = 32;

template <class T>
void append(std::string& bytes, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes.append(raw, sizeof value);
}

void append_text(std::string& bytes, std::string_view text) {
  append(bytes, static_cast<std::uint64_t>(text.size()));
  bytes.append(text);
}

template <class T>
std::string scalar(GgufType type, T value) {
  std::string bytes;
  append(bytes, static_cast<std::uint32_t>(type));
  append(bytes, value);
  return bytes;
}

std::string array_start(GgufType element, std::uint64_t count) {
  std::string bytes;
  append(bytes, static_cast<std::uint32_t>(GgufType::array));
  append(bytes, static_cast<std::uint32_t>(element));
  append(bytes, count);
  return bytes;
}

void append_raw(std::string& bytes, std::span<const std::byte> raw) {
  bytes.append(reinterpret_cast<const char*>(raw.data()), raw.size());
}

/// A value without the number of its own type.
void append_value(std::string& bytes, const GgufValue& value) {
  if (value.type == GgufType::string) return append_text(bytes, value.text);
  if (value.type != GgufType::array) {
    bytes.append(reinterpret_cast<const char*>(&value.bits), gguf_scalar_bytes(value.type));
    return;
  }
  append(bytes, static_cast<std::uint32_t>(value.element));
  append(bytes, value.count);
  append_raw(bytes, value.scalars);
  for (const std::string_view text : value.strings) append_text(bytes, text);
  for (const GgufValue& inner : value.arrays) append_value(bytes, inner);
}

std::uint64_t aligned(std::uint64_t at, std::uint64_t alignment) {
  return (at + alignment - 1) / alignment * alignment;
}

/// A file that disappears unless it was renamed to its target.
class FileBeside {
 public:
  explicit FileBeside(const std::string& path)
      : path_(path),
        beside_(path + ".part" + std::to_string(::getpid())),
        descriptor_(::open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) reason_ = errno;
  }
  FileBeside(const FileBeside&) = delete;
  FileBeside& operator=(const FileBeside&) = delete;
  ~FileBeside() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
      ::unlink(beside_.c_str());
    }
  }

  void append(const void* data, std::size_t size) {
    const char* from = static_cast<const char*>(data);
    written_ += size;
    while (size > 0 && reason_ == 0) {
      const ssize_t count = ::write(descriptor_, from, size);
      if (count < 0 && errno != EINTR) reason_ = errno;
      if (count > 0) from += count, size -= static_cast<std::size_t>(count);
    }
  }
  void pad_to(std::uint64_t end) {
    const std::string zeros(end - written_, '\0');
    append(zeros.data(), zeros.size());
  }
  std::uint64_t written() const { return written_; }

  Status finish() {
    if (reason_ == 0 && ::fsync(descriptor_) != 0) reason_ = errno;
    if (reason_ == 0 && ::rename(beside_.c_str(), path_.c_str()) != 0) reason_ = errno;
    if (reason_ != 0) return fail(ErrorKind::io, "{}: cannot write: {}", path_, std::strerror(reason_));
    ::close(descriptor_);
    descriptor_ = -1;
    return {};
  }

 private:
  std::string path_, beside_;
  int descriptor_, reason_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace

void GgufWriter::put(std::string_view key, std::string encoded) {
  const auto found = std::find_if(pairs_.begin(), pairs_.end(), [&](const Pair& pair) { return pair.key == key; });
  if (found == pairs_.end())
    pairs_.push_back({std::string(key), std::move(encoded)});
  else
    found->encoded = std::move(encoded);
}

void GgufWriter::set(std::string_view key, std::uint32_t value) { put(key, scalar(GgufType::u32, value)); }
void GgufWriter::set(std::string_view key, std::uint64_t value) { put(key, scalar(GgufType::u64, value)); }
void GgufWriter::set(std::string_view key, std::int32_t value) { put(key, scalar(GgufType::i32, value)); }
void GgufWriter::set(std::string_view key, float value) { put(key, scalar(GgufType::f32, value)); }
void GgufWriter::set(std::string_view key, bool value) {
  put(key, scalar(GgufType::boolean, static_cast<std::uint8_t>(value)));
}

void GgufWriter::set(std::string_view key, std::string_view value) {
  std::string bytes;
  append(bytes, static_cast<std::uint32_t>(GgufType::string));
  append_text(bytes, value);
  put(key, std::move(bytes));
}

void GgufWriter::set(std::string_view key, std::span<const std::string> values) {
  std::string bytes = array_start(GgufType::string, values.size());
  for (const std::string& value : values) append_text(bytes, value);
  put(key, std::move(bytes));
}

void GgufWriter::set(std::string_view key, std::span<const float> values) {
  std::string bytes = array_start(GgufType::f32, values.size());
  append_raw(bytes, std::as_bytes(values));
  put(key, std::move(bytes));
}

void GgufWriter::set(std::string_view key, std::span<const std::int32_t> values) {
  std::string bytes = array_start(GgufType::i32, values.size());
  append_raw(bytes, std::as_bytes(values));
  put(key, std::move(bytes));
}

void GgufWriter::set(std::string_view key, const GgufValue& value) {
  std::string bytes;
  append(bytes, static_cast<std::uint32_t>(value.type));
  append_value(bytes, value);
  put(key, std::move(bytes));
}

Status GgufWriter::add_tensor(std::string_view name, DType type, std::span<const std::uint64_t> shape,
                              std::span<const std::byte> bytes) {
  const std::string shown = printable(name);
  if (name.empty() || name.size() > 63)
    return fail(ErrorKind::usage, "tensor name '{}' has {} bytes, expected 1 to 63", shown, name.size());
  if (shape.empty() || shape.size() > 4)
    return fail(ErrorKind::usage, "tensor '{}': {} dimensions, expected 1 to 4", shown, shape.size());
  for (const Tensor& other : tensors_)
    if (other.name == name) return fail(ErrorKind::usage, "tensor '{}' is given twice", shown);
  const DTypeInfo* info = dtype_info(type);
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : shape) {
    const auto product = checked_multiply(elements, extent);
    if (!product || extent == 0) return fail(ErrorKind::usage, "tensor '{}': a dimension of {}", shown, extent);
    elements = *product;
  }
  if (shape.back() % info->block_size != 0)
    return fail(ErrorKind::usage, "tensor '{}': rows of {} values, expected a multiple of {}", shown, shape.back(),
                info->block_size);
  if (elements / info->block_size > bytes.size() || row_bytes(type, elements) != bytes.size())
    return fail(ErrorKind::usage, "tensor '{}': {} bytes do not match its type and shape", shown, bytes.size());
  tensors_.push_back({std::string(name), type, {shape.begin(), shape.end()}, bytes});
  return {};
}

std::uint64_t GgufWriter::alignment() const {
  for (const Pair& pair : pairs_)
    if (pair.key == "general.alignment" && pair.encoded.size() == 8) {
      std::uint32_t value = 0;
      std::memcpy(&value, pair.encoded.data() + 4, sizeof value);
      return value;
    }
  return default_alignment;
}

std::string GgufWriter::header() const {
  std::string bytes = "GGUF";
  append(bytes, std::uint32_t{3});
  append(bytes, static_cast<std::uint64_t>(tensors_.size()));
  append(bytes, static_cast<std::uint64_t>(pairs_.size()));
  for (const Pair& pair : pairs_) {
    append_text(bytes, pair.key);
    bytes += pair.encoded;
  }
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    append_text(bytes, tensor.name);
    append(bytes, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) append(bytes, *extent);
    append(bytes, static_cast<std::uint32_t>(tensor.type));
    append(bytes, offset);
    offset = aligned(offset + tensor.bytes.size(), alignment());
  }
  return bytes;
}

Status GgufWriter::write(const std::string& path) const {
  const std::uint64_t step = alignment();
  if (step < 8 || (step & (step - 1)) != 0)
    return fail(ErrorKind::usage, "general.alignment {}, expected a power of two from 8", step);
  FileBeside file(path);
  const std::string start = header();
  file.append(start.data(), start.size());
  for (const Tensor& tensor : tensors_) {
    file.pad_to(aligned(file.written(), step));
    file.append(tensor.bytes.data(), tensor.bytes.size());
  }
  file.pad_to(aligned(file.written(), step));
  return file.finish();
}

}  // namespace tome
