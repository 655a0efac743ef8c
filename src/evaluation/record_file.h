#pragma once
// A file of JSON records, one a line (.jsonl) or the elements of one array (.json), read one at a time: the file is
// mapped, only the places of its records are kept. Immutable; any thread.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "base/result.h"

namespace tome {

class RecordFile {
 public:
  /// Finds the records. Errors: io; format for gzip data and for a file without records.
  static Result<RecordFile> open(const std::string& path);

  std::size_t count() const { return records_.size(); }
  const std::string& path() const { return file_->path(); }
  std::uint64_t line(std::size_t index) const { return records_[index].line; }  ///< where it begins, from 1
  std::string where(std::size_t index) const;                                   ///< "[eval] FILE:LINE"
  std::string_view text(std::size_t index) const;
  /// Errors: format, naming file and line: not JSON, not an object.
  Result<Json> object(std::size_t index) const;

 private:
  struct Record {
    std::uint64_t begin, end, line;
  };
  void find_lines(std::string_view text, std::uint64_t begin);
  void find_elements(std::string_view text, std::uint64_t begin);
  std::shared_ptr<const MappedFile> file_;
  std::vector<Record> records_;
};

}  // namespace tome
