#include "tokenizer/sentence_starts.h"

#include <algorithm>
#include <string>

namespace tome {

SentenceStarts::SentenceStarts(const Tokenizer& tokenizer) : kinds_(tokenizer.vocabulary()) {
  const auto is_white = [](char c) { return c == '\n' || c == ' ' || c == '\t' || c == '\r'; };
  for (std::size_t id = 0; id < kinds_.size(); ++id) {
    std::string bytes = tokenizer.token_bytes(static_cast<TokenId>(id));
    kinds_[id].white_space = !bytes.empty() && std::all_of(bytes.begin(), bytes.end(), is_white);
    const std::size_t last = bytes.find_last_not_of(" \t\r\n");
    const auto newlines = std::count(bytes.begin() + static_cast<std::ptrdiff_t>(last + 1), bytes.end(), '\n');
    kinds_[id].newlines = static_cast<std::uint8_t>(std::min<std::ptrdiff_t>(newlines, 2));
    while (!bytes.empty() && (bytes.back() == '\n' || bytes.back() == ' ' || bytes.back() == '"')) bytes.pop_back();
    kinds_[id].ends_sentence = !bytes.empty() && (bytes.back() == '.' || bytes.back() == '!' || bytes.back() == '?');
  }
}

std::vector<std::uint64_t> SentenceStarts::find(std::span<const TokenId> tokens) const {
  std::vector<std::uint64_t> starts;
  bool begins = true;
  int newlines = 0;
  for (std::size_t at = 0; at < tokens.size(); ++at) {
    const Kind& kind = kinds_[static_cast<std::size_t>(tokens[at])];
    if (begins && !kind.white_space) {
      starts.push_back(at);
      begins = false;
    }
    newlines = (kind.white_space ? newlines : 0) + kind.newlines;
    begins = begins || kind.ends_sentence || newlines >= 2;
  }
  return starts;
}

}  // namespace tome
