#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "base/checked.h"
#include "formats/printable.h"

namespace tome {
namespace {

constexpr std::size_t max_key_bytes = 65535;
constexpr std::size_t max_tensor_name_bytes = 63;
constexpr std::uint32_t max_dimensions = 4;
constexpr int max_array_depth = 4;
constexpr std::uint64_t max_nested_arrays = 1024, max_pairs = 4096;
constexpr std::uint64_t max_alignment = 1 << 20;
// What the smallest entry occupies: counts beyond remaining / smallest cannot be true.
constexpr std::uint64_t smallest_pair = 8 + 1 + 4 + 1;
constexpr std::uint64_t smallest_tensor = 8 + 1 + 4 + 8 + 4 + 8;

/// Tensor types that GGUF knows and Tome does not read, by number.
std::string_view unread_type_name(std::uint32_t id) {
  switch (id) {
    case 9:
      return "q8_1";
    case 15:
      return "q8_k";
    case 16:
      return "iq2_xxs";
    case 17:
      return "iq2_xs";
    case 18:
      return "iq3_xxs";
    case 19:
      return "iq1_s";
    case 21:
      return "iq3_s";
    case 22:
      return "iq2_s";
    case 29:
      return "iq1_m";
    case 34:
      return "tq1_0";
    case 35:
      return "tq2_0";
    case 39:
      return "mxfp4";
    default:
      return "";
  }
}

bool is_removed_type(std::uint32_t id) {
  return id == 4 || id == 5 || (id >= 31 && id <= 33) || (id >= 36 && id <= 38);
}

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, std::string name) : bytes_(bytes) { file_.name = std::move(name); }

  Result<GgufFile> parse() {
    TOME_TRY(header());
    file_.metadata.reserve(pairs_);
    file_.index.reserve(pairs_);
    for (std::uint64_t i = 0; i < pairs_; ++i) TOME_TRY(pair(i));
    TOME_TRY(alignment());
    file_.tensors.reserve(tensors_);
    names_.reserve(tensors_);
    for (std::uint64_t i = 0; i < tensors_; ++i) TOME_TRY(tensor(i));
    TOME_TRY(data());
    return std::move(file_);
  }

 private:
  template <class... Args>
  [[nodiscard]] tl::unexpected<Error> refuse(fmt::format_string<Args...> format, Args&&... args) const {
    return fail(ErrorKind::format, "[gguf] {}: {}", file_.name, fmt::format(format, std::forward<Args>(args)...));
  }

  std::uint64_t remaining() const { return bytes_.size() - at_; }

  template <class T>
  bool read(T& value) {
    if (remaining() < sizeof value) return false;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return true;
  }

  Status header() {
    char magic[4] = {};
    if (!read(magic)) return refuse("{} bytes, too short for a header", bytes_.size());
    if (std::memcmp(magic, "GGUF", 4) != 0)
      return refuse("magic '{}', expected 'GGUF'", printable(std::string_view(magic, 4)));
    if (!read(file_.version)) return refuse("ends inside the version");
    if (file_.version != 0 && (file_.version & 0xffffu) == 0)
      return refuse("version 0x{:08x}: a big-endian file, expected little-endian", file_.version);
    if (file_.version != 2 && file_.version != 3) return refuse("version {}, expected 2 or 3", file_.version);
    std::int64_t tensors = 0, pairs = 0;
    if (!read(tensors) || !read(pairs)) return refuse("ends inside the counts");
    if (tensors < 0) return refuse("tensor count {} is negative", tensors);
    if (pairs < 0) return refuse("metadata count {} is negative", pairs);
    tensors_ = static_cast<std::uint64_t>(tensors);
    pairs_ = static_cast<std::uint64_t>(pairs);
    if (pairs_ > remaining() / smallest_pair)
      return refuse("metadata count {} does not fit the {} bytes that remain", pairs_, remaining());
    if (pairs_ > max_pairs) return refuse("metadata count {}, expected at most {}", pairs_, max_pairs);
    if (tensors_ > remaining() / smallest_tensor)
      return refuse("tensor count {} does not fit the {} bytes that remain", tensors_, remaining());
    return {};
  }

