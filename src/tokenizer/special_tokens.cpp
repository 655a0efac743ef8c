#include "tokenizer/special_tokens.h"

namespace tome {

void SpecialTokens::add(std::string_view text, std::int32_t id) {
  if (text.empty()) return;
  first_[static_cast<unsigned char>(text.front())] = true;
  std::int32_t node = 0;
  for (const char character : text) {
    const std::int32_t byte = static_cast<unsigned char>(character);
    const Merge edge = edges_.find(node, byte);
    if (edge.merged >= 0) {
      node = edge.merged;
      continue;
    }
    const auto fresh = static_cast<std::int32_t>(ids_.size());
    ids_.push_back(-1);
    edges_.insert(node, byte, {0, fresh});
    node = fresh;
  }
  if (ids_[static_cast<std::size_t>(node)] < 0) ids_[static_cast<std::size_t>(node)] = id;
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!first_[static_cast<unsigned char>(text[begin])]) continue;
    Match match;
    std::int32_t node = 0;
    for (std::size_t at = begin; at < text.size(); ++at) {
      node = edges_.find(node, static_cast<unsigned char>(text[at])).merged;
      if (node < 0) break;
      const std::int32_t id = ids_[static_cast<std::size_t>(node)];
      if (id >= 0) match = {begin, at - begin + 1, id};
    }
    if (match.length != 0) return match;
  }
  return {text.size(), 0, -1};
}

}  // namespace tome
