#pragma once
// The words around a context: a template with {names} as benchmarks publish them (Python's str.format: "{{" is a
// brace), and where it comes from: our own wording, or the user's file of the official one. Immutable; any thread.
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tome {

using TemplateValues = std::vector<std::pair<std::string, std::string>>;  ///< name → text

class PromptTemplate {
 public:
  /// names: those that may stand in braces. Errors: usage, naming `where` and the name or brace that is wrong.
  static Result<PromptTemplate> parse(std::string_view text, std::string_view where,
                                      std::span<const std::string_view> names);
  /// A name without a value becomes nothing.
  std::string fill(const TemplateValues& values) const;
  bool empty() const { return pieces_.empty(); }

 private:
  struct Piece {
    bool is_name = false;
    std::string text;
  };
  std::vector<Piece> pieces_;
};

/// How one task is put to a model.
struct Wording {
  PromptTemplate user;     ///< what the user says
  PromptTemplate opening;  ///< how the answer begins
  std::string joint;       ///< between the two where a base model goes on with one text
  bool own = true;         ///< ours, not the file's
};

/// Our wordings with those of --prompts in their place.
class Wordings {
 public:
  /// path: a JSON object task → template, or task → {"template": …, "answer_prefix": …}; "" for none. Errors: io,
  /// format, naming the field.
  static Result<Wordings> load(const std::string& path);
  /// The file's, or ours. Errors: usage, naming the file, the task and the name in braces that it may not use.
  Result<Wording> of(const std::string& task, std::string_view own_user, std::string_view own_opening,
                     std::span<const std::string_view> names) const;
  /// One template that is no task's (a needle's sentence). Errors as above.
  Result<PromptTemplate> part(const std::string& name, std::string_view own,
                              std::span<const std::string_view> names) const;
  /// "tome", or the file's name and digest: for recipes.
  std::string source(const Wording& wording) const { return wording.own ? "tome" : source_; }
  bool has_file() const { return !source_.empty(); }

 private:
  struct Texts {
    std::string user, opening;
  };
  std::map<std::string, Texts> texts_;
  std::string path_, source_;
};

}  // namespace tome
