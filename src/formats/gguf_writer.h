#pragma once
// Writes a GGUF file (version 3). Collects metadata and borrows tensor bytes, which must live until write() returns.
// Not thread-safe. The file is written beside its target, synced and renamed: never half a file under the final name.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/gguf.h"

namespace tome {

class GgufWriter {
 public:
  /// A key set twice keeps its first place and its last value.
  void set(std::string_view key, std::uint32_t value);
  void set(std::string_view key, std::uint64_t value);
  void set(std::string_view key, std::int32_t value);
  void set(std::string_view key, float value);
  void set(std::string_view key, bool value);
  void set(std::string_view key, std::string_view value);
  void set(std::string_view key, const char* value) { set(key, std::string_view(value)); }
  void set(std::string_view key, std::span<const std::string> values);
  void set(std::string_view key, std::span<const float> values);
  void set(std::string_view key, std::span<const std::int32_t> values);
  /// A value as read from another file.
  void set(std::string_view key, const GgufValue& value);

  /// shape: slowest dimension first, as in TensorView. Errors: usage for what no reader would take (name of 64 bytes or
  /// more, given twice, no or more than 4 dimensions, a zero, rows that are no multiple of the block, bytes that do not
  /// match).
  Status add_tensor(std::string_view name, DType type, std::span<const std::uint64_t> shape,
                    std::span<const std::byte> bytes);

  /// Errors: io with the system's reason (nothing is left behind).
  Status write(const std::string& path) const;

 private:
  struct Pair {
    std::string key, encoded;  ///< type and value, as bytes
  };
  struct Tensor {
    std::string name;
    DType type;
    std::vector<std::uint64_t> shape;
    std::span<const std::byte> bytes;
  };
  void put(std::string_view key, std::string encoded);
  std::uint64_t alignment() const;
  std::string header() const;

  std::vector<Pair> pairs_;
  std::vector<Tensor> tensors_;
};

}  // namespace tome