  Result<std::string_view> string(std::string_view what) {
    std::uint64_t length = 0;
    if (!read(length)) return refuse("ends inside the length of {}", what);
    if (length > remaining()) return refuse("{}: {} bytes long, {} remain in the file", what, length, remaining());
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + at_), length);
    at_ += length;
    return text;
  }

  Result<GgufType> value_type(std::string_view key) {
    std::uint32_t type = 0;
    if (!read(type)) return refuse("ends inside the type of key '{}'", printable(key));
    if (type > static_cast<std::uint32_t>(GgufType::f64))
      return refuse("key '{}': value type {}, expected 0 to 12", printable(key), type);
    return static_cast<GgufType>(type);
  }

  Status pair(std::uint64_t number) {
    TOME_ASSIGN(const std::string_view key, string(fmt::format("key {}", number)));
    if (key.empty()) return refuse("key {} is empty", number);
    if (key.size() > max_key_bytes)
      return refuse("key {} has {} bytes, expected at most {}", number, key.size(), max_key_bytes);
    if (!file_.index.emplace(key, file_.metadata.size()).second) return refuse("duplicate key '{}'", printable(key));
    TOME_ASSIGN(const GgufType type, value_type(key));
    GgufValue parsed;
    TOME_TRY(value(key, type, parsed));
    file_.metadata.emplace_back(key, std::move(parsed));
    return {};
  }

  Status value(std::string_view key, GgufType type, GgufValue& result) {
    result.type = type;
    if (type == GgufType::array) return array(key, result, 1);
    if (type == GgufType::string) {
      TOME_ASSIGN(result.text, string(fmt::format("the value of key '{}'", printable(key))));
      return {};
    }
    const std::uint64_t size = gguf_scalar_bytes(type);
    if (remaining() < size) return refuse("ends inside the value of key '{}'", printable(key));
    std::memcpy(&result.bits, bytes_.data() + at_, size);
    at_ += size;
    if (type == GgufType::boolean && result.bits > 1)
      return refuse("key '{}': bool {}, expected 0 or 1", printable(key), result.bits);
    return {};
  }

  Status array(std::string_view key, GgufValue& result, int depth) {
    if (depth > max_array_depth)
      return refuse("key '{}': arrays nested deeper than {}", printable(key), max_array_depth);
    result.type = GgufType::array;
    TOME_ASSIGN(result.element, value_type(key));
    if (!read(result.count)) return refuse("ends inside the array length of key '{}'", printable(key));
    const std::uint64_t size = gguf_scalar_bytes(result.element);
    const std::uint64_t smallest = size != 0 ? size : result.element == GgufType::string ? 8 : 12;
    if (result.count > remaining() / smallest)
      return refuse("key '{}': array of {} values, {} bytes remain in the file", printable(key), result.count,
                    remaining());
    if (size != 0) return scalars(key, result, size);
    if (result.element == GgufType::string) return strings(key, result);
    nested_arrays_ += result.count;
    if (nested_arrays_ > max_nested_arrays)
      return refuse("key '{}': more than {} arrays inside arrays", printable(key), max_nested_arrays);
    for (std::uint64_t i = 0; i < result.count; ++i) {
      result.arrays.emplace_back();
      TOME_TRY(array(key, result.arrays.back(), depth + 1));
    }
    return {};
  }

  Status scalars(std::string_view key, GgufValue& result, std::uint64_t size) {
    result.scalars = bytes_.subspan(at_, result.count * size);
    at_ += result.scalars.size();
    if (result.element != GgufType::boolean) return {};
    for (const std::byte flag : result.scalars)
      if (flag > std::byte{1})
        return refuse("key '{}': bool {} in an array, expected 0 or 1", printable(key), static_cast<int>(flag));
    return {};
  }

  Status strings(std::string_view key, GgufValue& result) {
    result.strings.reserve(result.count);
    for (std::uint64_t i = 0; i < result.count; ++i) {
      std::uint64_t length = 0;
      if (!read(length) || length > remaining())
        return refuse("key '{}': string {} of the array runs past the end of the file", printable(key), i);
      result.strings.emplace_back(reinterpret_cast<const char*>(bytes_.data() + at_), length);
      at_ += length;
    }
    return {};
  }

  Status alignment() {
    const GgufValue* value = file_.find("general.alignment");
    if (value == nullptr) return {};
    if (value->type != GgufType::u32)
      return refuse("general.alignment: type {}, expected u32", gguf_type_name(value->type));
    if (!std::has_single_bit(value->bits) || value->bits < 8 || value->bits > max_alignment)
      return refuse("general.alignment {}, expected a power of two from 8 to {}", value->bits, max_alignment);
    file_.alignment = value->bits;
    return {};
  }

  Status tensor(std::uint64_t number) {
    GgufTensor result;
    TOME_ASSIGN(result.name, string(fmt::format("the name of tensor {}", number)));
    if (result.name.empty()) return refuse("tensor {} has an empty name", number);
    if (result.name.size() > max_tensor_name_bytes)
      return refuse("tensor name '{}' has {} bytes, expected at most {}", printable(result.name), result.name.size(),
                    max_tensor_name_bytes);
    const std::string name = printable(result.name);
    if (!names_.insert(result.name).second) return refuse("duplicate tensor '{}'", name);
    std::uint32_t rank = 0;
    if (!read(rank)) return refuse("ends inside the shape of tensor '{}'", name);
    if (rank > max_dimensions)
      return refuse("tensor '{}': {} dimensions, expected at most {}", name, rank, max_dimensions);
    if (rank == 0) return refuse("tensor '{}': no dimensions, expected at least 1", name);
    for (std::uint32_t axis = 0; axis < rank; ++axis) {
      std::int64_t extent = 0;
      if (!read(extent)) return refuse("ends inside the shape of tensor '{}'", name);
      if (extent < 0) return refuse("tensor '{}': dimension {} is negative: {}", name, axis, extent);
      if (extent == 0) return refuse("tensor '{}': dimension {} is zero", name, axis);
      result.dimensions.push_back(static_cast<std::uint64_t>(extent));
    }
    std::uint32_t type = 0;
    if (!read(type) || !read(result.offset)) return refuse("ends inside the entry of tensor '{}'", name);
    TOME_TRY(tensor_type(name, type, result));
    file_.tensors.push_back(std::move(result));
    return {};
  }

  Status tensor_type(const std::string& name, std::uint32_t id, GgufTensor& result) {
    if (is_removed_type(id)) return refuse("tensor '{}': type {} was removed from the format", name, id);
    if (!unread_type_name(id).empty())
      return fail(ErrorKind::unsupported, "[gguf] {}: tensor '{}': type {} is not supported by Tome", file_.name, name,
                  unread_type_name(id));
    const DTypeInfo* info = dtype_info(static_cast<DType>(id));
    if (info == nullptr) return refuse("tensor '{}': unknown type {}", name, id);
    result.type = info->type;
    if (result.dimensions[0] % info->block_size != 0)
      return refuse("tensor '{}': rows of {} values, expected a multiple of {}'s block of {}", name,
                    result.dimensions[0], info->name, info->block_size);
    return {};
  }

  /// Bytes of the whole tensor; nullopt when a product overflows.
  static std::optional<std::uint64_t> tensor_bytes(const GgufTensor& tensor) {
    std::uint64_t elements = 1;
    for (const std::uint64_t extent : tensor.dimensions) {
      const auto product = checked_multiply(elements, extent);
      if (!product) return std::nullopt;
      elements = *product;
    }
    const DTypeInfo* info = dtype_info(tensor.type);
    return checked_multiply(elements / info->block_size, info->block_bytes);
  }

  Status data() {
    const auto aligned = checked_add(at_, file_.alignment - 1);
    const std::uint64_t start = aligned ? *aligned / file_.alignment * file_.alignment : bytes_.size();
    const std::uint64_t available = start < bytes_.size() ? bytes_.size() - start : 0;
    for (GgufTensor& tensor : file_.tensors) {
      const std::string name = printable(tensor.name);
      const auto size = tensor_bytes(tensor);
      if (!size) return refuse("tensor '{}': its size overflows 64 bits", name);
      if (tensor.offset % file_.alignment != 0)
        return refuse("tensor '{}': offset {} is not a multiple of the alignment {}", name, tensor.offset,
                      file_.alignment);
      const auto end = checked_add(tensor.offset, *size);
      if (!end) return refuse("tensor '{}': offset {} plus {} bytes overflows 64 bits", name, tensor.offset, *size);
      if (*end > available)
        return refuse("tensor '{}': bytes {} to {} of a data section of {}: the file is cut short", name, tensor.offset,
                      *end, available);
      tensor.data = bytes_.subspan(start + tensor.offset, *size);
    }
    return overlaps();
  }

  Status overlaps() const {
    std::vector<const GgufTensor*> ordered;
    ordered.reserve(file_.tensors.size());
    for (const GgufTensor& tensor : file_.tensors) ordered.push_back(&tensor);
    std::sort(ordered.begin(), ordered.end(),
              [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
    for (std::size_t i = 1; i < ordered.size(); ++i)
      if (ordered[i - 1]->offset + ordered[i - 1]->data.size() > ordered[i]->offset)
        return refuse("tensors '{}' and '{}' overlap at offset {}", printable(ordered[i - 1]->name),
                      printable(ordered[i]->name), ordered[i]->offset);
    return {};
  }

  std::span<const std::byte> bytes_;
  std::uint64_t at_ = 0, tensors_ = 0, pairs_ = 0, nested_arrays_ = 0;
  std::unordered_set<std::string_view> names_;
  GgufFile file_;
};

template <class T>
T scalar_as(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

std::uint64_t gguf_scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    case GgufType::string:
    case GgufType::array:
      return 0;
  }
  return 0;
}

