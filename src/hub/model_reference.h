#pragma once
// "hf:owner/repo" and "hf:owner/repo:file", data sets as "hf:datasets/owner/repo[:file]". Names come from users and
// from servers, and become paths: every component is checked.
#include <string>
#include <string_view>

#include "base/result.h"

namespace tome {

struct ModelReference {
  std::string owner, repository;
  std::string file;  ///< empty: the whole repository
  bool data_set = false;
};

/// Errors: usage, with the form expected.
Result<ModelReference> parse_model_reference(std::string_view text);
/// A relative path of plain components: no "..", no empty one, no backslash, no control character. Errors: `kind`.
Status check_relative_path(std::string_view path, ErrorKind kind);
/// "owner/repository", a data set's behind "datasets/": what a hub calls it, and what stands behind "hf:".
std::string repository_name(const ModelReference& reference);
/// cache/owner--repository, a data set's behind "datasets--".
std::string repository_directory(const ModelReference& reference, const std::string& cache_directory);

}  // namespace tome
