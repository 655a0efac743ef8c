#include "hub/model_reference.h"

#include <algorithm>
#include <cctype>

namespace tome {
namespace {

bool plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 96 && name != "." && name != ".." &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

Status check_relative_path(std::string_view path, ErrorKind kind) {
  const auto bad_character = [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; };
  if (path.empty() || path.size() > 512 || std::ranges::any_of(path, bad_character)) {
    return fail(kind, "[pull] file name of {} bytes, expected 1 to 512 printable ones without backslashes",
                path.size());
  }
  std::string_view rest = path;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view component = rest.substr(0, slash);
    if (component.empty() || component == "." || component == "..") {
      return fail(kind, "[pull] file name '{}': '{}' is no part of a path inside a repository", path, component);
    }
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

Result<ModelReference> parse_model_reference(std::string_view text) {
  const auto wrong = [text] {
    return fail(ErrorKind::usage,
                "[pull] '{}', expected hf:owner/repository[:file] or hf:datasets/owner/repository[:file]", text);
  };
  if (!text.starts_with("hf:")) return wrong();
  std::string_view rest = text.substr(3);
  ModelReference reference;
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    reference.file = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    TOME_TRY(check_relative_path(reference.file, ErrorKind::usage));
  }
  constexpr std::string_view kDataSets = "datasets/";
  if (rest.starts_with(kDataSets) && rest.find('/', kDataSets.size()) != std::string_view::npos) {
    reference.data_set = true;
    rest.remove_prefix(kDataSets.size());
  }
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return wrong();
  reference.owner = rest.substr(0, slash);
  reference.repository = rest.substr(slash + 1);
  if (!plain_name(reference.owner) || !plain_name(reference.repository)) return wrong();
  return reference;
}

std::string repository_name(const ModelReference& reference) {
  return fmt::format("{}{}/{}", reference.data_set ? "datasets/" : "", reference.owner, reference.repository);
}

std::string repository_directory(const ModelReference& reference, const std::string& cache_directory) {
  return fmt::format("{}/{}{}--{}", cache_directory, reference.data_set ? "datasets--" : "", reference.owner,
                     reference.repository);
}

}  // namespace tome