std::string_view gguf_type_name(GgufType type) {
  constexpr std::string_view names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
  return names[static_cast<std::size_t>(type)];
}

std::optional<std::int64_t> GgufValue::as_signed() const {
  switch (type) {
    case GgufType::u8:
    case GgufType::u16:
    case GgufType::u32:
      return static_cast<std::int64_t>(bits);
    case GgufType::i8:
      return scalar_as<std::int8_t>(bits);
    case GgufType::i16:
      return scalar_as<std::int16_t>(bits);
    case GgufType::i32:
      return scalar_as<std::int32_t>(bits);
    case GgufType::i64:
      return scalar_as<std::int64_t>(bits);
    case GgufType::u64:
      if (bits > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
      return static_cast<std::int64_t>(bits);
    default:
      return std::nullopt;
  }
}

std::optional<std::uint64_t> GgufValue::as_unsigned() const {
  if (type == GgufType::u64) return bits;
  const auto value = as_signed();
  if (!value || *value < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::optional<double> GgufValue::as_number() const {
  if (type == GgufType::f32) return static_cast<double>(scalar_as<float>(bits));
  if (type == GgufType::f64) return scalar_as<double>(bits);
  const auto value = as_signed();
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

std::optional<bool> GgufValue::as_bool() const {
  if (type != GgufType::boolean) return std::nullopt;
  return bits != 0;
}

GgufValue GgufValue::scalar(std::uint64_t index) const {
  GgufValue result;
  result.type = element;
  const std::uint64_t size = gguf_scalar_bytes(element);
  std::memcpy(&result.bits, scalars.data() + index * size, size);
  return result;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = index.find(key);
  return found == index.end() ? nullptr : &metadata[found->second].second;
}

Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, std::string name) {
  return Parser(bytes, std::move(name)).parse();
}

}  // namespace tome
