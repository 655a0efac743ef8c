#pragma once
// Split GGUF files: name-00001-of-00003.gguf … Any part opens the whole; metadata comes from the first.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "formats/gguf.h"

namespace tome {

struct SplitName {
  std::string stem;  ///< what stands before "-00001-of-00003.gguf", folders included
  std::uint32_t number = 0, count = 0;
  std::string part(std::uint32_t which) const;
};
/// nullopt when the path is not named like a part.
std::optional<SplitName> parse_split_name(const std::string& path);

struct GgufParts {
  std::vector<GgufFile> files;
  std::vector<std::shared_ptr<const MappedFile>> storage;
};
/// Maps and parses the file, or every part of a split one. Errors: io; format when parts are missing or disagree.
Result<GgufParts> open_gguf(const std::string& path);

}  // namespace tome
