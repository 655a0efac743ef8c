#pragma once
// "hf:owner/repo" and "hf:owner/repo:file". Names come from users and from servers, and become paths: every component
// is checked.
#include <string>
#include <string_view>

#include "base/result.h"

namespace tome {

struct ModelReference {
  std::string owner, repository;
  std::string file;  ///< empty: the whole repository
};

/// Errors: usage, with the form expected.
Result<ModelReference> parse_model_reference(std::string_view text);
/// A relative path of plain components: no "..", no empty one, no backslash, no control character. Errors: `kind`.
Status check_relative_path(std::string_view path, ErrorKind kind);
/// cache/owner--repository
std::string repository_directory(const ModelReference& reference, const std::string& cache_directory);

}  // namespace tome
