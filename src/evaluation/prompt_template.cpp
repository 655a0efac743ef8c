#include "evaluation/prompt_template.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/mapped_file.h"
#include "formats/json_fields.h"

namespace tome {
namespace {

constexpr std::uint64_t longest_prompts_file = 16u << 20;

std::string listed(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += fmt::format("{}{{{}}}", text.empty() ? "" : ", ", name);
  return text;
}

}  // namespace

Result<PromptTemplate> PromptTemplate::parse(std::string_view text, std::string_view where,
                                             std::span<const std::string_view> names) {
  PromptTemplate result;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) result.pieces_.push_back({false, std::exchange(literal, {})});
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '{' && text[at] != '}') {
      literal += text[at];
    } else if (at + 1 < text.size() && text[at + 1] == text[at]) {
      literal += text[at++];
    } else if (text[at] == '}') {
      return fail(ErrorKind::usage, "{}: a '}}' without '{{' at byte {}; a brace itself is written twice", where, at);
    } else {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos)
        return fail(ErrorKind::usage, "{}: a '{{' without '}}' at byte {}; a brace itself is written twice", where, at);
      const std::string_view name = text.substr(at + 1, end - at - 1);
      if (std::find(names.begin(), names.end(), name) == names.end())
        return fail(ErrorKind::usage, "{}: {{{}}}, expected one of {}", where, name.substr(0, 40), listed(names));
      flush();
      result.pieces_.push_back({true, std::string(name)});
      at = end;
    }
  }
  flush();
  return result;
}

std::string PromptTemplate::fill(const TemplateValues& values) const {
  std::string text;
  for (const Piece& piece : pieces_) {
    if (!piece.is_name) {
      text += piece.text;
      continue;
    }
    for (const auto& [name, value] : values)
      if (name == piece.text) text += value;
  }
  return text;
}

Result<Wordings> Wordings::load(const std::string& path) {
  Wordings wordings;
  if (path.empty()) return wordings;
  wordings.path_ = path;
  TOME_ASSIGN(const std::string text, read_file(path, longest_prompts_file));
  TOME_ASSIGN(const Json json, parse_json(text, fmt::format("[eval] --prompts {}", path)));
  if (!json.is_object())
    return fail(ErrorKind::format, "[eval] --prompts {}: {}, expected an object task → template", path, shown(json));
  for (const auto& [task, value] : json.items()) {
    Texts texts;
    if (value.is_string()) {
      texts.user = value.get<std::string>();
    } else if (value.is_object()) {
      const JsonFields fields(value, fmt::format("[eval] --prompts {}", path), task + ".");
      TOME_ASSIGN(const auto user, fields.text("template"));
      TOME_ASSIGN(const auto opening, fields.text("answer_prefix"));
      if (!user)
        return fail(ErrorKind::format, "[eval] --prompts {}: '{}.template' is missing, expected a string", path, task);
      texts = {*user, opening.value_or("")};
    } else {
      return fail(ErrorKind::format, "[eval] --prompts {}: '{}' is {}, expected a string or an object", path, task,
                  shown(value));
    }
    wordings.texts_[task] = std::move(texts);
  }
  wordings.source_ = fmt::format("{} sha256 {}", std::filesystem::path(path).filename().string(),
                                 sha256_hex(std::as_bytes(std::span(text))).substr(0, 16));
  return wordings;
}

Result<Wording> Wordings::of(const std::string& task, std::string_view own_user, std::string_view own_opening,
                             std::span<const std::string_view> names) const {
  const auto found = texts_.find(task);
  Wording wording;
  wording.own = found == texts_.end();
  const std::string where = fmt::format("[eval] --prompts {}: '{}'", path_, task);
  const std::string_view user = wording.own ? own_user : std::string_view(found->second.user);
  const std::string_view opening = wording.own ? own_opening : std::string_view(found->second.opening);
  TOME_ASSIGN(wording.user, PromptTemplate::parse(user, where, names));
  TOME_ASSIGN(wording.opening, PromptTemplate::parse(opening, where, names));
  // A file's texts are joined as they are: the official ones bring their own space or newline.
  if (wording.own && !opening.empty()) wording.joint = "\n";
  return wording;
}

Result<PromptTemplate> Wordings::part(const std::string& name, std::string_view own,
                                      std::span<const std::string_view> names) const {
  const auto found = texts_.find(name);
  return PromptTemplate::parse(found == texts_.end() ? own : std::string_view(found->second.user),
                               fmt::format("[eval] --prompts {}: '{}'", path_, name), names);
}

}  // namespace tome
