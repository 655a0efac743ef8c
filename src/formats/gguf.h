#pragma once
// One GGUF file (version 2 or 3, little endian) as it stands: metadata keys and a tensor table, checked, not
// interpreted. Strings and tensors are views into the bytes that were parsed, which must outlive the GgufFile.
// Immutable after parse_gguf: any thread may read it. gguf_model.h gives the keys their meaning.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace tome {

/// As the format numbers them.
enum class GgufType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};
std::string_view gguf_type_name(GgufType type);
/// 0 for strings and arrays.
std::uint64_t gguf_scalar_bytes(GgufType type);

/// A scalar, a string, or an array (of scalars: `scalars`; of strings: `strings`; of arrays: `arrays`).
struct GgufValue {
  GgufType type = GgufType::u8;
  std::uint64_t bits = 0;  ///< of a scalar, zero-extended
  std::string_view text;
  GgufType element = GgufType::u8;
  std::uint64_t count = 0;
  std::span<const std::byte> scalars;
  std::vector<std::string_view> strings;
  std::vector<GgufValue> arrays;

  /// Integers of any width; nullopt for a negative one or another type.
  std::optional<std::uint64_t> as_unsigned() const;
  std::optional<std::int64_t> as_signed() const;
  /// f32, f64 and integers.
  std::optional<double> as_number() const;
  std::optional<bool> as_bool() const;
  /// Element `index` of an array of scalars, as a value of its own.
  GgufValue scalar(std::uint64_t index) const;
};

struct GgufTensor {
  std::string_view name;
  DType type = DType::f32;
  std::vector<std::uint64_t> dimensions;  ///< as stored: fastest first
  std::uint64_t offset = 0;               ///< from the start of the data section
  std::span<const std::byte> data;
};

struct GgufFile {
  std::string name;  ///< for messages: the path
  std::uint32_t version = 0;
  std::uint64_t alignment = 32;
  std::vector<std::pair<std::string_view, GgufValue>> metadata;  ///< in file order
  std::vector<GgufTensor> tensors;                               ///< in file order
  std::unordered_map<std::string_view, std::size_t> index;       ///< key → metadata position

  const GgufValue* find(std::string_view key) const;
};

/// Errors: format (naming the field, what was found and what was expected); unsupported for tensor types that exist but
/// that Tome does not read.
Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, std::string name);

}  // namespace tome
