#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/checked.h"
#include "formats/json_fields.h"
#include "formats/printable.h"

namespace tome {
namespace {

constexpr std::uint64_t max_header_bytes = 100'000'000;
constexpr std::uint64_t max_index_bytes = 100'000'000;

struct TypeFacts {
  std::string_view name;
  std::uint64_t bytes;
  std::optional<DType> type;
};
constexpr TypeFacts type_table[] = {
    {"F32", 4, DType::f32},    {"F16", 2, DType::f16},       {"BF16", 2, DType::bf16},     {"F64", 8, DType::f64},
    {"I8", 1, DType::i8},      {"I16", 2, DType::i16},       {"I32", 4, DType::i32},       {"I64", 8, DType::i64},
    {"U8", 1, std::nullopt},   {"U16", 2, std::nullopt},     {"U32", 4, std::nullopt},     {"U64", 8, std::nullopt},
    {"BOOL", 1, std::nullopt}, {"F8_E4M3", 1, std::nullopt}, {"F8_E5M2", 1, std::nullopt},
};

class Header {
 public:
  Header(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), where_("[safetensors] " + name) {}

  Result<std::vector<SafeTensor>> parse() {
    TOME_ASSIGN(const Json header, json());
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__")
        TOME_TRY(metadata(entry));
      else
        TOME_TRY(tensor(name, entry));
    }
    TOME_TRY(no_holes());
    return std::move(tensors_);
  }

 private:
  Result<Json> json() {
    std::uint64_t length = 0;
    if (bytes_.size() < sizeof length)
      return fail(ErrorKind::format, "{}: {} bytes, too short for a header", where_, bytes_.size());
    std::memcpy(&length, bytes_.data(), sizeof length);
    if (length > max_header_bytes)
      return fail(ErrorKind::format, "{}: a header of {} bytes, expected at most {}", where_, length, max_header_bytes);
    if (length > bytes_.size() - sizeof length)
      return fail(ErrorKind::format, "{}: a header of {} bytes in a file of {}", where_, length, bytes_.size());
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + sizeof length, length);
    if (text.empty() || text[0] != '{')
      return fail(ErrorKind::format, "{}: the header starts with '{}', expected '{{'", where_,
                  printable(text.substr(0, 1)));
    data_ = bytes_.subspan(sizeof length + length);
    return parse_json(text, where_, {.max_depth = 8});
  }

  Status metadata(const Json& entry) const {
    if (!entry.is_object())
      return fail(ErrorKind::format, "{}: '__metadata__' is {}, expected an object", where_, shown(entry));
    for (const auto& [key, value] : entry.items())
      if (!value.is_string())
        return fail(ErrorKind::format, "{}: '__metadata__.{}' is {}, expected a string", where_, printable(key),
                    shown(value));
    return {};
  }

  Status tensor(const std::string& name, const Json& entry) {
    SafeTensor result;
    result.name = name;
    const std::string shown_name = printable(name);
    if (!entry.is_object())
      return fail(ErrorKind::format, "{}: '{}' is {}, expected an object", where_, shown_name, shown(entry));
    const JsonFields fields(entry, where_, shown_name + ".");
    TOME_ASSIGN(const TypeFacts facts, type(fields));
    result.type_name = facts.name;
    result.type = facts.type;
    TOME_ASSIGN(const Json* shape, fields.array("shape"));
    if (shape == nullptr) return fail(ErrorKind::format, "{}: '{}.shape' is missing", where_, shown_name);
    std::uint64_t expected = facts.bytes;
    for (const Json& extent : *shape) {
      if (!extent.is_number_unsigned()) return fields.wrong_type("shape", "an array of whole numbers");
      result.shape.push_back(extent.get<std::uint64_t>());
      const auto product = checked_multiply(expected, result.shape.back());
      if (!product) return fail(ErrorKind::format, "{}: '{}': its size overflows 64 bits", where_, shown_name);
      expected = *product;
    }
    return range(fields, shown_name, expected, std::move(result));
  }

  Result<TypeFacts> type(const JsonFields& fields) const {
    TOME_ASSIGN(const auto name, fields.text("dtype"));
    if (!name) return fail(ErrorKind::format, "{}: '{}' is missing", where_, fields.name("dtype"));
    for (const TypeFacts& facts : type_table)
      if (facts.name == *name) return facts;
    return fail(ErrorKind::unsupported, "{}: '{}' is '{}', a type that Tome does not know", where_,
                fields.name("dtype"), printable(*name));
  }

  Status range(const JsonFields& fields, const std::string& name, std::uint64_t expected, SafeTensor result) {
    TOME_ASSIGN(const Json* offsets, fields.array("data_offsets"));
    if (offsets == nullptr) return fail(ErrorKind::format, "{}: '{}.data_offsets' is missing", where_, name);
    if (offsets->size() != 2 || !(*offsets)[0].is_number_unsigned() || !(*offsets)[1].is_number_unsigned())
      return fields.wrong_type("data_offsets", "two whole numbers");
    const auto begin = (*offsets)[0].get<std::uint64_t>(), end = (*offsets)[1].get<std::uint64_t>();
    if (begin > end) return fail(ErrorKind::format, "{}: '{}': bytes {} to {} run backwards", where_, name, begin, end);
    if (end > data_.size())
      return fail(ErrorKind::format, "{}: '{}': bytes {} to {} of {}: the file is cut short", where_, name, begin, end,
                  data_.size());
    if (end - begin != expected)
      return fail(ErrorKind::format, "{}: '{}': {} bytes, expected {} from its type and shape", where_, name,
                  end - begin, expected);
    result.data = data_.subspan(begin, end - begin);
    tensors_.push_back(std::move(result));
    return {};
  }

