#include "runtime/reread.h"

namespace tome {
namespace {

std::string join_excerpts(const Document& document, const std::vector<Excerpt>& excerpts) {
  std::string text;
  std::size_t last_part = document.parts().size();
  for (const Excerpt& excerpt : excerpts) {
    if (!text.empty()) text += "\n\n";
    const std::size_t part = document.place(excerpt.begin).part;
    if (document.parts().size() > 1 && part != last_part) text += "File: " + document.parts()[part].name + "\n\n";
    last_part = part;
    text += trimmed_text(document, excerpt.begin, excerpt.end);
  }
  return text;
}

}  // namespace

RereadText make_reread_text(const Document& document, std::span<const Passage> passages, std::uint64_t token_limit,
                            const std::function<std::uint64_t(std::string_view)>& count_tokens,
                            const ExcerptOptions& options) {
  RereadText result;
  for (std::size_t count = passages.size(); count > 0; --count) {
    result.excerpts = make_excerpts(document, passages.first(count), options);
    result.text = join_excerpts(document, result.excerpts);
    if (count == 1 || count_tokens(result.text) <= token_limit) break;
  }
  return result;
}

}  // namespace tome