  /// Sorts by place; the tensors must cover the data exactly.
  Status no_holes() {
    std::stable_sort(tensors_.begin(), tensors_.end(), [](const SafeTensor& a, const SafeTensor& b) {
      return std::pair(a.data.data(), a.data.size()) < std::pair(b.data.data(), b.data.size());
    });
    std::uint64_t covered = 0;
    for (const SafeTensor& tensor : tensors_) {
      const auto begin = static_cast<std::uint64_t>(tensor.data.data() - data_.data());
      if (begin < covered)
        return fail(ErrorKind::format, "{}: '{}' at byte {} overlaps the tensor before it, which ends at {}", where_,
                    printable(tensor.name), begin, covered);
      if (begin > covered)
        return fail(ErrorKind::format, "{}: a hole of {} bytes before '{}'", where_, begin - covered,
                    printable(tensor.name));
      covered += tensor.data.size();
    }
    if (covered != data_.size())
      return fail(ErrorKind::format, "{}: {} bytes behind the last tensor", where_, data_.size() - covered);
    return {};
  }

  std::span<const std::byte> bytes_, data_;
  std::string where_;
  std::vector<SafeTensor> tensors_;
};

/// A name that stays inside its folder.
bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && name.find('\0') == std::string::npos;
}

Status append(SafetensorsFolder& folder, const std::string& path) {
  TOME_ASSIGN(std::shared_ptr<const MappedFile> file, MappedFile::open(path));
  TOME_ASSIGN(std::vector<SafeTensor> tensors, parse_safetensors(file->bytes(), path));
  std::move(tensors.begin(), tensors.end(), std::back_inserter(folder.tensors));
  folder.storage.push_back(std::move(file));
  return {};
}

Result<SafetensorsFolder> open_shards(const std::string& folder, const std::string& index_path) {
  TOME_ASSIGN(const std::string text, read_file(index_path, max_index_bytes));
  TOME_ASSIGN(const auto weight_map, parse_safetensors_index(text, index_path));
  std::set<std::string> files;
  for (const auto& [tensor, file] : weight_map) files.insert(file);
  SafetensorsFolder result;
  std::set<std::string> seen;
  for (const std::string& file : files) {
    const std::size_t first = result.tensors.size();
    const std::string path = folder + "/" + file;
    TOME_TRY(append(result, path));
    for (std::size_t i = first; i < result.tensors.size(); ++i) {
      const std::string& name = result.tensors[i].name;
      const auto entry = weight_map.find(name);
      if (entry == weight_map.end() || entry->second != file)
        return fail(ErrorKind::format, "[safetensors] {}: '{}' is in this shard, the index says {}", path,
                    printable(name),
                    entry == weight_map.end() ? "nothing of it" : "'" + printable(entry->second) + "'");
      seen.insert(name);
    }
  }
  for (const auto& [tensor, file] : weight_map)
    if (!seen.contains(tensor))
      return fail(ErrorKind::format, "[safetensors] {}: '{}' should be in '{}', but is not", index_path,
                  printable(tensor), printable(file));
  return result;
}

}  // namespace

Result<std::vector<SafeTensor>> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  return Header(bytes, name).parse();
}

Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view text, const std::string& name) {
  const std::string where = "[safetensors] " + name;
  TOME_ASSIGN(const Json index, parse_json(text, where));
  if (!index.is_object()) return fail(ErrorKind::format, "{}: {}, expected an object", where, shown(index));
  TOME_ASSIGN(const auto weight_map, JsonFields(index, where).object("weight_map"));
  if (!weight_map) return fail(ErrorKind::format, "{}: 'weight_map' is missing", where);
  std::map<std::string, std::string> result;
  for (const auto& [tensor, file] : weight_map->json().items()) {
    if (!file.is_string())
      return fail(ErrorKind::format, "{}: 'weight_map.{}' is {}, expected a file name", where, printable(tensor),
                  shown(file));
    if (!is_plain_file_name(file.get<std::string>()))
      return fail(ErrorKind::format, "{}: shard '{}' leaves the folder", where, printable(file.get<std::string>()));
    result.emplace(tensor, file.get<std::string>());
  }
  return result;
}

Result<SafetensorsFolder> open_safetensors_folder(const std::string& folder) {
  const std::string single = folder + "/model.safetensors", index = single + ".index.json";
  std::error_code ignored;
  if (std::filesystem::exists(single, ignored)) {
    SafetensorsFolder result;
    TOME_TRY(append(result, single));
    return result;
  }
  if (std::filesystem::exists(index, ignored)) return open_shards(folder, index);
  return fail(ErrorKind::io, "{}: neither model.safetensors nor model.safetensors.index.json is there", folder);
}

}  // namespace tome
